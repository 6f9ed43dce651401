"""Transfers and reversals: caps, charges they draw on, two currencies, and who may see what."""

import pytest
import stripe

from reconciler.simulator import Simulator
from reconciler.simulator.kernel.settings import Settings

from .sdk import client, rows, run, types

DAY = 86_400


def funded(amount: int = 50_000, **settings) -> Simulator:
    sim = Simulator(settings=Settings(**settings))
    sim.acts.topup(amount, "usd")
    return sim


async def refusal(call) -> stripe.InvalidRequestError:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await call
    return refused.value


def test_a_transfer_in_another_currency_is_converted_on_both_sides():
    async def story(sim):
        sdk = client(sim)
        merchant = sim.acts.connect_account("CH")
        made = await sdk.v1.transfers.create_async(
            {
                "amount": 4_983,
                "currency": "eur",
                "destination": merchant,
                "expand": ["balance_transaction"],
            }
        )
        assert (made.amount, made.currency) == (4_983, "eur")
        assert (made.balance_transaction.amount, made.balance_transaction.currency) == (
            -5_382,
            "usd",
        )
        arrived = await sdk.v1.charges.retrieve_async(
            made.destination_payment, {"expand": ["balance_transaction"]}
        )
        row = arrived.balance_transaction
        assert (row.amount, row.currency, row.exchange_rate) == (4_452, "chf", 0.893356)
        back = await sdk.v1.transfers.reversals.create_async(made.id, {"amount": 1_000})
        refund = sim.world.books[merchant].shelf("refund")[back.destination_payment_refund]
        taken = rows(sim, merchant)[-1]
        assert (refund["amount"], taken["amount"], taken["currency"]) == (1_000, -893, "chf")

    sim = funded(
        settlement_currencies=("usd",),
        connected_currencies=(),
        rates={"eur/chf": "0.893356", "eur/usd": "1.08"},
    )
    run(story(sim))
    assert sim.audit() == []


def test_the_platform_sees_and_describes_what_its_transfer_became():
    async def story(sim):
        sdk = client(sim)
        merchant = sim.acts.connect_account()
        transfer = sim.acts.transfer(merchant, 6_000, "usd")
        py = transfer["destination_payment"]
        seen = await sdk.v1.charges.retrieve_async(py)
        assert (seen.source_transfer, seen.amount, seen.transfer_group) == (
            transfer["id"],
            6_000,
            None,
        )
        assert seen.application.startswith("ca_")
        described = await sdk.v1.charges.update_async(
            py, {"description": "for May", "metadata": {"order": "7"}}
        )
        assert (described.description, described.metadata["order"]) == ("for May", "7")
        own = sim.world.books[merchant].shelf("charge")[py]
        assert own["description"] == "for May"
        direct = sim.acts.pay(1_000, "usd", account=merchant)
        hidden = await refusal(sdk.v1.charges.retrieve_async(direct["latest_charge"]))
        assert hidden.code == "resource_missing"

    sim = funded()
    run(story(sim))
    assert sim.audit() == []


def test_what_a_charge_brought_can_be_passed_on_once():
    async def story(sim):
        transfers = client(sim).v1.transfers
        merchant = sim.acts.connect_account()
        charge = sim.acts.pay(10_000, "usd")["latest_charge"]
        ask = {"currency": "usd", "destination": merchant, "source_transaction": charge}
        first = await transfers.create_async({**ask, "amount": 8_000})
        assert "already 8000" in str(
            await refusal(transfers.create_async({**ask, "amount": 2_001}))
        )
        await transfers.reversals.create_async(first.id, {"amount": 3_000})
        sim.acts.refund(charge, amount=1_000)
        assert "source amount of 9000" in str(
            await refusal(transfers.create_async({**ask, "amount": 4_001}))
        )
        await transfers.create_async({**ask, "amount": 4_000})
        other = await refusal(transfers.create_async({**ask, "amount": 1, "currency": "eur"}))
        assert other.param == "currency"
        mixed = {**ask, "amount": 1, "source_type": "bank_account"}
        assert (await refusal(transfers.create_async(mixed))).code == (
            "transfer_source_balance_parameters_mismatch"
        )
        held = sim.acts.pay(5_000, "usd", capture_method="manual")["latest_charge"]
        early = await refusal(
            transfers.create_async({**ask, "amount": 1, "source_transaction": held})
        )
        assert early.param == "source_transaction"

    sim = Simulator()
    run(story(sim))
    assert sim.audit() == []


def test_money_passed_on_becomes_available_with_the_charge():
    async def story(sim):
        transfers = client(sim).v1.transfers
        merchant = sim.acts.connect_account()
        paid = sim.acts.pay(10_000, "usd", capture_method="automatic_async")
        await transfers.create_async(
            {
                "amount": 9_000,
                "currency": "usd",
                "destination": merchant,
                "source_transaction": paid["latest_charge"],
            }
        )
        [arrived] = rows(sim, merchant)
        sim.clock.advance(5)
        [booked] = (row for row in rows(sim) if row["type"] == "charge")
        assert arrived["available_on"] == booked["available_on"] > sim.clock.now()
        sim.clock.advance(4 * DAY)
        assert arrived["status"] == booked["status"] == "available"
        return merchant

    sim = Simulator()
    merchant = run(story(sim))
    assert "balance.available" in types(sim, merchant)
    assert sim.audit() == []


def test_transfers_go_from_the_platform_to_its_accounts_and_nowhere_else():
    async def story(sim):
        transfers = client(sim).v1.transfers
        one, other = sim.acts.connect_account(), sim.acts.connect_account()
        sim.acts.transfer(one, 5_000, "usd")
        ask = {"amount": 1_000, "currency": "usd"}
        for destination in (one, other, sim.account, "acct_invalid"):
            wrong = await refusal(
                transfers.create_async({**ask, "destination": destination}, {"stripe_account": one})
            )
            assert str(wrong.user_message) == f"No such destination: '{destination}'"
        own = await refusal(transfers.create_async({**ask, "destination": sim.account}))
        assert (own.code, own.param) == ("resource_missing", "destination")

    sim = funded()
    run(story(sim))
    assert sim.audit() == []


def test_reversals_are_described_and_the_newest_ten_are_part_of_the_transfer():
    async def story(sim):
        transfers = client(sim).v1.transfers
        merchant = sim.acts.connect_account()
        transfer = sim.acts.transfer(merchant, 6_000, "usd")
        made = [
            await transfers.reversals.create_async(
                transfer["id"], {"amount": 100, "metadata": {"n": str(n)}}
            )
            for n in range(12)
        ]
        now = await transfers.retrieve_async(transfer["id"])
        assert [each.id for each in now.reversals.data] == [each.id for each in made[:1:-1]]
        assert now.reversals.has_more
        older = await transfers.reversals.list_async(
            transfer["id"], {"starting_after": made[2].id, "limit": 1}
        )
        assert ([each.id for each in older.data], older.has_more) == ([made[1].id], True)
        changed = await transfers.reversals.update_async(
            transfer["id"], made[0].id, {"metadata": {"n": "", "why": "fee"}}
        )
        assert changed.metadata.to_dict() == {"why": "fee"}
        await transfers.update_async(transfer["id"], {"description": "May"})
        event = list(sim.world.home.shelf("event").values())[-1]
        assert event["data"]["previous_attributes"] == {"description": None}

    sim = funded()
    run(story(sim))
    assert sim.audit() == []


def test_a_merchant_below_zero_is_covered_by_the_platform_until_it_recovers():
    async def story(sim):
        sdk = client(sim)
        merchant = sim.acts.connect_account()
        sim.acts.adjustment(-3_000, "usd", account=merchant)
        balance = await sdk.v1.balance.retrieve_async()
        assert balance.connect_reserved[0].amount == 3_000
        assert balance.available[0].amount == 47_000
        held = rows(sim)[-1]
        assert (held["type"], held["reporting_category"], held["amount"]) == (
            "reserve_transaction",
            "connect_reserved_funds",
            -3_000,
        )
        sim.acts.transfer(merchant, 1_000, "usd")
        assert (await sdk.v1.balance.retrieve_async()).connect_reserved[0].amount == 2_000
        sim.clock.advance(181 * DAY)
        balance = await sdk.v1.balance.retrieve_async()
        assert balance.connect_reserved[0].amount == 0
        assert balance.available[0].amount == 47_000
        theirs = await sdk.v1.balance.retrieve_async({}, {"stripe_account": merchant})
        assert theirs.available[0].amount == 0
        assert rows(sim, merchant)[-1]["type"] == "connect_collection_transfer"

    sim = funded()
    run(story(sim))
    assert sim.audit() == []


def test_a_risk_reserve_is_a_pot_of_its_own():
    async def story(sim):
        sdk = client(sim)
        sim.acts.reserve(10_000, "usd")
        assert (await sdk.v1.balance.retrieve_async()).available[0].amount == 40_000
        held = (await sdk.v1.balance_transactions.list_async({"type": "reserve_hold"})).data
        assert [(row.balance_type, row.amount) for row in held] == [
            ("risk_reserved", 10_000),
            ("payments", -10_000),
        ]
        sim.acts.release_reserve(4_000, "usd")
        assert (await sdk.v1.balance.retrieve_async()).available[0].amount == 44_000
        with pytest.raises(Exception, match="less than that in reserve"):
            sim.acts.release_reserve(6_001, "usd")

    sim = funded()
    run(story(sim))
    assert sim.audit() == []
