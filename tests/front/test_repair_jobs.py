"""Bulk repair: planned, counted, confirmed as it was shown, gone on with after a crash, once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from jobs import repair_findings
from reconciler.oversight.keys import Role
from reconciler.reconciling.repairing import bulk
from tests.front.asking import ask, funded, sound
from tests.front.repairing import found, key, refused, repaired
from tests.harness import Service, run, service

JOBS = "/v1/repair-jobs"
WRITE_OFF = {"repair": "adjust", "account": "fees", "reason": "known_movement"}


async def _movements(it: Service, number: int = 5) -> list[dict[str, Any]]:
    """So many movements of an unknown kind, found by a check; their findings."""
    await funded(it)
    for each in range(number):
        it.simulator.acts.unknown_movement(-100 - each, "usd")
    await it.check()
    return await found(it, kind="unknown_movement")


async def _plan(it: Service, **more: Any) -> dict[str, Any]:
    body = {**WRITE_OFF, "findings": {"kind": "unknown_movement"}, **more}
    answer = await ask(it, JOBS, body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def _job(it: Service, id: str) -> dict[str, Any]:
    return dict((await it.get(f"{JOBS}/{id}")).json())


async def _outcomes(it: Service, id: str) -> list[str]:
    rows = (await it.get(f"{JOBS}/{id}/findings")).json()["data"]
    return [row["outcome"] for row in rows]


def test_many_findings_are_repaired_as_planned_counted_and_confirmed(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            rows = await _movements(it)
            plan = await _plan(it)
            total = sum(row["difference"] for row in rows)
            assert (plan["status"], plan["findings"]) == ("planned", 5)
            assert plan["outcomes"] == [
                {"outcome": "to_do", "currency": "usd", "findings": 5, "amount": total}
            ]
            assert await repair_findings.run(it.context) == "0 findings repaired"
            wrong = await ask(it, f"{JOBS}/{plan['id']}/confirm", {"digest": "0" * 64})
            assert refused(wrong, 409, "digest_mismatch")
            body = {"digest": plan["digest"]}
            said = await ask(it, f"{JOBS}/{plan['id']}/confirm", body, once="yes")
            assert said.json()["status"] == "running"
            assert (await ask(it, f"{JOBS}/{plan['id']}/confirm", body, once="yes")).json() == (
                said.json()
            )
            twice = await ask(it, f"{JOBS}/{plan['id']}/confirm", body)
            assert refused(twice, 409, "already_decided")
            assert await repair_findings.run(it.context) == "5 findings repaired"
            done = await _job(it, plan["id"])
            assert (done["status"], done["progress"]) == ("finished", {"done": 5, "total": 5})
            assert await found(it) == []
            assert (await it.check())["status"] == "clean"
            await sound(it)
            actions = (await it.get("/v1/audit", subject=plan["id"])).json()["data"]
            assert [row["action"] for row in actions] == [
                "repair_job.finished", "repair_job.confirmed", "repair_job.planned",
            ]  # fmt: skip

    run(story)


def test_a_finding_that_changed_since_the_plan_is_left_alone(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            rows = await _movements(it, 3)
            plan = await _plan(it)
            await repaired(it, rows[0]["id"], "adjust", account="fees", reason="stripe_fee")
            body = {"digest": plan["digest"]}
            await ask(it, f"{JOBS}/{plan['id']}/confirm", body)
            await repair_findings.run(it.context)
            assert sorted(await _outcomes(it, plan["id"])) == ["applied", "applied", "skipped"]
            assert len(await it.query("SELECT id FROM adjustments")) == 3
            await sound(it)

    run(story)


class Crash(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("before", ["item_done", "insert"])
def test_a_job_that_a_crash_cut_short_goes_on_and_repairs_nothing_twice(
    database_url: str, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await _movements(it, 4)
            plan = await _plan(it)
            await ask(it, f"{JOBS}/{plan['id']}/confirm", {"digest": plan["digest"]})
            module = bulk.repair_jobs if before == "item_done" else bulk.repairs
            real, calls = getattr(module, before), [0]

            async def dies(*given: Any) -> Any:
                calls[0] += 1
                if calls[0] == 3:
                    raise Crash
                return await real(*given)

            monkeypatch.setattr(module, before, dies)
            with pytest.raises(Crash):
                await repair_findings.run(it.context)
            monkeypatch.setattr(module, before, real)
            held = await it.query("SELECT id FROM adjustments")
            assert len(held) == (3 if before == "item_done" else 2)
            await repair_findings.run(it.context)
            assert (await _job(it, plan["id"]))["status"] == "finished"
            assert await _outcomes(it, plan["id"]) == ["applied"] * 4
            assert len(await it.query("SELECT id FROM adjustments")) == 4
            assert (await it.check())["status"] == "clean"
            await sound(it)

    run(story)


def test_two_instances_that_go_on_with_a_job_repair_each_finding_once(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await _movements(it, 4)
            plan = await _plan(it)
            await ask(it, f"{JOBS}/{plan['id']}/confirm", {"digest": plan["digest"]})
            done = await asyncio.gather(*(bulk.go_on(it.context) for _ in range(3)))
            assert sum(done) == 4
            assert await _outcomes(it, plan["id"]) == ["applied"] * 4
            assert len(await it.query("SELECT id FROM adjustments")) == 4
            await sound(it)

    run(story)


def test_a_cancelled_job_stops_and_what_is_done_stays(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await _movements(it, 4)
            plan = await _plan(it)
            path = f"{JOBS}/{plan['id']}"
            await ask(it, f"{path}/confirm", {"digest": plan["digest"]})
            real, calls = bulk.repair_jobs.item_done, [0]

            async def then_cancelled(*given: Any) -> None:
                await real(*given)
                calls[0] += 1

            async def one(*given: Any) -> Any:
                if calls[0] == 2:
                    assert (await ask(it, f"{path}/cancel", {})).json()["status"] == "cancelled"
                return await mine(*given)

            mine = bulk._mine
            monkeypatch.setattr(bulk.repair_jobs, "item_done", then_cancelled)
            monkeypatch.setattr(bulk, "_mine", one)
            assert await repair_findings.run(it.context) == "2 findings repaired"
            done = await _job(it, plan["id"])
            assert (done["status"], done["progress"]["done"]) == ("cancelled", 2)
            assert refused(await ask(it, f"{path}/cancel", {}), 409, "already_over")
            assert len(await found(it)) == 2

    run(story)


def test_while_stripe_does_not_answer_the_rest_waits(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await it.merchant("bakery")
            it.simulator.webhooks.drop("*")
            for amount in (1_000, 2_000):
                it.simulator.acts.pay(amount, "usd", metadata={"merchant_id": "bakery"})
            await it.listen()
            it.simulator.clock.advance(1_000)
            await it.check()
            plan = await _plan(it, repair="resync", account="", reason="", findings={
                "cause": (await found(it))[0]["cause"],
            })  # fmt: skip
            await ask(it, f"{JOBS}/{plan['id']}/confirm", {"digest": plan["digest"]})
            it.simulator.faults.add("GET", "/v1/charges/*", "before", "reset", times=None)
            assert await repair_findings.run(it.context) == "0 findings repaired"
            assert (await _job(it, plan["id"]))["status"] == "running"
            it.simulator.faults.clear()
            it.simulator.clock.advance(120)
            assert await repair_findings.run(it.context) == "2 findings repaired"
            assert await found(it) == []

    run(story)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({**WRITE_OFF, "findings": {}}, 400, "no_filter"),
        ({**WRITE_OFF}, 400, "invalid_body"),
        ({**WRITE_OFF, "findings": {"kind": "odd"}}, 400, "bad_kind"),
        ({**WRITE_OFF, "findings": {"ids": ["fnd_none"]}}, 409, "nothing_to_repair"),
        (
            {**WRITE_OFF, "amount": 5, "findings": {"kind": "unknown_movement"}},
            409,
            "bulk_amount",
        ),
        ({"repair": "refund", "findings": {"currency": "usd"}}, 409, "nothing_to_repair"),
    ],
)
def test_a_plan_that_cannot_be_made_is_refused(
    sqlite_url: str, body: dict[str, Any], status: int, code: str
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await _movements(it, 1)
            answer = await ask(it, JOBS, body)
            assert refused(answer, status, code), answer.text
            assert await it.query("SELECT id FROM repair_jobs") == []

    run(story)


def test_who_may_plan_and_confirm(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await _movements(it, 1)
            operator = await key(it, "operator", Role.OPERATOR)
            body = {**WRITE_OFF, "findings": {"kind": "unknown_movement"}}
            assert refused(await ask(it, JOBS, body, key=operator), 403, "forbidden")
            plan = await _plan(it)
            said = {"digest": plan["digest"]}
            path = f"{JOBS}/{plan['id']}/confirm"
            assert refused(await ask(it, path, said, key=operator), 403, "forbidden")
            none = await ask(it, f"{JOBS}/rpj_none/confirm", said)
            assert refused(none, 404, "unknown_repair_job")

    run(story)


def test_too_many_findings_at_once_are_refused(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await _movements(it, 3)
            monkeypatch.setattr(bulk, "LARGEST", 2)
            body = {**WRITE_OFF, "findings": {"kind": "unknown_movement"}}
            assert refused(await ask(it, JOBS, body), 409, "too_many_findings")

    run(story)
