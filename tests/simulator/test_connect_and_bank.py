"""Money that leaves: transfers to merchants, payouts to banks."""

import pytest
import stripe

from reconciler.simulator import Simulator

from .sdk import client, rows, run, types

DAY = 86_400


def funded(amount: int = 50_000) -> Simulator:
    sim = Simulator()
    sim.acts.topup(amount, "usd")
    return sim


def test_a_transfer_is_one_movement_on_each_side():
    async def story(sim):
        sdk = client(sim)
        merchant = sim.acts.connect_account()
        transfer = await sdk.v1.transfers.create_async(
            {
                "amount": 6_000,
                "currency": "usd",
                "destination": merchant,
                "transfer_group": "cmd_1",
                "metadata": {"payout": "p1"},
            }
        )
        assert (transfer.amount_reversed, transfer.reversed) == (0, False)
        row = await sdk.v1.balance_transactions.retrieve_async(transfer.balance_transaction)
        assert (row.type, row.amount, row.status, row.source) == (
            "transfer",
            -6_000,
            "available",
            transfer.id,
        )
        [arrived] = rows(sim, merchant)
        assert (arrived["type"], arrived["amount"]) == ("payment", 6_000)
        mine = await sdk.v1.charges.retrieve_async(
            transfer.destination_payment, {}, {"stripe_account": merchant}
        )
        assert mine.source_transfer == transfer.id
        balance = await sdk.v1.balance.retrieve_async({}, {"stripe_account": merchant})
        assert balance.available[0].amount == 6_000
        found = await sdk.v1.transfers.list_async({"transfer_group": "cmd_1"})
        assert [each.id for each in found.data] == [transfer.id]

    sim = funded()
    run(story(sim))
    assert sim.audit() == []


def test_a_transfer_needs_available_money_and_an_able_destination():
    async def story(sim):
        sdk = client(sim)
        sim.acts.pay(100_000, "usd")
        able, unable = sim.acts.connect_account(), sim.acts.connect_account(transfers="inactive")

        async def refusal(destination, amount):
            with pytest.raises(stripe.InvalidRequestError) as refused:
                await sdk.v1.transfers.create_async(
                    {"amount": amount, "currency": "usd", "destination": destination}
                )
            return refused.value

        assert (await refusal(able, 50_001)).code == "balance_insufficient"
        assert (await refusal(unable, 100)).code == "insufficient_capabilities_for_transfer"
        missing = await refusal("acct_nobody", 100)
        assert (missing.code, missing.param) == ("resource_missing", "destination")
        assert str(missing.user_message) == "No such destination: 'acct_nobody'"

    sim = funded()
    run(story(sim))
    assert "transfer" not in sim.world.home.shelves


def test_a_transfer_may_draw_on_a_pending_charge_up_to_its_amount():
    async def story(sim):
        sdk = client(sim)
        merchant = sim.acts.connect_account()
        paid = sim.acts.pay(10_000, "usd")
        asked = {
            "currency": "usd",
            "destination": merchant,
            "source_transaction": paid["latest_charge"],
        }
        transfer = await sdk.v1.transfers.create_async({"amount": 9_000, **asked})
        assert transfer.transfer_group == f"group_{paid['id']}"
        assert rows(sim, merchant)[0]["status"] == "pending"
        with pytest.raises(stripe.InvalidRequestError, match="must not exceed"):
            await sdk.v1.transfers.create_async({"amount": 1_001, **asked})

    sim = Simulator()
    run(story(sim))
    assert sim.audit() == []


def test_reversals_are_capped_and_name_the_transfer_as_their_source():
    async def story(sim):
        sdk = client(sim)
        merchant = sim.acts.connect_account()
        transfer = sim.acts.transfer(merchant, 6_000, "usd")
        first = await sdk.v1.transfers.reversals.create_async(transfer["id"], {"amount": 1_000})
        row = await sdk.v1.balance_transactions.retrieve_async(first.balance_transaction)
        assert (row.type, row.reporting_category) == ("transfer_refund", "transfer_reversal")
        assert (row.amount, row.source, row.status) == (1_000, transfer["id"], "pending")
        back = await sdk.v1.refunds.retrieve_async(
            first.destination_payment_refund, {}, {"stripe_account": merchant}
        )
        assert back.id.startswith("pyr_")
        with pytest.raises(stripe.InvalidRequestError, match="greater than the unreversed"):
            await sdk.v1.transfers.reversals.create_async(transfer["id"], {"amount": 5_001})
        await sdk.v1.transfers.reversals.create_async(transfer["id"])
        now = await sdk.v1.transfers.retrieve_async(transfer["id"])
        assert (now.amount_reversed, now.reversed) == (6_000, True)
        assert [each.amount for each in now.reversals.data] == [5_000, 1_000]
        listed = await sdk.v1.transfers.reversals.list_async(transfer["id"])
        assert listed.data[1].id == first.id

    sim = funded()
    run(story(sim))
    assert [type_ for type_ in types(sim) if type_.startswith("transfer")] == [
        "transfer.created",
        "transfer.reversed",
        "transfer.reversed",
    ]
    assert sim.audit() == []


def test_a_spent_transfer_cannot_be_reversed():
    async def story(sim):
        sdk = client(sim)
        merchant = sim.acts.connect_account()
        transfer = sim.acts.transfer(merchant, 6_000, "usd")
        await sdk.v1.payouts.create_async(
            {"amount": 5_000, "currency": "usd"}, {"stripe_account": merchant}
        )
        with pytest.raises(stripe.InvalidRequestError) as refused:
            await sdk.v1.transfers.reversals.create_async(transfer["id"])
        assert refused.value.code == "balance_insufficient"

    run(story(funded()))


def test_a_payout_travels_is_paid_and_may_fail_after_that():
    async def story(sim):
        sdk = client(sim)
        payout = await sdk.v1.payouts.create_async({"amount": 20_000, "currency": "usd"})
        assert payout.status == "pending"
        assert sim.world.home.totals["usd"]["available"] == 30_000
        sim.clock.advance(3_600)
        assert (await sdk.v1.payouts.retrieve_async(payout.id)).status == "in_transit"
        sim.clock.advance(2 * DAY)
        assert (await sdk.v1.payouts.retrieve_async(payout.id)).status == "paid"
        sim.acts.fail_payout(payout.id, "account_closed")
        payout = await sdk.v1.payouts.retrieve_async(
            payout.id, {"expand": ["failure_balance_transaction"]}
        )
        assert (payout.status, payout.failure_code) == ("failed", "account_closed")
        back = payout.failure_balance_transaction
        assert (back.type, back.amount) == ("payout_failure", 20_000)

    sim = funded()
    run(story(sim))
    assert [type_ for type_ in types(sim) if type_.startswith("payout")] == [
        "payout.created",
        "payout.updated",
        "payout.updated",
        "payout.paid",
        "payout.updated",
        "payout.failed",
    ]
    assert sim.world.home.totals["usd"]["available"] == 50_000
    assert sim.audit() == []


def test_a_pending_manual_payout_can_be_cancelled():
    async def story(sim):
        sdk = client(sim)
        payout = sim.acts.pay_out_bank("usd", 1_000)
        gone = await sdk.v1.payouts.cancel_async(payout["id"])
        assert gone.status == "canceled"
        with pytest.raises(stripe.InvalidRequestError):
            await sdk.v1.payouts.cancel_async(payout["id"])
        with pytest.raises(stripe.InvalidRequestError) as refused:
            await sdk.v1.payouts.create_async({"amount": 50_001, "currency": "usd"})
        assert refused.value.code == "balance_insufficient"

    sim = funded()
    run(story(sim))
    sim.clock.advance(5 * DAY)
    assert types(sim)[-1] == "payout.canceled"
    assert sim.audit() == []


def test_automatic_payouts_follow_their_schedule_and_list_what_they_consist_of():
    async def story(sim):
        sdk = client(sim)
        sim.acts.payout_schedule("weekly", weekday=2)
        for amount in (1_000, 2_000, 3_000):
            sim.acts.pay(amount, "usd", card="pm_card_bypassPending")
        sim.clock.advance(7 * DAY)
        [payout] = (await sdk.v1.payouts.list_async()).data
        assert payout.automatic
        listed = await sdk.v1.balance_transactions.list_async({"payout": payout.id})
        assert len(listed.data) == 4
        assert sum(row.net for row in listed.data) == 0
        assert listed.data[0].id == payout.balance_transaction
        sim.clock.advance(7 * DAY)
        assert len((await sdk.v1.payouts.list_async()).data) == 1
        sim.acts.fail_payout(payout.id)
        sim.clock.advance(7 * DAY)
        again = (await sdk.v1.payouts.list_async()).data[0]
        assert again.amount == payout.amount
        assert again.reconciliation_status == "completed" or again.status == "pending"

    sim = Simulator()
    run(story(sim))
    assert "payout.reconciliation_completed" in types(sim)
    assert sim.audit() == []


def test_accounts_are_opened_reviewed_updated_and_deleted():
    async def story(sim):
        sdk = client(sim)
        account = await sdk.v1.accounts.create_async(
            {
                "type": "express",
                "country": "US",
                "email": "m@example.com",
                "capabilities": {"transfers": {"requested": True}},
                "metadata": {"merchant_id": "m1"},
            }
        )
        assert (account.capabilities.transfers, account.payouts_enabled) == ("inactive", False)
        link = await sdk.v1.account_links.create_async(
            {
                "account": account.id,
                "type": "account_onboarding",
                "refresh_url": "https://a.example",
                "return_url": "https://b.example",
            }
        )
        assert link.expires_at == link.created + 300
        sim.acts.set_capability(account.id, "transfers", "active")
        account = await sdk.v1.accounts.retrieve_async(account.id)
        assert (account.capabilities.transfers, account.payouts_enabled) == ("active", True)
        assert types(sim, account.id) == ["account.updated", "capability.updated"]
        assert types(sim) == []
        event = next(iter(sim.world.books[account.id].shelf("event").values()))
        assert event["account"] == account.id
        assert event["data"]["previous_attributes"]["capabilities"] == {"transfers": "inactive"}
        assert [each.id for each in (await sdk.v1.accounts.list_async()).data] == [account.id]
        gone = await sdk.v1.accounts.delete_async(account.id)
        assert gone.deleted
        with pytest.raises(stripe.PermissionError) as refused:
            await sdk.v1.balance.retrieve_async({}, {"stripe_account": account.id})
        assert refused.value.error.code == "account_invalid"

    run(story(Simulator()))
