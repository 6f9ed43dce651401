"""Payments of a platform: for others, through others, and with a share for itself."""

import pytest
import stripe

from reconciler.simulator import Settings, Simulator

from .sdk import client, rows, run, types

DAY = 86_400


def paid_for(merchant, **more):
    return {
        "amount": 10_000,
        "currency": "usd",
        "payment_method": "pm_card_visa",
        "confirm": True,
        "capture_method": "automatic",
        "transfer_data": {"destination": merchant},
        **more,
    }


def test_a_destination_charge_passes_its_money_on():
    async def story(sim):
        sdk = client(sim)
        merchant = sim.acts.connect_account()
        paid = await sdk.v1.payment_intents.create_async(paid_for(merchant))
        assert paid.transfer_group == f"group_{paid.id}"
        charge = await sdk.v1.charges.retrieve_async(paid.latest_charge, {"expand": ["transfer"]})
        assert (charge.transfer.amount, charge.transfer.source_transaction) == (10_000, charge.id)
        arrived = charge.transfer.destination_payment
        seen = await sdk.v1.charges.retrieve_async(arrived, {}, {"stripe_account": merchant})
        assert (seen.amount, seen.source_transfer) == (10_000, charge.transfer.id)
        from_home = await sdk.v1.charges.retrieve_async(arrived)
        assert from_home.application.startswith("ca_")
        part = await sdk.v1.payment_intents.create_async(
            paid_for(merchant, transfer_data={"destination": merchant, "amount": 900})
        )
        charge = await sdk.v1.charges.retrieve_async(part.latest_charge, {"expand": ["transfer"]})
        assert charge.transfer.amount == 900
        return merchant

    sim = Simulator()
    merchant = run(story(sim))
    assert [row["net"] for row in rows(sim)] == [9_680, -10_000, 9_680, -900]
    assert [row["net"] for row in rows(sim, merchant)] == [10_000, 900]
    assert types(sim).count("transfer.created") == 2
    assert sim.audit() == []


def test_the_share_of_a_destination_charge_comes_back_as_an_application_fee():
    async def story(sim):
        sdk = client(sim)
        merchant = sim.acts.connect_account()
        paid = await sdk.v1.payment_intents.create_async(
            paid_for(merchant, application_fee_amount=1_200)
        )
        charge = await sdk.v1.charges.retrieve_async(
            paid.latest_charge, {"expand": ["application_fee", "transfer"]}
        )
        fee = charge.application_fee
        assert (fee.amount, fee.account, fee.originating_transaction) == (
            1_200,
            merchant,
            charge.id,
        )
        assert fee.charge == charge.transfer.destination_payment
        (arrived,) = rows(sim, merchant)
        assert (arrived["amount"], arrived["fee"], arrived["net"]) == (10_000, 1_200, 8_800)
        assert arrived["fee_details"][0]["type"] == "application_fee"
        (earned,) = [row for row in rows(sim) if row["type"] == "application_fee"]
        assert (earned["amount"], earned["reporting_category"]) == (1_200, "platform_earning")
        assert earned["source"] == fee.id
        back = await sdk.v1.application_fees.refunds.create_async(fee.id, {"amount": 200})
        assert back.fee == fee.id
        with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded"):
            await sdk.v1.application_fees.refunds.create_async(fee.id, {"amount": 1_001})
        await sdk.v1.application_fees.refunds.create_async(fee.id)
        fee = await sdk.v1.application_fees.retrieve_async(fee.id)
        assert (fee.amount_refunded, fee.refunded, fee.refunds.total_count) == (1_200, True, 2)
        with pytest.raises(stripe.InvalidRequestError) as twice:
            await sdk.v1.application_fees.refunds.create_async(fee.id)
        assert twice.value.code == "application_fee_already_refunded"
        changed = await sdk.v1.application_fees.refunds.update_async(
            fee.id, back.id, {"metadata": {"why": "kind"}}
        )
        assert changed.metadata.why == "kind"
        return merchant, fee.id

    sim = Simulator()
    merchant, fee = run(story(sim))
    returned = [row for row in rows(sim) if row["type"] == "application_fee_refund"]
    assert [(row["amount"], row["source"]) for row in returned] == [(-200, fee), (-1_000, fee)]
    assert sum(row["net"] for row in rows(sim, merchant)) == 10_000
    assert sum(row["net"] for row in rows(sim)) == 9_680 - 10_000
    assert types(sim).count("application_fee.refunded") == 2
    assert sim.audit() == []


def test_a_direct_charge_lives_with_the_merchant_and_leaves_a_share_at_home():
    async def story(sim):
        sdk = client(sim)
        merchant = sim.acts.connect_account()
        asked = paid_for(merchant, application_fee_amount=500)
        del asked["transfer_data"]
        paid = await sdk.v1.payment_intents.create_async(asked, {"stripe_account": merchant})
        assert paid.application.startswith("ca_")
        with pytest.raises(stripe.InvalidRequestError):
            await sdk.v1.payment_intents.retrieve_async(paid.id)
        (row,) = rows(sim, merchant)
        assert (row["amount"], row["fee"]) == (10_000, 820)
        kinds = [detail["type"] for detail in row["fee_details"]]
        assert kinds == ["application_fee", "stripe_fee"]
        (fee,) = (await sdk.v1.application_fees.list_async({"charge": paid.latest_charge})).data
        assert (fee.amount, fee.account, fee.originating_transaction) == (500, merchant, None)
        with pytest.raises(stripe.InvalidRequestError) as alone:
            await sdk.v1.payment_intents.create_async(asked)
        assert alone.value.param == "application_fee_amount"
        return merchant

    sim = Simulator()
    merchant = run(story(sim))
    assert [row["type"] for row in rows(sim)] == ["application_fee"]
    assert "application_fee.created" in types(sim)
    assert "payment_intent.succeeded" in types(sim, merchant)
    assert sim.audit() == []


def test_with_asynchronous_capture_the_transfer_comes_with_the_booking():
    async def story(sim):
        sdk = client(sim)
        merchant = sim.acts.connect_account()
        paid = await sdk.v1.payment_intents.create_async(
            paid_for(merchant, capture_method="automatic_async", application_fee_amount=100)
        )
        charge = await sdk.v1.charges.retrieve_async(paid.latest_charge)
        assert "transfer" not in charge
        sim.clock.advance(1)
        charge = await sdk.v1.charges.retrieve_async(paid.latest_charge)
        assert charge.transfer.startswith("tr_")

    sim = Simulator()
    run(story(sim))
    event = [e for e in sim.world.home.shelf("event").values() if e["type"] == "charge.updated"][-1]
    assert event["data"]["previous_attributes"] == {
        "application_fee": None,
        "balance_transaction": None,
        "transfer": None,
    }
    assert sim.audit() == []


def test_what_a_platform_cannot_ask_for():
    async def story(sim):
        sdk = client(sim)
        merchant = sim.acts.connect_account()
        wrong = (
            {"transfer_data": {"destination": "acct_nothing"}},
            {"transfer_data": {"destination": sim.account}},
            {"transfer_data": {"destination": merchant, "amount": 10_001}},
            {"application_fee_amount": 10_001},
            {
                "application_fee_amount": 1,
                "transfer_data": {"destination": merchant, "amount": 5},
            },
        )
        for more in wrong:
            with pytest.raises(stripe.InvalidRequestError):
                await sdk.v1.payment_intents.create_async(paid_for(merchant, **more))

    sim = Simulator()
    run(story(sim))
    assert "payment_intent.created" not in types(sim)


def test_fees_depend_on_where_the_card_is_from_and_can_be_taxed():

    sim = Simulator(settings=Settings(fees={"card_DE/eur": ("13/400", 25)}, fee_tax="1/10"))
    sim.acts.pay(2_499, "eur", card="pm_card_de")
    sim.acts.pay(10_000, "usd", card="pm_card_visa")
    german, american = rows(sim)
    assert [d["amount"] for d in german["fee_details"]] == [106, 11]
    assert [d["type"] for d in american["fee_details"]] == ["stripe_fee", "tax"]
    assert american["fee"] == 320 + 32
    plain = Simulator()
    plain.acts.pay(10_000, "usd", card="pm_card_jp")
    assert rows(plain)[0]["fee"] == 470
