"""Stripe's transfers against our payouts, in both directions; and a payout's own story."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.domain.refusals import Refusal
from reconciler.gateway.snapshots import PAYOUT_METADATA
from reconciler.money_out.available import Available
from reconciler.money_out.pay_out import _Asked, _decide, pay_out
from reconciler.money_out.resolve import resolve_outcomes
from reconciler.reconciling.compare_transfers import compare_transfers
from reconciler.store import merchants
from tests.harness import Service, run, service

DAY = 86400


async def _funded(it: Service, amount: int = 50_000) -> str:
    """A merchant who is owed money that is available at Stripe; its connected account."""
    account = await it.merchant("bakery")
    metadata = {"merchant_id": "bakery"}
    it.simulator.acts.pay(amount, "usd", card="pm_card_bypassPending", metadata=metadata)
    await it.listen()
    return account


async def _payout(it: Service, amount: int) -> Any:
    assert it.context.stripe is not None
    return await pay_out(it.context, it.context.stripe, "bakery", amount, "usd")


async def _verdicts(it: Service) -> dict[str, str]:
    assert it.context.stripe is not None
    await compare_transfers(it.context, it.context.stripe)
    rows = await it.query("SELECT transfer_id, verdict FROM transfer_comparisons")
    return {row["transfer_id"]: row["verdict"] for row in rows}


def test_a_payout_becomes_one_transfer_and_everything_agrees(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await _funded(it)
            payout = await _payout(it, 12_000)
            assert payout["status"] == "completed"
            await it.listen()
            balances = await it.balances()
            assert balances["merchant:bakery", "usd"] == -38_000
            assert ("reserved:" + payout["id"], "usd") not in balances
            assert await _verdicts(it) == {payout["transfer_id"]: "agrees"}
            assert (await it.check())["status"] == "clean"
            sent = [r for r in it.simulator.requests if r.path == "/v1/transfers"]
            assert len([r for r in sent if r.method == "POST"]) == 1

    run(story)


def test_a_payout_that_stripe_refuses_gives_the_money_back(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            account = await _funded(it)
            it.simulator.acts.set_capability(account, "transfers", "inactive")
            payout = await _payout(it, 12_000)
            assert payout["status"] == "failed"
            assert payout["failure_code"]
            assert payout["failure_message"]
            assert (await it.balances())["merchant:bakery", "usd"] == -50_000
            assert (await it.check())["status"] == "clean"

    run(story)


def test_a_payout_without_an_answer_is_unknown_and_its_money_stays_reserved(
    database_url: str,
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await _funded(it)
            it.simulator.faults.add(method="POST", path="/v1/transfers", when="after")
            payout = await _payout(it, 12_000)
            assert payout["status"] == "unknown"
            balances = await it.balances()
            assert balances["reserved:" + payout["id"], "usd"] == -12_000
            unknown = await it.check()
            assert "outcome_unknown" in {f["kind"] for f in unknown["found"]}
            assert unknown["status"] == "drift"
            # It did happen: the webhook says so, and names the payout.
            await it.listen()
            row = (await it.query("SELECT status FROM payouts"))[0]
            assert row["status"] == "completed"
            assert (await it.check())["status"] == "clean"

    run(story)


def test_what_cannot_be_afforded_is_refused_before_anything_is_sent(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await _funded(it)
            refused = await _payout(it, 50_001)
            assert isinstance(refused, Refusal)
            assert refused.code == "insufficient_merchant_balance"
            assert "500.00 usd" in refused.message
            refused = await _payout(it, 49_000)  # Stripe kept its fee of what was paid
            assert isinstance(refused, Refusal)
            assert refused.code == "insufficient_platform_available"
            assert not [r for r in it.simulator.requests if r.method == "POST"]

    run(story)


def test_a_transfer_without_a_payout_and_one_that_differs_are_told_apart(
    database_url: str,
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            account = await _funded(it)
            it.simulator.faults.add(method="POST", path="/v1/transfers", when="before")
            payout = await _payout(it, 15_800)
            assert payout["status"] == "unknown"
            named = {PAYOUT_METADATA: payout["id"]}
            swapped = it.simulator.acts.transfer(account, 18_500, "usd", metadata=named)
            it.simulator.clock.advance(5)
            outside = it.simulator.acts.transfer(account, 700, "usd")
            again = it.simulator.acts.transfer(account, 900, "usd", metadata=named)
            await it.listen()
            assert await _verdicts(it) == {
                swapped["id"]: "amount_differs",
                outside["id"]: "no_payout",
                again["id"]: "second_transfer",
            }
            checked = await it.check()
            found = {f["reference"]: (f["kind"], f["cause"]) for f in checked["found"]}
            assert found == {
                swapped["id"]: ("amount_differs", "differs_from_decision"),
                outside["id"]: ("missing_in_books", "made_outside"),
                again["id"]: ("duplicate", "second_transfer"),
            }
            assert checked["drift"]["drift"] == {"usd": -2_700 - 700 - 900}

    run(story)


def test_a_payout_whose_transfer_stripe_does_not_list_is_missing_at_stripe(
    database_url: str,
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await _funded(it)
            payout = await _payout(it, 12_000)
            await it.listen()
            hidden = (payout["transfer_id"],)
            it.simulator.faults.add(path="/v1/transfers", when="list_hole", ids=hidden, times=1)
            missing = [f for f in (await it.check())["found"] if f["kind"] == "missing_at_stripe"]
            assert [f["reference"] for f in missing] == [payout["transfer_id"]]
            assert missing[0]["at_risk"] == 12_000
            assert (await it.check())["status"] == "clean"

    run(story)


def test_what_is_missing_at_stripe_stays_so_for_as_long_as_it_is_not_listed(
    tmp_path: Path,
) -> None:
    """The list is walked again for some weeks; that nobody looks any more proves nothing."""

    async def story() -> None:
        async with service(f"sqlite:///{tmp_path / 'missing.db'}") as it:
            await _funded(it)
            payout = await _payout(it, 12_000)
            await it.listen()
            hidden = (payout["transfer_id"],)
            hole = it.simulator.faults.add(
                path="/v1/transfers", when="list_hole", ids=hidden, times=99
            )
            for _ in range(3):
                found = (await it.check())["found"]
                assert payout["transfer_id"] in {f["reference"] for f in found}
                it.simulator.clock.advance(30 * 86400)
            assert hole

    run(story)


def test_a_payout_to_an_earlier_account_of_its_merchant_names_that_cause(tmp_path: Path) -> None:
    async def story() -> None:
        async with service(f"sqlite:///{tmp_path / 'relinked.db'}") as it:
            old = await _funded(it)
            payout = await _payout(it, 12_000)
            await it.listen()
            new = it.simulator.acts.connect_account()
            async with it.context.write() as session:
                await merchants.connect(session, "bakery", "Bakery", new, it.context.now())
                await session.run("UPDATE payouts SET destination = :new", new=new)
            found = (await it.check())["found"]
            assert [(f["reference"], f["cause"], f["difference"]) for f in found] == [
                (payout["transfer_id"], "account_relinked", 0)
            ]
            assert old != new

    run(story)


def test_a_reversal_comes_back_to_the_merchant(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await _funded(it)
            payout = await _payout(it, 12_000)
            it.simulator.acts.reverse_transfer(payout["transfer_id"], 2_000)
            it.simulator.acts.reverse_transfer(payout["transfer_id"], 3_000)
            await it.listen()
            assert (await it.balances())["merchant:bakery", "usd"] == -43_000
            assert (await it.check())["status"] == "clean"
            kinds = await it.query("SELECT amount FROM objects WHERE kind = 'reversal'")
            assert sorted(row["amount"] for row in kinds) == [2_000, 3_000]
            body = (await it.get("/v1/merchants/bakery/balance")).json()["balances"][0]
            assert body == {
                "currency": "usd",
                "settled_in": 50_000,
                "refunded": 0,
                "paid_out": 7_000,
                "reserved": 0,
                "disputed": 0,
                "adjusted": 0,
                "balance": 43_000,
            }

    run(story)


def test_a_transfer_made_by_hand_for_a_payout_that_failed_leaves_nothing_reserved(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        async with service(f"sqlite:///{tmp_path / 'failed.db'}") as it:
            account = await _funded(it)
            it.simulator.acts.set_capability(account, "transfers", "inactive")
            payout = await _payout(it, 12_000)
            assert payout["status"] == "failed"
            it.simulator.acts.set_capability(account, "transfers", "active")
            named = {PAYOUT_METADATA: payout["id"]}
            by_hand = it.simulator.acts.transfer(account, 12_000, "usd", metadata=named)
            await it.listen()
            balances = await it.balances()
            assert not [name for name, _ in balances if name.startswith("reserved:")]
            assert balances["merchant:bakery", "usd"] == -50_000
            assert await _verdicts(it) == {by_hand["id"]: "status_differs"}
            assert (await it.check())["drift"]["drift"] == {"usd": -12_000}

    run(story)


class Crash(BaseException):
    """The process ends here."""


async def _crash_while_sending(it: Service, amount: int) -> None:
    """A payout is decided, and the service stops before its request reaches Stripe."""
    stripe = it.context.stripe
    assert stripe is not None

    async def never(*_: Any, **__: Any) -> Any:
        raise Crash

    stripe.post = never  # type: ignore[method-assign]
    try:
        with pytest.raises(Crash):
            await _payout(it, amount)
    finally:
        del stripe.post  # type: ignore[method-assign]


def test_a_payout_that_a_crash_left_behind_is_shown_and_goes_on(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await _funded(it)
            assert it.context.stripe is not None
            await _crash_while_sending(it, 12_000)
            early = await it.check()
            assert [(f["kind"], f["status"]) for f in early["found"]] == [
                ("outcome_unknown", "timing")
            ]
            assert early["status"] == "clean"
            it.simulator.clock.advance(1_000)
            late = await it.check()
            assert (late["status"], late["found"][0]["at_risk"]) == ("drift", 12_000)
            assert await resolve_outcomes(it.context, it.context.stripe) == 1
            await it.listen()
            rows = await it.query("SELECT status FROM payouts")
            assert rows == [{"status": "completed"}]
            assert (await it.check())["found"] == []
            assert len(it.simulator.world.home.shelf("transfer")) == 1

    run(story)


def test_a_payout_being_sent_by_another_is_left_alone(tmp_path: Path) -> None:
    async def story() -> None:
        async with service(f"sqlite:///{tmp_path / 'sending.db'}") as it:
            await _funded(it)
            assert it.context.stripe is not None
            await _crash_while_sending(it, 12_000)
            it.simulator.clock.advance(60)
            assert await resolve_outcomes(it.context, it.context.stripe) == 0
            assert (await it.query("SELECT status FROM payouts"))[0]["status"] == "sending"
            assert not [r for r in it.simulator.requests if r.method == "POST"]

    run(story)


def test_an_outside_transfer_that_came_back_in_full_leaves_nothing_to_report(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        async with service(f"sqlite:///{tmp_path / 'back.db'}") as it:
            account = await _funded(it)
            outside = it.simulator.acts.transfer(account, 700, "usd")
            await it.listen()
            assert (await it.check())["status"] == "drift"
            it.simulator.acts.reverse_transfer(outside["id"])
            await it.listen()
            assert (await it.check())["found"] == []

    run(story)


def test_money_that_another_payout_took_since_the_reading_is_not_promised_again(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        async with service(f"sqlite:///{tmp_path / 'race.db'}") as it:
            await _funded(it, 100_000)
            await _funded_again(it)
            before = (await it.query("SELECT MAX(id) AS id FROM ledger_transactions"))[0]["id"]
            there = Available({"usd": 60_000}, {}, before)
            taken = await _payout(it, 50_000)
            assert taken["status"] == "completed"
            asked = _Asked("bakery", 50_000, "usd", there)
            refused = await _decide(it.context, asked)
            assert isinstance(refused, Refusal)
            assert refused.code == "insufficient_platform_available"

    run(story)


async def _funded_again(it: Service) -> None:
    metadata = {"merchant_id": "bakery"}
    it.simulator.acts.pay(50_000, "usd", card="pm_card_bypassPending", metadata=metadata)
    await it.listen()
