"""Money that is held: captured in part or in parts, let go, forgotten."""

import pytest
import stripe

from reconciler.simulator import Settings, Simulator

from .sdk import client, rows, run, types

DAY = 86_400


def held_(**more):
    return {
        "amount": 10_000,
        "currency": "usd",
        "payment_method": "pm_card_visa",
        "confirm": True,
        "capture_method": "manual",
        **more,
    }


def test_of_a_part_only_that_is_booked_and_can_be_refunded():
    async def story(sim):
        sdk = client(sim)
        held = await sdk.v1.payment_intents.create_async(held_())
        await sdk.v1.payment_intents.capture_async(held.id, {"amount_to_capture": 4_000})
        with pytest.raises(stripe.InvalidRequestError):
            await sdk.v1.refunds.create_async({"charge": held.latest_charge, "amount": 4_001})
        await sdk.v1.refunds.create_async({"charge": held.latest_charge})
        charge = await sdk.v1.charges.retrieve_async(held.latest_charge)
        assert (charge.amount_captured, charge.amount_refunded) == (4_000, 4_000)
        assert charge.refunded is True

    sim = Simulator()
    run(story(sim))
    assert [row["amount"] for row in rows(sim)] == [4_000, -4_000]
    assert sim.audit() == []


def test_in_an_older_account_a_part_is_booked_whole_and_the_rest_comes_back():
    async def story(sim):
        sdk = client(sim)
        held = await sdk.v1.payment_intents.create_async(held_())
        await sdk.v1.payment_intents.capture_async(held.id, {"amount_to_capture": 4_000})
        whole, rest = rows(sim)
        assert (whole["amount"], whole["reporting_category"]) == (10_000, "charge")
        assert (rest["amount"], rest["type"]) == (-6_000, "refund")
        assert rest["reporting_category"] == "partial_capture_reversal"
        assert rest["source"].startswith("re_")
        assert whole["fee"] + rest["fee"] == 4_000 * 29 // 1000 + 30
        charge = await sdk.v1.charges.retrieve_async(held.latest_charge)
        assert (charge.amount_captured, charge.amount_refunded) == (4_000, 6_000)
        with pytest.raises(stripe.InvalidRequestError):
            await sdk.v1.refunds.create_async({"charge": charge.id, "amount": 4_001})
        await sdk.v1.refunds.create_async({"charge": charge.id})
        charge = await sdk.v1.charges.retrieve_async(held.latest_charge)
        assert (charge.amount_refunded, charge.refunded) == (10_000, True)

    sim = Simulator(settings=Settings(partial_capture_refunds=True))
    run(story(sim))
    event = next(
        e for e in sim.world.home.shelf("event").values() if e["type"] == "charge.captured"
    )
    assert event["data"]["previous_attributes"] == {
        "amount_captured": 0,
        "balance_transaction": None,
        "captured": False,
    }
    assert sim.audit() == []


def test_a_capture_in_several_parts_where_that_was_asked_for():
    async def story(sim):
        sdk = client(sim)
        options = {"card": {"request_multicapture": "if_available"}}
        held = await sdk.v1.payment_intents.create_async(held_(payment_method_options=options))
        part = {"amount_to_capture": 3_000, "final_capture": False}
        first = await sdk.v1.payment_intents.capture_async(held.id, part)
        assert (first.status, first.amount_capturable) == ("requires_capture", 7_000)
        last = await sdk.v1.payment_intents.capture_async(held.id, {"amount_to_capture": 5_000})
        assert (last.status, last.amount_received) == ("succeeded", 8_000)
        plain = await sdk.v1.payment_intents.create_async(held_())
        with pytest.raises(stripe.InvalidRequestError, match="multicapture"):
            await sdk.v1.payment_intents.capture_async(plain.id, part)

    sim = Simulator()
    run(story(sim))
    assert [row["amount"] for row in rows(sim)] == [3_000, 5_000]
    assert sim.audit() == []


def test_cancelling_lets_the_authorisation_go():
    async def story(sim):
        sdk = client(sim)
        held = await sdk.v1.payment_intents.create_async(held_())
        charge = await sdk.v1.charges.retrieve_async(held.latest_charge)
        assert charge.payment_method_details.card.capture_before == charge.created + 7 * DAY
        await sdk.v1.payment_intents.cancel_async(held.id)
        charge = await sdk.v1.charges.retrieve_async(held.latest_charge)
        assert (charge.captured, charge.refunded, charge.amount_refunded) == (False, True, 10_000)
        sim.clock.advance(8 * DAY)
        with pytest.raises(stripe.InvalidRequestError, match="could not be captured"):
            await sdk.v1.payment_intents.capture_async(held.id)

    sim = Simulator()
    run(story(sim))
    assert rows(sim) == []
    assert types(sim)[-2:] == ["charge.refunded", "payment_intent.canceled"]
    assert sim.audit() == []


def test_an_authorisation_expires_after_seven_days():
    async def story(sim):
        sdk = client(sim)
        held = await sdk.v1.payment_intents.create_async(held_())
        taken = await sdk.v1.payment_intents.create_async(held_())
        await sdk.v1.payment_intents.capture_async(taken.id)
        sim.clock.advance(7 * DAY - 1)
        assert (await sdk.v1.payment_intents.retrieve_async(held.id)).status == "requires_capture"
        sim.clock.advance(1)
        gone = await sdk.v1.payment_intents.retrieve_async(held.id)
        assert (gone.status, gone.cancellation_reason) == ("canceled", "automatic")
        refunds = await sdk.v1.refunds.list_async({"charge": held.latest_charge})
        assert [refund.reason for refund in refunds.data] == ["expired_uncaptured_charge"]
        kept = await sdk.v1.payment_intents.retrieve_async(taken.id)
        assert kept.status == "succeeded"

    sim = Simulator()
    run(story(sim))
    assert types(sim)[-2:] == ["charge.expired", "payment_intent.canceled"]
    assert sim.audit() == []


def test_more_can_be_held_where_that_was_asked_for():
    async def story(sim):
        sdk = client(sim)
        options = {"card": {"request_incremental_authorization": "if_available"}}
        held = await sdk.v1.payment_intents.create_async(held_(payment_method_options=options))
        more = await sdk.v1.payment_intents.increment_authorization_async(
            held.id, {"amount": 12_000}
        )
        assert (more.amount, more.amount_capturable) == (12_000, 12_000)
        with pytest.raises(stripe.InvalidRequestError, match="greater than"):
            await sdk.v1.payment_intents.increment_authorization_async(held.id, {"amount": 9_000})
        await sdk.v1.payment_intents.capture_async(held.id)
        plain = await sdk.v1.payment_intents.create_async(held_())
        with pytest.raises(stripe.InvalidRequestError, match="not eligible"):
            await sdk.v1.payment_intents.increment_authorization_async(plain.id, {"amount": 12_000})
        lines = await sdk.v1.payment_intents.amount_details_line_items.list_async(plain.id)
        assert lines.data == []

    sim = Simulator()
    run(story(sim))
    assert rows(sim)[0]["amount"] == 12_000
    assert sim.audit() == []
