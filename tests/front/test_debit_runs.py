"""The daily run: what it tries, what it says, and what a crash in the middle leaves behind."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from reconciler.gateway.client import Gateway
from reconciler.gateway.outcomes import Outcome
from reconciler.invoicing import debit_runs
from reconciler.simulator import Simulator
from reconciler.store import debits
from tests.front.charging import (
    charged,
    customer,
    daily,
    intents,
    invoice,
    next_day,
    post,
    read,
    resolved,
)
from tests.harness import Service, run, service

CARDS = (
    ("fine", "pm_card_visa"),
    ("soft", "pm_card_chargeCustomerFail"),
    ("hard", "pm_card_visa_chargeCustomerFailLostCard"),
    ("asks", "pm_card_authenticationRequired"),
    ("none", ""),
)


async def latest(it: Service) -> dict[str, Any]:
    answer = await it.get("/v1/debit-runs/latest")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def by_outcome(run: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    return {row["outcome"]: (row["invoices"], row["amount"]) for row in run["outcomes"]}


def test_a_run_tries_what_is_due_and_says_what_became_of_it(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            for id, card in CARDS:
                await customer(it, id, card)
                await invoice(it, f"of-{id}", id)
            await invoice(it, "later", "fine", due_on="2199-01-01")
            begun = await post(it, "/v1/debit-runs", idempotency="today")
            assert begun.status_code == 202, begun.text
            assert begun.json()["progress"] == {"done": 0, "total": 5}
            assert begun.json()["status"] == "running"
            await daily(it)
            shown = await latest(it)
            assert (shown["status"], shown["progress"]) == ("finished", {"done": 5, "total": 5})
            assert by_outcome(shown) == {
                "declined": (1, 5_000),
                "paid": (1, 5_000),
                "requires_customer": (3, 15_000),
            }
            items = (await it.get(f"/v1/debit-runs/{shown['id']}/invoices")).json()["data"]
            assert {row["id"]: row["outcome"] for row in items}["of-hard"] == "requires_customer"
            assert (await read(it, "later"))["status"] == "open"
            assert await daily(it) == "today's run is finished"
            sql = "SELECT action FROM audit_log WHERE action LIKE :like"
            audited = await it.query(sql, like="debit_run%")
            assert len(audited) == 2

    run(story)


def test_a_run_waits_while_stripe_does_not_answer_and_then_goes_on(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await customer(it)
            for number in range(3):
                await invoice(it, f"i{number}")
            fault = it.simulator.faults.add(effect="reset", times=None)
            await daily(it)
            shown = await latest(it)
            assert shown["status"] == "running"
            assert shown["progress"]["done"] < 3
            it.simulator.faults.remove(fault["id"])
            it.simulator.clock.advance(120)
            await resolved(it)
            await daily(it)
            shown = await latest(it)
            assert by_outcome(shown) == {"paid": (3, 15_000)}
            assert all(charged(it, f"i{number}") == 5_000 for number in range(3))

    run(story)


class Crash(BaseException):
    """The process dies here."""


def crashing(monkeypatch: pytest.MonkeyPatch, at: int, *, after: bool) -> None:
    """The process dies at the `at`-th debit, before Stripe hears of it or before we hear back."""
    real, seen = Gateway.post, 0

    async def post(self: Gateway, path: str, *given: Any, **more: Any) -> Outcome:
        nonlocal seen
        seen += "/payment_intents" in path
        if seen != at or "/payment_intents" not in path:
            return await real(self, path, *given, **more)
        if after:
            await real(self, path, *given, **more)
        raise Crash

    monkeypatch.setattr(Gateway, "post", post)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", [1, 3, 5])
def test_a_run_that_crashed_goes_on_and_debits_nobody_twice(
    database_url: str, monkeypatch: pytest.MonkeyPatch, at: int, after: bool
) -> None:
    simulator = Simulator(seed=3)
    monkeypatch.setattr(debit_runs, "AT_ONCE", 1)

    async def crash() -> None:
        async with service(database_url, simulator) as it:
            await customer(it)
            for number in range(5):
                await invoice(it, f"i{number}")
            with monkeypatch.context() as patch:
                crashing(patch, at, after=after)
                with pytest.raises(Crash):
                    await daily(it)
            assert (await latest(it))["progress"] == {"done": at - 1, "total": 5}

    async def restart() -> None:
        async with service(database_url, simulator, first_id=1_000) as it:
            await daily(it)
            assert (await latest(it))["progress"] == {"done": 5, "total": 5}
            await resolved(it)
            await resolved(it)
            shown = await latest(it)
            assert by_outcome(shown) == {"paid": (5, 25_000)}
            for number in range(5):
                assert charged(it, f"i{number}") == 5_000
                assert len(intents(it, f"i{number}")) == 1
            assert (await it.check())["status"] == "clean"

    run(crash)
    run(restart)


def test_a_crash_before_an_outcome_is_written_down_does_not_hide_it(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await customer(it, card="pm_card_chargeCustomerFail")
            await invoice(it)

            async def dies(*_: Any) -> None:
                raise Crash

            with monkeypatch.context() as patch:
                patch.setattr(debits, "item_done", dies)
                with pytest.raises(Crash):
                    await daily(it)
            assert (await latest(it))["progress"]["done"] == 0
            await daily(it)
            assert by_outcome(await latest(it)) == {"declined": (1, 5_000)}
            assert len((await read(it))["tries"]) == 1

    run(story)


def test_two_instances_at_once_debit_nobody_twice(database_url: str) -> None:
    simulator = Simulator(seed=3)

    async def story() -> None:
        async with (
            service(database_url, simulator) as one,
            service(database_url, simulator, first_id=1_000) as other,
        ):
            await customer(one)
            for number in range(12):
                await invoice(one, f"i{number:02}")
            await asyncio.gather(daily(one), daily(other))
            await daily(one)
            for number in range(12):
                assert charged(one, f"i{number:02}") == 5_000
                assert (await read(one, f"i{number:02}"))["status"] == "paid"
            shown = await latest(one)
            assert shown["status"] == "finished"
            assert by_outcome(shown) == {"paid": (12, 60_000)}

    run(story)


def test_an_invoice_of_a_later_day_waits_for_it(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await customer(it)
            await invoice(it, "now")
            await daily(it)
            await next_day(it)
            await invoice(it, "tomorrow")
            await daily(it)
            assert (await read(it, "tomorrow"))["status"] == "paid"
            runs = (await it.get("/v1/debit-runs")).json()["data"]
            assert [run["progress"]["total"] for run in runs] == [1, 1]

    run(story)


def test_a_day_on_which_nothing_is_due_has_no_run(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            assert await daily(it) == "nothing is due"
            assert (await it.get("/v1/debit-runs")).json()["data"] == []
            await customer(it)
            await invoice(it)
            assert (await daily(it)).endswith(": 1")

    run(story)


def test_a_runs_page_sums_each_outcome_in_each_currency(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await customer(it)
            for currency in ("usd", "eur"):
                await invoice(it, f"in-{currency}", currency=currency)
            await daily(it)
            page = (await it.get(f"/console/debit-runs/{(await latest(it))['id']}")).text
            assert page.count('<span class="tile-head">Paid</span>') == 1
            assert '<span class="tile-sum">2</span>' in page

    run(story)
