"""Connected accounts of marked merchants: mirrored and reconciled like the platform's balance."""

from __future__ import annotations

import contextlib
import random
from fractions import Fraction
from typing import Any

import pytest

from reconciler.reconciling import watched
from reconciler.reconciling.self_check import self_check
from reconciler.simulator.kernel.refusals import Refusal as StripeSays
from tests.front.asking import ask, funded, owed
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
from tests.harness import ADMIN_KEY, Service, run, service

Json = dict[str, Any]


async def mark(it: Service, merchant: str = "bakery", mirror: bool = True) -> Json:
    answer = await it.http.put(
        f"/v1/merchants/{merchant}/mirror", headers=bearer(ADMIN_KEY), json={"mirror": mirror}
    )
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def balances(it: Service, account: str) -> dict[tuple[str, str], int]:
    """Every ledger account of one Stripe account that is not zero."""
    rows = await it.query(
        "SELECT account, currency, books + facts AS amount FROM balances"
        " WHERE stripe_account = :account",
        account=account,
    )
    return {(r["account"], r["currency"]): r["amount"] for r in rows if r["amount"]}


async def clean(it: Service) -> Json:
    """A full run that finds nothing, and a ledger that is what its rules give."""
    checked = await it.check(full=True)
    assert checked["found"] == [], checked["found"]
    assert checked["status"] == "clean", checked["coverage"]
    assert all(audit["agrees"] for audit in checked["coverage"]["audits"])
    assert await self_check(it.context) == []
    return checked


def own_sale(it: Service, account: str, amount: int = 7_000) -> Json:
    """A payment that the connected account takes by itself."""
    it.simulator.acts.set_capability(account, "card_payments", "active")
    options = {"card": "pm_card_bypassPending", "account": account}
    return dict(it.simulator.acts.pay(amount, "usd", **options))


def test_a_marked_merchants_account_is_reconciled_like_the_platform(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            account, payout = await sent(it)
            before = await it.check()
            assert before["coverage"]["stripe_accounts"] == ["platform"]
            assert (await mark(it))["mirror"] is True
            checked = await clean(it)
            assert checked["coverage"]["stripe_accounts"] == ["platform", account]
            held = await balances(it, account)
            assert held == {
                ("stripe_balance", "usd"): 12_000,
                ("received", "usd"): -12_000,
            }
            # What comes later follows, too: part of it comes back, some goes to the bank, and the
            # account sells something by itself.
            it.simulator.acts.reverse_transfer(payout["stripe_transfer_id"], 2_000)
            sale = own_sale(it, account)
            it.simulator.acts.refund(sale["id"], amount=500)
            it.simulator.clock.advance(2 * DAY)
            it.simulator.acts.pay_out_bank("usd", 9_000, account=account)
            await it.listen()
            checked = await clean(it)
            [bridge] = [b for b in checked["bridge"] if b["stripe_account"] == account]
            lines = {line["label"]: line["amount"] for line in bridge["holdings"]}
            assert lines["received from the platform"] == 10_000
            assert lines["of the account's own payments"] == 6_500
            assert lines["paid out to the bank, less top-ups"] == -9_000
            assert bridge["unexplained"] == 0
            assert bridge["books"] == bridge["stripe"]
            # None of it is owed to the merchant by us.
            assert (await owed(it))["balance"] == 50_000 - 10_000
            [mirrored] = (await it.get("/v1/merchants/bakery")).json()["mirrors"]
            assert mirrored["stripe_account"] == account
            assert mirrored["looked_at"]

    run(story)


def test_a_movement_that_nothing_explains_is_a_finding_in_that_account(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            account, _ = await sent(it)
            await mark(it)
            await clean(it)
            it.simulator.acts.unknown_movement(-300, "usd", account=account)
            own_sale(it, account)
            await it.simulator.webhooks.deliver(_nobody)  # the webhooks are lost
            it.simulator.clock.advance(3_600)
            checked = await it.check()
            found = {(f["stripe_account"], f["kind"], f["cause"]) for f in checked["found"]}
            assert found == {
                (account, "unknown_movement", "unknown_type"),
                (account, "missing_in_books", "event_not_received"),
            }
            assert checked["drift"]["drift"] == {"usd": 6_700}
            [bridge] = [b for b in checked["bridge"] if b["stripe_account"] == account]
            assert bridge["unexplained"] == 0
            platform = [b for b in checked["bridge"] if b["stripe_account"] == "platform"]
            assert all(b["stripe"] == b["books"] for b in platform)

    run(story)


async def _nobody(url: str, headers: dict[str, str], body: bytes) -> int:
    return 200


def test_the_residue_of_converting_there_and_back_stays_in_fx(database_url: str) -> None:
    """The rate has moved when the transfer is reversed: the spread is the account's `fx`."""

    async def story() -> None:
        async with service(database_url) as it:
            it.simulator.settings.connected_currencies = ()
            account = await it.merchant("bakery", country="DE")
            await mark(it)
            card, metadata = "pm_card_bypassPending", {"merchant_id": "bakery"}
            it.simulator.acts.pay(50_000, "usd", card=card, metadata=metadata)
            await it.listen()
            before = (await owed(it))["balance"]
            it.simulator.settings.rates["usd/eur"] = "0.90"
            body = {"merchant": "bakery", "amount": 12_000, "currency": "usd"}
            payout = (await ask(it, "/v1/payouts", body)).json()
            assert payout["status"] == "completed"
            await it.listen()
            it.simulator.settings.rates["usd/eur"] = "0.85"
            it.simulator.acts.reverse_transfer(payout["stripe_transfer_id"])
            await it.listen()
            assert (await read(it)).wrong == 0
            await clean(it)
            spread = int(12_000 * Fraction("0.05"))
            assert await balances(it, account) == {
                ("stripe_balance", "eur"): spread,
                ("fx", "eur"): -spread,
            }
            assert (await owed(it))["balance"] == before
            merchant = await it.query(
                "SELECT DISTINCT stripe_account FROM balances WHERE kind = 'merchant'"
            )
            assert merchant == [{"stripe_account": "platform"}]

    run(story)


def test_a_retired_account_is_mirrored_too_and_unmarking_stops_looking(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            old, _ = await sent(it)
            new = await it.merchant("bakery")
            await mark(it)
            checked = await clean(it)
            assert set(checked["coverage"]["stripe_accounts"]) == {"platform", old, new}
            it.simulator.acts.unknown_movement(-300, "usd", account=old)
            [found] = await findings(it, "unknown_type")
            assert found["stripe_account"] == old
            await mark(it, mirror=False)
            checked = await clean(it)
            assert checked["coverage"]["stripe_accounts"] == ["platform"]
            await mark(it)  # and again: nothing was lost meanwhile
            [found] = await findings(it, "unknown_type")
            assert found["stripe_account"] == old

    run(story)


def test_stripe_failing_on_one_account_makes_the_run_incomplete_and_says_which(
    sqlite_url: str,
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            account, _ = await sent(it)
            await mark(it)
            await clean(it)
            # The platform's own balance is read after the others.
            it.simulator.faults.add(path="/v1/balance", effect="500", times=2)
            checked = await it.check()
            assert checked["status"] == "incomplete"
            assert [e for e in checked["coverage"]["errors"] if account in e]
            assert checked["drift"]["drift"] == {}
            it.simulator.faults.clear()
            await clean(it)
            it.simulator.acts.deauthorize(account)
            checked = await it.check()
            assert checked["status"] == "incomplete"
            await it.listen()  # the merchant has left: nobody can look there any more
            checked = await it.check()
            assert checked["status"] == "clean", checked["coverage"]["errors"]
            assert "account_left" in {rest["what"] for rest in checked["coverage"]["rests_on"]}
            words = (await it.get("/v1/drift/runs/latest")).json()["coverage"]["words"]
            assert [said for said in words if account in said and "disconnected" in said]

    run(story)


def test_many_accounts_take_turns_and_the_run_says_how_old_the_others_are(
    sqlite_url: str, monkeypatch: Any
) -> None:
    async def story() -> None:
        monkeypatch.setattr(watched, "ACCOUNTS", 1)
        async with service(sqlite_url) as it:
            names = ("bakery", "books", "cycles")
            accounts = {name: await funded(it, merchant=name) for name in names}
            for name in names:
                await mark(it, name)
            seen = []
            for number in range(3):
                checked = await it.check()
                expected = "clean" if number == 2 else "incomplete"
                assert checked["status"] == expected, checked["coverage"]["errors"]
                seen += checked["coverage"]["stripe_accounts"][1:]
                it.simulator.clock.advance(60)
            assert sorted(seen) == sorted(accounts.values())
            # A finding in an account whose turn it is not keeps the run from being clean.
            first = seen[0]
            it.simulator.acts.unknown_movement(-300, "usd", account=first)
            checked = await it.check()
            assert checked["status"] == "drift"
            checked = await it.check()
            assert first not in checked["coverage"]["stripe_accounts"]
            assert checked["status"] == "drift"
            assert [f["stripe_account"] for f in checked["found"]] == [first]
            others = [r for r in checked["coverage"]["rests_on"] if r["what"].startswith("account")]
            assert sorted(r["stripe_account"] for r in others) == sorted(
                a for a in seen if a not in checked["coverage"]["stripe_accounts"]
            )
            it.simulator.clock.advance(2 * DAY)
            checked = await it.check()
            assert checked["status"] == "incomplete"
            assert [e for e in checked["coverage"]["errors"] if "more than 1 days ago" in e]

    run(story)


def test_a_manual_bank_payout_of_a_mirrored_account_is_inferred(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            account, payout = await sent(it)
            await mark(it)
            await read(it)
            it.simulator.clock.advance(DAY)
            bank = it.simulator.acts.pay_out_bank("usd", 12_000, account=account)
            it.simulator.clock.advance(5 * DAY)
            await it.listen()
            await clean(it)
            await compose(it)
            carried = (await legs_of(it, payout["id"]))["bank_payout"]
            assert (carried["id"], carried["says"]) == (bank["id"], "inferred")

    run(story)


def test_an_arrival_that_the_account_heard_of_first_is_booked_once(sqlite_url: str) -> None:
    """Its own event may come before the transfer's, or alone: it is no sale of the account's."""

    async def story() -> None:
        async with service(sqlite_url) as it:
            account, payout = await sent(it)
            await mark(it)
            await heard_of_the_arrival(it, account)
            held = await it.query(
                "SELECT id, family FROM objects WHERE id = :id", id=arrived(it, account)["id"]
            )
            assert held[0]["family"] == payout["stripe_transfer_id"]
            await clean(it)
            assert (await balances(it, account))["received", "usd"] == -12_000

    run(story)


def test_whom_nobody_knows_cannot_be_marked(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            answer = await it.http.put(
                "/v1/merchants/nobody/mirror", headers=bearer(ADMIN_KEY), json={"mirror": True}
            )
            assert (answer.status_code, answer.json()["code"]) == (404, "unknown_merchant")
            await it.merchant("bakery")
            answer = await it.http.put(
                "/v1/merchants/bakery/mirror", headers=bearer(ADMIN_KEY), json={"mirror": "yes"}
            )
            assert answer.status_code == 400

    run(story)


def test_what_a_lost_event_of_the_platform_leaves_open_there_has_its_cause(
    database_url: str,
) -> None:
    """The books of the account follow the platform's records: what was lost is the platform's."""

    async def story() -> None:
        async with service(database_url) as it:
            account, payout = await sent(it)
            await mark(it)
            await clean(it)
            it.simulator.acts.reverse_transfer(payout["stripe_transfer_id"], 2_000)
            outside = it.simulator.acts.transfer(account, 700, "usd")
            await it.simulator.webhooks.deliver(_nobody)
            it.simulator.clock.advance(3_600)
            checked = await it.check()
            there = [f for f in checked["found"] if f["stripe_account"] == account]
            assert sorted((f["kind"], f["cause"], f["difference"]) for f in there) == [
                ("missing_in_books", "event_not_received", -2_000),
                ("missing_in_books", "event_not_received", 700),
            ]
            assert all("transfer." in f["explanation"] for f in there)
            assert all(b["unexplained"] == 0 for b in checked["bridge"])
            await it.sweep()
            left = await it.check()
            assert {f["reference"] for f in left["found"]} == {outside["id"]}

    run(story)


def test_what_is_not_listed_there_yet_is_timing(sqlite_url: str) -> None:
    """A transfer that was made while the accounts were being mirrored is told of at once."""

    async def story() -> None:
        async with service(sqlite_url) as it:
            await funded(it)
            await mark(it)
            await clean(it)
            body = {"merchant": "bakery", "amount": 3_000, "currency": "usd"}
            await ask(it, "/v1/payouts", body)
            rows = it.simulator.world.home.shelf("transfer").values()
            ids = tuple(row["destination_payment"] for row in rows)
            there = it.simulator.world.books[next(iter(rows))["destination"]]
            moved = next(iter(there.shelf("balance_transaction")))
            it.simulator.faults.add(
                path="/v1/balance_transactions", when="list_hole", ids=(moved,), times=None
            )
            checked = await it.check()
            mine = [f for f in checked["found"] if f["reference"] in ids]
            assert [(f["cause"], f["status"]) for f in mine] == [("movement_not_bound", "timing")]
            it.simulator.clock.advance(2 * 3_600)
            mine = [f for f in (await it.check())["found"] if f["reference"] in ids]
            assert [(f["kind"], f["status"]) for f in mine] == [("missing_at_stripe", "open")]

    run(story)


@pytest.mark.parametrize("seed", range(4))
def test_a_busy_account_closes_to_the_cent(sqlite_url: str, seed: int) -> None:
    """Whatever a connected account does by itself and with us, in its own currency or another: its
    bridge closes, the full audit agrees, and no merchant's balance knows of it."""

    async def story() -> None:
        chance = random.Random(seed)
        async with service(sqlite_url) as it:
            if seed % 2:
                it.simulator.settings.connected_currencies = ()
            account = await it.merchant("bakery", country="DE" if seed % 2 else "US")
            card, metadata = "pm_card_bypassPending", {"merchant_id": "bakery"}
            it.simulator.acts.pay(900_000, "usd", card=card, metadata=metadata)
            await it.listen()
            if seed > 1:
                await mark(it)
            sales: list[str] = []
            for _ in range(14):
                await _something(it, chance, account, sales)
                it.simulator.clock.advance(chance.randint(1, 2 * DAY))
                await it.listen()
            await mark(it)
            it.simulator.clock.advance(8 * DAY)
            await it.listen()
            await it.sweep()
            checked = await it.check(full=True)
            assert checked["found"] == [], checked["found"]
            assert all(audit["agrees"] for audit in checked["coverage"]["audits"])
            assert all(bridge["unexplained"] == 0 for bridge in checked["bridge"])
            assert await self_check(it.context) == []
            assert (await read(it)).wrong == 0
            paid_out = sum(
                row["amount"] - row["amount_reversed"]
                for row in it.simulator.world.home.shelf("transfer").values()
            )
            assert (await owed(it))["balance"] == 900_000 - paid_out

    run(story)


async def _something(it: Service, chance: random.Random, account: str, sales: list[str]) -> None:
    """One thing that happens in a connected account, by our doing or its own."""
    acts, world = it.simulator.acts, it.simulator.world
    amount = chance.randint(10, 400) * 100
    what = chance.choice(("payout", "payout", "reverse", "sale", "refund", "dispute", "bank"))
    it.simulator.settings.rates["usd/eur"] = str(chance.randint(80, 95) / 100)
    transfers = [
        row
        for row in world.home.shelf("transfer").values()
        if row["amount"] - row["amount_reversed"] >= 100
    ]
    if what == "payout":
        body = {"merchant": "bakery", "amount": amount, "currency": "usd"}
        assert (await ask(it, "/v1/payouts", body)).status_code == 201
    elif what == "reverse" and transfers:
        with contextlib.suppress(StripeSays):  # it may have gone to the bank
            acts.reverse_transfer(chance.choice(transfers)["id"], 100)
    elif what == "sale" or not sales:
        sales.append(own_sale(it, account, amount)["latest_charge"])
    elif what == "refund":
        with contextlib.suppress(StripeSays):
            acts.refund(sales.pop(), amount=500)
    elif what == "dispute":
        with contextlib.suppress(StripeSays):
            dispute = acts.dispute(sales.pop())
            acts.close_dispute(dispute["id"], chance.choice(("won", "lost")))
    else:
        with contextlib.suppress(StripeSays):
            acts.pay_out_bank("eur" if account_is_abroad(it, account) else "usd", account=account)


def account_is_abroad(it: Service, account: str) -> bool:
    return bool(it.simulator.world.books[account].account["country"] != "US")


def test_an_account_with_a_long_history_is_booked_in_several_runs(
    sqlite_url: str, monkeypatch: Any
) -> None:
    async def story() -> None:
        monkeypatch.setattr(watched, "FAMILIES", 1)
        monkeypatch.setattr(watched, "ROUNDS", 1)
        async with service(sqlite_url) as it:
            account, _ = await sent(it, 1_000)
            for amount in (2_000, 3_000):
                body = {"merchant": "bakery", "amount": amount, "currency": "usd"}
                await ask(it, "/v1/payouts", body)
                await it.listen()
            await mark(it)
            checked = await it.check()
            assert checked["status"] == "incomplete"
            assert checked["found"] == []
            assert [e for e in checked["coverage"]["errors"] if account in e]
            assert await self_check(it.context) == []  # half of it is booked, and nothing is broken
            for _ in range(9):
                if (await it.check())["status"] == "clean":
                    break
            await clean(it)
            assert (await balances(it, account))["received", "usd"] == -6_000

    run(story)
