"""The self-check finds what the rest of the service would not notice about itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.intake.apply import ATTEMPTS, apply_all, requeue_dead
from reconciler.reconciling.self_check import self_check
from tests.harness import Service, run, service


async def _busy(it: Service) -> None:
    await it.merchant("bakery")
    metadata = {"merchant_id": "bakery", "platform_fee": "100"}
    intent = it.simulator.acts.pay(10_000, "usd", card="pm_card_bypassPending", metadata=metadata)
    it.simulator.acts.refund(payment_intent=intent["id"], amount=2_500)
    it.simulator.acts.pay_out_bank("usd", 1_000)
    await it.listen()


def test_a_sound_ledger_has_nothing_to_report(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await _busy(it)
            assert await self_check(it.context) == []

    run(story)


def test_each_way_of_breaking_the_books_is_found_reported_and_cleared(tmp_path: Path) -> None:
    broken = [
        "UPDATE balances SET books = books + 1 WHERE account = 'merchant:bakery'",
        "DELETE FROM balances WHERE account = 'bank'",
        "UPDATE positions SET lines = '[]' WHERE kind = 'refund'",
        "UPDATE objects SET amount = amount + 1 WHERE kind = 'refund'",
        "DELETE FROM positions WHERE kind = 'payment'",
        """UPDATE objects SET detail = REPLACE(detail, '"bakery"', '"other"')
           WHERE kind IN ('payment_intent', 'charge')""",
    ]

    async def story(number: int, sql: str) -> None:
        async with service(f"sqlite:///{tmp_path / f'{number}.db'}") as it:
            await _busy(it)
            async with it.context.write() as session:
                await session.run(sql)
            found = await self_check(it.context)
            assert found, sql
            assert {f.kind.value for f in found} == {"invariant_broken"}
            assert {f.cause.value for f in found} == {"overwritten"}
            assert all(f.evidence[0]["rule"] for f in found)
            checked = await it.check()
            assert checked["status"] == "drift"
            told = [f["reference"] for f in checked["found"] if f["cause"] == "overwritten"]
            assert {f.reference for f in found} <= set(told)
            assert len(told) == len(set(told))  # each is told once

    for number, sql in enumerate(broken):
        run(lambda: story(number, sql))  # noqa: B023


def test_a_finding_of_the_self_check_clears_when_it_is_mended(tmp_path: Path) -> None:
    async def story() -> None:
        async with service(f"sqlite:///{tmp_path / 'mended.db'}") as it:
            await _busy(it)
            for by in (1, -1):
                async with it.context.write() as session:
                    await session.run(
                        "UPDATE balances SET books = books + :by WHERE account = 'merchant:bakery'",
                        by=by,
                    )
                await self_check(it.context)
            assert [r["status"] for r in await it.query("SELECT status FROM findings")] == [
                "cleared"
            ]
            assert (await it.check())["status"] == "clean"

    run(story)


def test_a_dead_event_is_tried_again_when_asked_and_at_every_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'dead.db'}"

    async def dies() -> None:
        async with service(url) as it:
            with monkeypatch.context() as broken:
                broken.setattr("reconciler.intake.apply.prepare", _defect)
                it.simulator.acts.pay(10_000, "usd", metadata={"merchant_id": "bakery"})
                for _ in range(ATTEMPTS):
                    await it.listen()
                    it.simulator.clock.advance(3_600)
            statuses = {r["status"] for r in await it.query("SELECT status FROM inbox")}
            assert statuses == {"dead"}
            assert (await it.check())["status"] == "drift"
            assert await requeue_dead(it.context, ["evt_nowhere"]) == 0

    async def lives() -> None:
        async with service(url) as it:
            await apply_all(it.context)
            assert (await it.balances())["merchant:bakery", "usd"] == -10_000

    run(dies)
    run(lives)


def _defect(*_: object) -> None:
    raise KeyError("a defect of this version")
