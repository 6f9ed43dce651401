"""The check: what it finds, why, until when, and that every cent is accounted for."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.reconciling import check as it_check
from reconciler.reconciling.check import check
from reconciler.store.database import Database
from tests.harness import Service, ask_stripe, run, service

DAY = 86400


def _one(found: list[dict[str, Any]]) -> dict[str, Any]:
    assert len(found) == 1, found
    return found[0]


async def _paid(it: Service, amount: int = 10_000, **more: Any) -> dict[str, Any]:
    intent = it.simulator.acts.pay(amount, "usd", metadata={"merchant_id": "bakery"}, **more)
    return dict(intent)


def test_a_lost_payment_is_timing_first_then_drift_then_healed_by_the_sweep(
    database_url: str,
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            it.simulator.webhooks.drop("*")
            await _paid(it)
            await it.listen()
            early = await it.check()
            finding = _one(early["found"])
            assert (early["status"], finding["status"]) == ("clean", "timing")
            assert finding["cause"] == "webhook_on_its_way"
            it.simulator.clock.advance(700)
            late = await it.check()
            finding = _one(late["found"])
            assert (late["status"], finding["status"]) == ("drift", "open")
            assert finding["cause"] == "event_not_received"
            assert finding["difference"] == finding["at_risk"] == 10_000
            assert late["drift"]["drift"] == {"usd": 10_000}
            await it.sweep()
            healed = await it.check()
            assert (healed["status"], healed["found"]) == ("clean", [])
            row = _one(await it.query("SELECT * FROM findings"))
            assert (row["status"], row["id"]) == ("cleared", finding["id"])

    run(story)


def test_a_transfer_nobody_asked_for_is_found_by_its_movement(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            account = await it.merchant("bakery")
            await _paid(it, 50_000, card="pm_card_bypassPending")
            it.simulator.acts.transfer(account, 7_500, "usd")
            await it.listen()
            it.simulator.clock.advance(DAY)
            checked = await it.check()
            finding = _one(checked["found"])
            assert (finding["kind"], finding["cause"]) == ("missing_in_books", "made_outside")
            assert (finding["stripe_amount"], finding["books_amount"]) == (-7_500, 0)
            assert checked["drift"]["drift"] == {"usd": -7_500}

    run(story)


def test_a_refund_that_fails_after_it_succeeded_gives_the_merchant_the_money_back(
    database_url: str,
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            intent = await _paid(it, card="pm_card_bypassPending")
            await it.listen()
            refund = it.simulator.acts.refund(payment_intent=intent["id"], amount=4_000)
            await it.listen()
            assert (await it.balances())["merchant:bakery", "usd"] == -6_000
            it.simulator.clock.advance(DAY)
            it.simulator.acts.fail_refund(refund["id"])
            await it.listen()
            assert (await it.balances())["merchant:bakery", "usd"] == -10_000
            it.simulator.clock.advance(DAY)
            assert (await it.check())["status"] == "clean"

    run(story)


def test_a_bank_payout_that_comes_back_after_it_was_paid_comes_back_in_the_books(
    database_url: str,
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await _paid(it, card="pm_card_bypassPending")
            payout = it.simulator.acts.pay_out_bank("usd", 5_000)
            it.simulator.clock.advance(5 * DAY)
            await it.listen()
            assert (await it.balances())["bank", "usd"] == 5_000
            it.simulator.acts.fail_payout(payout["id"])
            await it.listen()
            assert ("bank", "usd") not in await it.balances()
            assert (await it.check())["status"] == "clean"

    run(story)


def test_a_dispute_is_withdrawn_from_its_merchant_and_given_back_when_won(
    database_url: str,
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            intent = await _paid(it, card="pm_card_bypassPending")
            charge = it.simulator.world.find(intent["id"])[1]["latest_charge"]  # type: ignore[index]
            dispute = it.simulator.acts.dispute(charge, amount=6_000)
            await it.listen()
            assert (await it.balances())["merchant:bakery", "usd"] == -4_000
            assert (await it.check())["status"] == "clean"
            it.simulator.acts.close_dispute(dispute["id"], "won")
            await it.listen()
            assert (await it.balances())["merchant:bakery", "usd"] == -10_000
            assert (await it.check())["status"] == "clean"

    run(story)


def test_a_payment_in_another_currency_leaves_the_conversion_in_fx(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await _paid(it)
            it.simulator.acts.pay(10_000, "gbp", metadata={"merchant_id": "bakery"})
            await it.listen()
            checked = await it.check()
            assert checked["status"] == "clean", checked["found"]
            balances = await it.balances()
            assert balances["merchant:bakery", "gbp"] == -10_000
            assert balances["fx", "gbp"] == 10_000
            assert balances["fx", "usd"] < 0

    run(story)


def test_a_movement_of_a_kind_we_do_not_know_is_loud(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            moved = it.simulator.acts.unknown_movement(-995, "usd")
            checked = await it.check()
            finding = _one(checked["found"])
            assert (finding["kind"], finding["reference"]) == ("unknown_movement", moved["id"])
            assert checked["status"] == "drift"
            assert checked["bridge"][0]["unexplained"] == 0

    run(story)


def test_a_hole_below_the_newest_movement_is_found_again(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await _paid(it)
            hidden = next(iter(it.simulator.world.home.shelf("balance_transaction")))
            path = "/v1/balance_transactions"
            it.simulator.faults.add(path=path, when="list_hole", ids=(hidden,), times=2)
            await it.listen()
            await _paid(it, 3_000)
            await it.listen()
            it.simulator.clock.advance(7_200)
            first = await it.check()
            assert first["status"] == "drift"
            gap = next(f for f in first["found"] if f["kind"] == "unmirrored_balance")
            assert gap["difference"] == 10_000 - 320
            it.simulator.clock.advance(30 * DAY)
            await _paid(it, 4_000)
            await it.listen()
            it.simulator.clock.advance(3 * DAY)
            again = await it.check()
            assert again["status"] == "clean", again["found"]
            streams = [w["stream"] for w in again["coverage"]["walks"]]
            assert "balance_transactions_whole" in streams

    run(story)


def test_a_walk_cut_short_is_incomplete_and_goes_on_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.gateway.client.PAGE", 3)

    async def story() -> None:
        async with service(f"sqlite:///{tmp_path / 'cut.db'}") as it:
            for _ in range(10):
                await _paid(it)
                it.simulator.clock.advance(60)
            await it.listen()
            first = await it.check(pages=2)
            assert first["status"] == "incomplete"
            assert first["coverage"]["complete"] is False
            assert first["coverage"]["errors"]
            assert len(await it.query("SELECT id FROM balance_transactions")) == 6
            second = await it.check(pages=100)
            assert second["status"] == "clean", second["found"]
            walked = second["coverage"]["walks"][0]
            assert walked["new"] == 4

    run(story)


@pytest.mark.parametrize("path", ["/v1/balance", "/v1/balance_transactions", "/v1/transfers"])
def test_what_stripe_would_not_tell_makes_the_run_incomplete(tmp_path: Path, path: str) -> None:
    async def story() -> None:
        async with service(f"sqlite:///{tmp_path / 'error.db'}") as it:
            await _paid(it)
            await it.listen()
            it.simulator.faults.add(method="GET", path=path, effect="500", times=None)
            broken = await it.check()
            assert broken["status"] == "incomplete"
            assert any(path in error for error in broken["coverage"]["errors"])
            it.simulator.faults.clear()
            assert (await it.check())["status"] == "clean"

    run(story)


def test_a_balance_that_moves_while_it_is_read_is_noted_not_reported_as_drift(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with service(f"sqlite:///{tmp_path / 'race.db'}") as it:
            await _paid(it)
            await it.listen()
            assert it.context.stripe is not None
            reading = it.context.stripe.balance

            async def moving(account: str = "platform") -> Any:
                await _paid(it, 700)
                return await reading(account)

            monkeypatch.setattr(it.context.stripe, "balance", moving)
            raced = await it.check()
            assert raced["status"] == "incomplete"
            assert any("moved while" in error for error in raced["coverage"]["errors"])

    run(story)


def test_runs_are_immutable_and_keep_their_findings_as_they_stood(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            it.simulator.acts.unknown_movement(-995, "usd")
            first = await it.check()
            for sql in (
                "UPDATE runs SET status = 'clean'",
                "DELETE FROM runs",
                "UPDATE run_findings SET body = 'x'",
                "DELETE FROM run_findings",
            ):
                with pytest.raises(Exception, match=r"immutable|append-only"):
                    async with it.context.database.write() as session:
                        await session.run(sql)
            assert (await it.get(f"/v1/drift/runs/{first['id']}")).json()["status"] == "drift"

    run(story)


def test_an_object_that_cannot_be_read_is_a_finding_not_a_clean_report(tmp_path: Path) -> None:
    async def story() -> None:
        async with service(f"sqlite:///{tmp_path / 'unread.db'}") as it:
            it.simulator.webhooks.drop("payment_intent.*")
            it.simulator.faults.add(method="GET", path="/v1/payment_intents/*", times=None)
            it.simulator.acts.pay(10_000, "usd")
            await it.listen()
            it.simulator.clock.advance(DAY)
            await it.settle()
            assert ("unattributed", "usd") in await it.balances()
            checked = await it.check()
            assert checked["status"] == "drift"
            assert _one(checked["found"])["cause"] == "read_pending"
            it.simulator.faults.clear()
            it.simulator.clock.advance(DAY)
            await it.settle()
            assert (await it.check())["status"] == "clean"

    run(story)


def test_a_part_captured_in_another_currency_leaves_no_drift(tmp_path: Path) -> None:
    async def story() -> None:
        async with service(f"sqlite:///{tmp_path / 'fx.db'}") as it:
            metadata = {"merchant_id": "bakery"}
            intent = it.simulator.acts.pay(
                10_000, "gbp", metadata=metadata, capture_method="manual"
            )
            path = f"/v1/payment_intents/{intent['id']}/capture"
            await ask_stripe(it, path, amount_to_capture="4000")
            await it.listen()
            checked = await it.check()
            assert checked["found"] == []
            assert (await it.balances())["fx", "gbp"] == 4_000

    run(story)


def test_two_checks_at_once_agree_and_begin_each_finding_once(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it, Database(database_url) as second:
            account = await it.merchant("bakery")
            await _paid(it, 50_000, card="pm_card_bypassPending")
            it.simulator.acts.transfer(account, 500, "usd")
            await it.listen()
            stripe = it.context.stripe
            assert stripe is not None
            other = replace(it.context, database=second)
            written = await asyncio.gather(*(check(c, stripe) for c in (it.context, other) * 2))
            assert {run["status"] for run in written} == {"drift"}
            rows = await it.query("SELECT kind, cause FROM findings")
            assert rows == [{"kind": "missing_in_books", "cause": "made_outside"}]

    run(story)


def test_movements_mirrored_by_another_check_meanwhile_are_no_drift(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with service(f"sqlite:///{tmp_path / 'two.db'}") as it:
            await _paid(it)
            await it.listen()
            mirror = it_check.mirror_balance
            interrupted: list[int] = []

            async def overtaken(*asked: Any) -> Any:
                found = await mirror(*asked)
                if not interrupted:
                    interrupted.append(1)
                    await _paid(it, 3_000)
                    await it.listen()
                    await mirror(*asked)
                return found

            monkeypatch.setattr(it_check, "mirror_balance", overtaken)
            assert (await it.check())["status"] == "clean"

    run(story)


def test_what_could_not_be_looked_at_is_not_cleared(tmp_path: Path) -> None:
    async def story() -> None:
        async with service(f"sqlite:///{tmp_path / 'kept.db'}") as it:
            await _paid(it)
            hidden = next(iter(it.simulator.world.home.shelf("balance_transaction")))
            path = "/v1/balance_transactions"
            it.simulator.faults.add(path=path, when="list_hole", ids=(hidden,), times=None)
            await it.listen()
            it.simulator.clock.advance(DAY)
            gap = next(f for f in (await it.check())["found"] if f["kind"] == "unmirrored_balance")
            it.simulator.faults.add(method="GET", path="/v1/balance", effect="500", times=9)
            assert (await it.check())["status"] == "incomplete"
            row = _one(await it.query("SELECT * FROM findings WHERE kind = 'unmirrored_balance'"))
            assert (row["id"], row["status"]) == (gap["id"], "open")

    run(story)


def test_unknown_movements_that_cancel_each_other_are_loud_all_the_same(tmp_path: Path) -> None:
    async def story() -> None:
        async with service(f"sqlite:///{tmp_path / 'cancel.db'}") as it:
            it.simulator.acts.unknown_movement(-5_000, "usd")
            it.simulator.acts.unknown_movement(5_000, "usd")
            checked = await it.check()
            assert checked["status"] == "drift"
            assert sorted(f["difference"] for f in checked["found"]) == [-5_000, 5_000]

    run(story)


def test_the_platforms_drift_is_not_zero_because_it_could_not_be_read(tmp_path: Path) -> None:
    async def story() -> None:
        async with service(f"sqlite:///{tmp_path / 'unread.db'}") as it:
            it.simulator.acts.unknown_movement(-995, "usd")
            await it.check()
            shown = (await it.get("/v1/platform/balance")).json()["balances"][0]
            assert shown["drift"] == -995
            it.simulator.faults.add(method="GET", path="/v1/balance", effect="500", times=None)
            await it.check()
            it.simulator.faults.clear()
            shown = (await it.get("/v1/platform/balance")).json()["balances"][0]
            assert (shown["drift"], shown["drift_as_of"]) == (None, None)

    run(story)


@pytest.mark.parametrize("seed", range(6))
def test_every_cent_of_a_random_month_with_lost_webhooks_has_a_name(
    tmp_path: Path, seed: int
) -> None:
    """Whatever is lost: findings sum to the drift, nothing is unexplained, the ledger is sound;
    and once the sweep has run, only what was made outside is left."""

    async def story() -> None:
        async with service(f"sqlite:///{tmp_path / 'month.db'}") as it:
            chance = random.Random(seed)
            account = await it.merchant("bakery")
            it.simulator.webhooks.drop(lambda _: chance.random() < 0.3)
            it.simulator.webhooks.reorder(seed)
            await _random_acts(it, chance, account)
            it.simulator.clock.advance(2 * DAY)
            await it.listen()
            _adds_up(await it.check())
            await it.sweep()
            after = await it.check()
            _adds_up(after)
            causes = {f["cause"] for f in after["found"]}
            assert causes <= {"made_outside", "unknown_type"}, after["found"]
            assert it.simulator.audit() == []

    run(story)


def _adds_up(checked: dict[str, Any]) -> None:
    for bridge in checked["bridge"]:
        currency = bridge["currency"]
        named = sum(f["difference"] for f in checked["found"] if f["currency"] == currency)
        assert bridge["unexplained"] == 0
        assert bridge["books"] + named == bridge["stripe"]
        assert bridge["drift"] + bridge["timing"] == named


async def _random_acts(it: Service, chance: random.Random, account: str) -> None:
    acts, paid = it.simulator.acts, []
    for step in range(60):
        act = chance.choice(["pay"] * 5 + ["refund", "dispute", "bank", "transfer", "fee", "odd"])
        if act == "pay" or not paid:
            currency = chance.choice(["usd", "usd", "eur", "gbp"])
            metadata = {"merchant_id": "bakery", "platform_fee": "50"}
            card = chance.choice(["pm_card_visa", "pm_card_bypassPending", "pm_card_refundFail"])
            paid.append(acts.pay(chance.randint(900, 9000), currency, card=card, metadata=metadata))
        elif act == "refund":
            chosen = paid.pop(chance.randrange(len(paid)))
            acts.refund(payment_intent=chosen["id"], amount=chance.choice([None, 300]))
        elif act == "dispute":
            chosen = paid.pop(chance.randrange(len(paid)))
            opened = acts.dispute(chosen["latest_charge"], inquiry=chance.random() < 0.3)
            if opened["status"] == "needs_response" and chance.random() < 0.5:
                acts.close_dispute(opened["id"], chance.choice(["won", "lost"]))
        elif act == "bank":
            acts.pay(9_000, "usd", card="pm_card_bypassPending")
            acts.pay_out_bank("usd", 1_000)
        elif act == "transfer":
            acts.pay(9_000, "usd", card="pm_card_bypassPending")
            acts.transfer(account, 500, "usd")
        elif act == "fee":
            acts.stripe_fee(99, "usd")
        else:
            acts.unknown_movement(chance.choice([-7, 7]), "usd")
        it.simulator.clock.advance(chance.choice([0, 1, 600, 7200]))
        if step % 10 == 0:
            await it.listen()
