"""The three legs of a payout: the transfer, what arrived on the connected account, and the bank."""

from __future__ import annotations

import pytest

from tests.front.asking import ask, funded
from tests.front.legs import (
    DAY,
    arrived,
    compose,
    findings,
    heard_of_the_arrival,
    legs_of,
    read,
    sent,
)
from tests.front.reading import bearer
from tests.harness import ADMIN_KEY, run, service


def test_a_payout_is_followed_to_the_bank(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            account, payout = await sent(it)
            legs = await legs_of(it, payout["id"])
            assert not legs["destination_payment"]["proven"]
            assert (await read(it)).wrong == 0
            it.simulator.clock.advance(DAY)
            bank = it.simulator.acts.pay_out_bank("usd", account=account)
            it.simulator.clock.advance(5 * DAY)
            await it.listen()
            assert await findings(it) == []
            await compose(it)
            legs = await legs_of(it, payout["id"])
            assert list(legs) == ["payout", "transfer", "destination_payment", "bank_payout"]
            assert all(leg["proven"] and leg["differs"] is None for leg in legs.values()), legs
            assert legs["transfer"]["id"] == payout["stripe_transfer_id"]
            [moved] = legs["transfer"]["balance_transactions"]
            assert (moved["amount"], moved["currency"]) == (-12_000, "usd")
            there = legs["destination_payment"]
            assert there["id"] == arrived(it, account)["id"]
            assert (there["settled_amount"], there["settled_currency"]) == (12_000, "usd")
            carried = legs["bank_payout"]
            assert (carried["id"], carried["status"]) == (bank["id"], "paid")
            assert (carried["amount"], carried["says"]) == (12_000, "stripe")
            assert carried["final_at"] > carried["at"]
            # The account is not mirrored: its movements are listed, and none of them is posted.
            held = await it.query("SELECT DISTINCT stripe_account FROM balances")
            assert held == [{"stripe_account": "platform"}]

    run(story)


WRONG = [
    ("amount", 9_000, "leg_differs", "amount_differs", 3_000),
    ("currency", "eur", "leg_differs", "currency_differs", 12_000),
    ("source_transfer", "tr_another", "leg_missing", "missing_at_stripe", 12_000),
    ("amount_refunded", 500, "reversed_on_one_side", "status_differs", 500),
]


@pytest.mark.parametrize(("field", "value", "cause", "kind", "risk"), WRONG)
def test_a_leg_with_one_field_that_differs_is_one_finding(
    sqlite_url: str, field: str, value: object, cause: str, kind: str, risk: int
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            account, payout = await sent(it)
            true = arrived(it, account)[field]
            arrived(it, account)[field] = value
            it.simulator.clock.advance(1_000)
            assert (await read(it)).wrong == 1
            it.simulator.clock.advance(1_000)
            [found] = await findings(it)
            assert (found["cause"], found["kind"], found["at_risk"]) == (cause, kind, risk)
            assert (found["difference"], found["status"]) == (0, "open")
            assert found["reference"] == arrived(it, account)["id"]
            assert found["evidence"][1]["merchant"] == "bakery"
            legs = await legs_of(it, payout["id"])
            assert legs["destination_payment"]["differs"]
            assert not legs["destination_payment"]["proven"]
            # A payout to a merchant with an open finding waits for a second person.
            limits = {"version": 0, "approval_above": 100_000}
            headers = bearer(ADMIN_KEY)
            await it.http.put("/v1/policies/usd", headers=headers, json=limits)
            body = {"merchant": "bakery", "amount": 100, "currency": "usd"}
            again = (await ask(it, "/v1/payouts", body)).json()
            assert again["status"] == "awaiting_approval"
            # It is read again by itself, and clears.
            arrived(it, account)[field] = true
            it.simulator.clock.advance(DAY)
            assert (await read(it)).wrong == 0
            assert await findings(it) == []

    run(story)


def test_what_may_be_gone_at_a_second_look_is_timing_first(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            account, _ = await sent(it)
            arrived(it, account)["amount_refunded"] = 500
            assert (await read(it)).wrong == 1
            checked = await it.check()
            assert [f["status"] for f in checked["found"]] == ["timing"]
            assert checked["status"] == "clean"

    run(story)


def test_a_reversal_is_read_again_on_both_sides(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            _, payout = await sent(it)
            await read(it)
            it.simulator.acts.reverse_transfer(payout["stripe_transfer_id"], 2_000)
            await it.listen()
            done = await read(it)
            assert (done.read, done.wrong) == (1, 0)
            legs = await legs_of(it, payout["id"])
            assert legs["destination_payment"]["amount_refunded"] == 2_000
            assert legs["transfer"]["amount_reversed"] == 2_000
            assert (await read(it)).read == 0  # nothing is read twice without a reason

    run(story)


def test_an_account_that_settles_in_another_currency_is_held_beside_its_rate(
    sqlite_url: str,
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            it.simulator.settings.connected_currencies = ()
            account = await it.merchant("bakery", country="DE")
            metadata = {"merchant_id": "bakery"}
            card = "pm_card_bypassPending"
            it.simulator.acts.pay(50_000, "usd", card=card, metadata=metadata)
            await it.listen()
            body = {"merchant": "bakery", "amount": 12_000, "currency": "usd"}
            payout = (await ask(it, "/v1/payouts", body)).json()
            await it.listen()
            assert (await read(it)).wrong == 0
            there = (await legs_of(it, payout["id"]))["destination_payment"]
            assert (there["currency"], there["settled_currency"]) == ("usd", "eur")
            assert there["exchange_rate"]
            movement = arrived(it, account)["balance_transaction"]
            row = it.simulator.world.books[account].shelf("balance_transaction")[movement]
            row["amount"] += 50
            row["net"] += 50
            async with it.context.write() as session:
                await session.run("UPDATE transfer_legs SET next_read_at = 1")
            assert (await read(it)).wrong == 1
            [found] = await findings(it, "conversion_differs")
            assert (found["at_risk"], found["difference"]) == (12_000, 0)

    run(story)


def test_a_payment_that_names_no_transfer_of_ours_is_listed(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            account, payout = await sent(it)
            id = payout["stripe_transfer_id"]
            await heard_of_the_arrival(it, account)
            assert it.simulator.world.home.shelf("transfer").pop(id)["amount"] == 12_000
            assert (await read(it)).wrong == 1
            it.simulator.clock.advance(2_000)
            [found] = await findings(it, "leg_without_transfer")
            assert (found["kind"], found["at_risk"]) == ("missing_in_books", 12_000)
            assert found["reference"] == arrived(it, account)["id"]

    run(story)


def test_an_account_that_the_merchant_left_is_a_finding_on_the_merchant(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            account, _ = await sent(it)
            it.simulator.acts.deauthorize(account)
            await it.listen()
            assert (await read(it)).wrong == 1
            [found] = await findings(it, "account_not_readable")
            assert (found["at_risk"], found["status"]) == (12_000, "open")
            assert "earlier one of merchant bakery" in found["explanation"]

    run(story)


def test_a_bank_payout_of_a_retired_account_that_fails_later_is_found(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            old, _ = await sent(it)
            await read(it)
            it.simulator.clock.advance(DAY)
            bank = it.simulator.acts.pay_out_bank("usd", account=old)
            it.simulator.clock.advance(4 * DAY)
            await it.listen()
            await compose(it)
            await it.merchant("bakery")  # another account is the current one now
            it.simulator.acts.fail_payout(bank["id"])
            await it.listen()
            [found] = await findings(it)
            assert (found["cause"], found["reference"]) == ("bank_payout_failed", bank["id"])
            assert (found["at_risk"], found["difference"]) == (12_000, 0)
            facts = found["evidence"][1]
            assert (facts["merchant"], facts["account_is"]) == ("bakery", "replaced")
            assert [leg["part"] for leg in facts["legs"]] == [12_000]
            # The next one carries it: nothing is left to say.
            there = it.simulator.world.books[old]
            there.account["payouts_enabled"] = True
            for bank_account in there.shelf("bank_account").values():
                bank_account["status"] = "new"
            it.simulator.acts.pay_out_bank("usd", 12_000, account=old)
            it.simulator.clock.advance(5 * DAY)
            await it.listen()
            assert await findings(it) == []

    run(story)


def test_stripe_failing_on_one_leg_does_not_hold_up_the_others(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await sent(it)
            account = await funded(it, merchant="florist")
            body = {"merchant": "florist", "amount": 5_000, "currency": "usd"}
            await ask(it, "/v1/payouts", body)
            await it.listen()
            path = f"/v1/charges/{arrived(it, account)['id']}"
            it.simulator.faults.add(path=path, effect="500", times=9)
            done = await read(it)
            assert (done.read, done.failed) == (1, 1)
            assert await findings(it) == []
            it.simulator.faults.clear()
            it.simulator.clock.advance(400)
            assert (await read(it)).read == 1

    run(story)


def test_a_leg_that_can_never_be_read_is_said_so(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            account, _ = await sent(it)
            path = f"/v1/charges/{arrived(it, account)['id']}"
            it.simulator.faults.add(path=path, effect="500", times=None)
            for _ in range(7):
                assert (await read(it)).failed <= 1
                it.simulator.clock.advance(DAY)
            [found] = await findings(it, "account_not_readable")
            assert (found["at_risk"], found["status"]) == (12_000, "open")
            it.simulator.faults.clear()
            assert (await read(it)).read == 1
            assert await findings(it, "account_not_readable") == []

    run(story)


def test_the_page_of_the_merchant_shows_where_the_money_went(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            account, payout = await sent(it)
            arrived(it, account)["amount"] = 9_000
            await read(it)
            page = (await it.http.get("/console/merchants/bakery", auth=("x", ADMIN_KEY))).text
            assert payout["stripe_transfer_id"] in page
            assert arrived(it, account)["id"] in page
            assert "amount differs" in page
            assert "not mirrored" in page

    run(story)
