"""Jobs: each slot runs once, whoever ticks; a lost lease stops what it covered."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from jobs import schedule
from jobs.runner import LEASE_SECONDS, Job, run_slot
from jobs.schedule import JOBS, Schedule
from reconciler.context import Context
from reconciler.store import leases
from reconciler.store.database import Database
from reconciler.store.leases import LostLease
from tests.harness import run, service


def test_many_instances_over_many_slots_run_each_slot_once(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it, Database(database_url) as second:
            ran: list[int] = []

            async def work(context: Context) -> str:
                ran.append(1)
                await asyncio.sleep(0)
                return "done"

            contexts = [it.context, replace(it.context, database=second)] * 3
            job = Job("counted", 60, work)
            for slot in range(1, 5):
                claims = [
                    run_slot(context, job, slot, f"holder{number}")
                    for number, context in enumerate(contexts)
                ]
                assert sum(await asyncio.gather(*claims)) == 1
            assert len(ran) == 4
            rows = await it.query("SELECT slot, fence, outcome FROM job_runs ORDER BY slot")
            assert [(r["slot"], r["fence"], r["outcome"]) for r in rows] == [
                (slot, slot, "done") for slot in range(1, 5)
            ]

    run(story)


def test_an_older_slot_never_runs_after_a_newer_one(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            job = Job("ordered", 60, _nothing)
            assert await run_slot(it.context, job, 7, "a")
            assert not await run_slot(it.context, job, 7, "b")
            assert not await run_slot(it.context, job, 6, "b")

    run(story)


def test_a_change_of_the_interval_keeps_no_job_from_running(tmp_path: Path) -> None:
    """A drill with a small scale numbers many slots; the usual ones after it are still newer."""

    async def story() -> None:
        async with service(f"sqlite:///{tmp_path / 'scale.db'}") as it:
            job = next(job for job in JOBS if job.name == "self_check")

            async def ran(scale: float) -> int:
                it.simulator.clock.advance(7200)
                running = Schedule(it.context, "a", scale)
                await running._tick(job, job.every_seconds * scale)
                return len(await it.query("SELECT slot FROM job_runs"))

            assert [await ran(scale) for scale in (1.0, 0.001, 1.0, 10.0, 1.0)] == [1, 2, 3, 4, 5]

    run(story)


async def _nothing(_: Context) -> str:
    return ""


def test_a_job_that_raises_is_logged_and_its_next_slot_runs(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:

            async def broken(_: Context) -> str:
                raise ValueError("the thing is broken")

            assert await run_slot(it.context, Job("broken", 60, broken), 1, "a")
            outcome = (await it.query("SELECT outcome FROM job_runs"))[0]["outcome"]
            assert outcome == "failed: ValueError: the thing is broken"
            assert await run_slot(it.context, Job("broken", 60, _nothing), 2, "a")

    run(story)


def test_work_of_an_older_fence_is_refused_in_its_own_transaction(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            now = it.context.now()
            async with it.context.write() as session:
                old = await leases.claim(session, "apply", 1, "slow", now, LEASE_SECONDS)
            assert old is not None
            stale = replace(it.context, lease=("apply", old))
            async with stale.write() as session:
                await session.run("DELETE FROM fetches")  # its own lease: allowed
            it.simulator.clock.advance(LEASE_SECONDS + 1)
            async with it.context.write() as session:
                new = await leases.claim(
                    session, "apply", 2, "quick", it.context.now(), LEASE_SECONDS
                )
            assert new == old + 1
            with pytest.raises(LostLease):
                async with stale.write() as session:
                    await session.run("DELETE FROM fetches")
            with pytest.raises(LostLease):
                async with stale.write_books() as session:
                    await session.run("DELETE FROM fetches")

    run(story)


def test_a_lease_whose_holder_died_is_free_when_it_ends(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            async with it.context.write() as session:
                now = it.context.now()
                assert await leases.claim(session, "job", 1, "dead", now, LEASE_SECONDS)
            assert not await run_slot(it.context, Job("job", 60, _nothing), 2, "b")
            it.simulator.clock.advance(LEASE_SECONDS + 1)
            assert await run_slot(it.context, Job("job", 60, _nothing), 3, "b")

    run(story)


def test_a_cancelled_job_frees_its_lease(tmp_path: Path) -> None:
    async def story() -> None:
        async with service(f"sqlite:///{tmp_path / 'cancelled.db'}") as it:
            started = asyncio.Event()

            async def endless(_: Context) -> str:
                started.set()
                await asyncio.Event().wait()
                return ""

            task = asyncio.create_task(run_slot(it.context, Job("job", 60, endless), 1, "a"))
            await started.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await run_slot(it.context, Job("job", 60, _nothing), 2, "b")

    run(story)


def test_every_scheduled_job_does_its_work_on_a_running_service(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            it.simulator.webhooks.drop("*")
            it.simulator.acts.pay(10_000, "usd", metadata={"merchant_id": "bakery"})
            await it.listen()
            for slot, job in enumerate([*JOBS, *JOBS], 1):
                assert await run_slot(it.context, job, slot, "a")
            rows = await it.query("SELECT job, outcome FROM job_runs ORDER BY slot")
            outcomes = {row["job"]: row["outcome"] for row in rows}
            assert outcomes["check_balance"].endswith("clean")
            assert outcomes["self_check"] == "0 invariants broken"
            assert not any(row["outcome"].startswith("failed") for row in rows)
            assert (await it.balances())["merchant:bakery", "usd"] == -10_000

    run(story)


def test_a_schedule_that_stops_leaves_no_job_running_and_no_lease_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        async with service(f"sqlite:///{tmp_path / 'stopped.db'}") as it:
            started, ended = asyncio.Event(), []

            async def endless(_: Context) -> str:
                started.set()
                try:
                    await asyncio.Event().wait()
                finally:
                    ended.append(1)
                return ""

            monkeypatch.setattr(schedule, "JOBS", (Job("endless", 0.01, endless),))
            running = Schedule(it.context, "a", 1.0)
            running.start()
            await started.wait()
            await running.stop()
            assert ended == [1]
            await asyncio.sleep(0)
            errors = [r for r in caplog.records if r.levelname == "ERROR"]
            assert errors == []  # to stop is no failure
            lease = (await it.query("SELECT leased_until FROM leases"))[0]
            assert lease["leased_until"] == 0

    run(story)


def test_the_schedule_spells_out_what_the_scheduler_would_otherwise_guess() -> None:
    async def story() -> None:
        ticking = Schedule(None, "a", 2.0).ticking  # type: ignore[arg-type]
        ticking.start(paused=True)
        jobs = {job.id: job for job in ticking.get_jobs()}
        assert jobs.keys() == {job.name for job in JOBS}
        for job in JOBS:
            scheduled = jobs[job.name]
            assert scheduled.trigger.interval.total_seconds() == job.every_seconds * 2
            assert (scheduled.max_instances, scheduled.coalesce) == (1, True)
            assert scheduled.misfire_grace_time is None
        ticking.shutdown(wait=False)

    run(story)
