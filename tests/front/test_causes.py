"""Causes that rest on our own database, and on what Stripe lists and does not list."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.gateway.client import Window
from reconciler.intake.mirror_balance import keep_movements
from reconciler.reconciling.self_check import self_check
from tests.harness import Service, ask_stripe, run, service

DAY = 86400


async def _refunded(it: Service) -> tuple[dict[str, Any], str]:
    """A payment of 90.00 and a refund of 20.00, both mirrored and settled."""
    intent = it.simulator.acts.pay(9_000, "usd", metadata={"merchant_id": "bakery"})
    await it.listen()
    refund = it.simulator.acts.refund(payment_intent=intent["id"], amount=2_000)
    await it.listen()
    assert (await it.check())["status"] == "clean"
    return dict(intent), str(refund["id"])


async def _write(it: Service, sql: str, **values: Any) -> None:
    async with it.context.database.write() as session:
        await session.run(sql, **values)


async def _found(it: Service) -> list[tuple[str, str, str, int]]:
    found = (await it.check())["found"]
    return [(f["kind"], f["cause"], f["reference"], f["difference"]) for f in found]


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE objects SET amount = 2600 WHERE id = :id",
        "DELETE FROM objects WHERE id = :id",
        "UPDATE positions SET lines = '[]' WHERE reference = :id",
        "DELETE FROM positions WHERE reference = :id",
    ],
)
def test_a_row_that_somebody_wrote_to_is_one_finding_before_money_shows_it(
    database_url: str, sql: str
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            _, refund = await _refunded(it)
            await _write(it, sql, id=refund)
            assert await _found(it) == [("status_differs", "overwritten", refund, 0)]

    run(story)


def test_what_the_service_writes_is_never_taken_for_somebody_elses(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            _, refund = await _refunded(it)
            it.simulator.acts.fail_refund(refund)
            await it.listen()
            assert await it.query("SELECT * FROM rows_changed_outside") == []
            rows = await it.query("SELECT revision FROM objects WHERE id = :id", id=refund)
            assert rows[0]["revision"] >= 1

    run(story)


def test_a_changed_record_is_the_cause_once_it_moves_money_and_reading_it_mends_it(
    database_url: str,
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            intent, refund = await _refunded(it)
            await _write(it, "UPDATE objects SET amount = 2600 WHERE id = :id", id=refund)
            await ask_stripe(it, f"/v1/charges/{intent['latest_charge']}", description="x")
            await it.listen()
            checked = await it.check()
            assert checked["drift"]["drift"] == {"usd": 600}
            finding = checked["found"][0]
            assert (finding["kind"], finding["cause"]) == ("amount_differs", "overwritten")
            assert finding["evidence"][0]["rule"] == "the_record_is_not_its_newest_event"
            assert len(checked["found"]) == 1
            it.simulator.clock.advance(DAY)
            it.simulator.acts.fail_refund(refund)
            await it.listen()
            assert await _found(it) == []

    run(story)


def test_a_balance_that_somebody_changed_is_a_line_of_the_bridge(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await _refunded(it)
            sql = "UPDATE balances SET books = books - 555 WHERE account = 'merchant:bakery'"
            await _write(it, sql)
            checked = await it.check()
            finding = checked["found"][0]
            assert (finding["reference"], finding["cause"]) == ("merchant:bakery", "overwritten")
            assert finding["difference"] == checked["drift"]["drift"]["usd"] == -555
            assert [b["unexplained"] for b in checked["bridge"]] == [0] * len(checked["bridge"])

    run(story)


def test_clearing_accounts_are_summed_from_entries_whatever_is_kept(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            intent, _ = await _refunded(it)
            account = f"clearing:{intent['latest_charge']}"
            sql = "UPDATE balances SET facts = facts + 77 WHERE account = :account"
            await _write(it, sql, account=account)
            assert await _found(it) == [("amount_differs", "overwritten", account, 0)]
            it.simulator.webhooks.drop("*")
            lost = it.simulator.acts.pay(4_000, "usd")
            it.simulator.clock.advance(DAY)
            await it.check()
            account = f"clearing:{lost['latest_charge']}"
            await _write(it, "UPDATE balances SET facts = 0 WHERE account = :id", id=account)
            found = await _found(it)
            missing = "missing_in_books", "event_not_received", lost["latest_charge"], 4_000
            assert missing in found
            assert ("amount_differs", "overwritten", account, 0) in found

    run(story)


@pytest.mark.parametrize("account", ["stripe_balance", "suspense"])
def test_a_changed_balance_of_facts_is_no_movement(database_url: str, account: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            moved = it.simulator.acts.unknown_movement(-995, "usd")
            await _refunded_despite(it)
            sql = "UPDATE balances SET facts = facts + 7 WHERE account = :account"
            await _write(it, sql, account=account)
            checked = await it.check()
            found = {(f["cause"], f["reference"], f["difference"]) for f in checked["found"]}
            assert found == {("overwritten", account, 0), ("unknown_type", moved["id"], -995)}
            assert {b["unexplained"] for b in checked["bridge"]} == {0}

    run(story)


async def _refunded_despite(it: Service) -> None:
    it.simulator.acts.pay(9_000, "usd")
    await it.listen()
    await it.check()


def test_a_lost_movement_is_mirrored_again_and_not_posted_twice(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await _refunded(it)
            before = await it.balances()
            await _write(it, "DELETE FROM balance_transactions")
            assert await _found(it) == []
            assert await it.balances() == before

    run(story)


def test_a_changed_movement_is_a_finding_until_stripe_lists_it_again(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await _refunded(it)
            row = (await it.query("SELECT * FROM balance_transactions ORDER BY id"))[0]
            it.simulator.clock.advance(20 * DAY)
            assert (await it.check())["status"] != "drift"
            for change in (
                "UPDATE balance_transactions SET amount = amount + 5, net = net + 5 WHERE id = :id",
                "DELETE FROM balance_transactions WHERE id = :id",
            ):
                await _write(it, change, id=row["id"])
                assert await _found(it) == [("status_differs", "overwritten", row["id"], 0)]
                assert it.context.stripe is not None
                window = Window(row["created"], row["created"])
                page = await it.context.stripe.balance_transactions(window, "")
                async with it.context.write_books() as session:
                    await keep_movements(session, page.rows, it.context.now())
                assert await _found(it) == []

    run(story)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE positions SET lines = '[]' WHERE reference = :id",
        "DELETE FROM positions WHERE reference = :id",
    ],
)
@pytest.mark.parametrize("fails", [True, False])
def test_what_was_written_over_a_position_moves_no_money(
    database_url: str, sql: str, fails: bool
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            intent, refund = await _refunded(it)
            await _write(it, sql, id=refund)
            it.simulator.clock.advance(DAY)
            if fails:
                it.simulator.acts.fail_refund(refund)
            await ask_stripe(it, f"/v1/charges/{intent['latest_charge']}", description="x")
            await it.listen()
            assert await _found(it) == []
            assert (await it.balances())["merchant:bakery", "usd"] == (-9_000 if fails else -7_000)
            assert await self_check(it.context) == []

    run(story)


def test_two_shares_of_the_platform_are_a_finding_until_they_agree(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            metadata = {"merchant_id": "bakery", "platform_fee": "800"}
            intent = it.simulator.acts.pay(9_000, "usd", metadata=metadata)
            await it.listen()
            path = f"/v1/charges/{intent['latest_charge']}"
            await ask_stripe(it, path, **{"metadata[platform_fee]": "1200"})
            it.simulator.clock.advance(5)
            await it.listen()
            finding = (await it.check())["found"][0]
            assert (finding["kind"], finding["cause"]) == ("amount_differs", "fee_rule_differs")
            assert (finding["reference"], finding["at_risk"]) == (intent["id"], 400)
            assert finding["difference"] == 0
            path = f"/v1/payment_intents/{intent['id']}"
            await ask_stripe(it, path, **{"metadata[platform_fee]": "1200"})
            path = f"/v1/charges/{intent['latest_charge']}"
            await ask_stripe(it, path, description="told again")
            it.simulator.clock.advance(60)
            await it.listen()
            assert await _found(it) == []
            assert (await it.balances())["platform", "usd"] == -1_200

    run(story)


def test_an_event_that_stripe_never_made_is_told_from_one_that_was_lost(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            it.simulator.webhooks.drop("*")
            lost = it.simulator.acts.pay(4_000, "usd", card="pm_card_bypassPending")
            unsent = it.simulator.acts.pay(5_000, "usd", card="pm_card_bypassPending")
            shelf = it.simulator.world.home.shelf("event")
            about = (unsent["id"], unsent["latest_charge"])
            for event in list(shelf.values()):
                subject = event["data"]["object"]
                if subject.get("id") in about:
                    del shelf[event["id"]]
            it.simulator.webhooks.queue.clear()
            it.simulator.clock.advance(DAY)
            causes = {f["reference"]: f for f in (await it.check())["found"]}
            assert causes[lost["latest_charge"]]["cause"] == "event_not_received"
            assert causes[unsent["latest_charge"]]["cause"] == "event_never_sent"
            named = [e for e in causes[lost["latest_charge"]]["evidence"] if "event" in e]
            assert {e["delivery"] for e in named} == {"not received"}

    run(story)
