"""Payments, captures and foreign currencies, as the SDK sees them."""

import pytest
import stripe

from reconciler.simulator import Simulator

from .sdk import client, rows, run, types

DAY = 86_400


def intent(**more):
    return {
        "amount": 10_000,
        "currency": "usd",
        "payment_method": "pm_card_visa",
        "confirm": True,
        "capture_method": "automatic",
        **more,
    }


def test_a_card_payment_is_booked_less_the_fee_and_available_in_two_days():
    async def story(sim):
        sdk = client(sim)
        paid = await sdk.v1.payment_intents.create_async(intent(metadata={"merchant_id": "m1"}))
        assert (paid.status, paid.amount_received) == ("succeeded", 10_000)
        charge = await sdk.v1.charges.retrieve_async(
            paid.latest_charge, {"expand": ["balance_transaction.source"]}
        )
        assert charge.metadata.to_dict() == {"merchant_id": "m1"}
        row = charge.balance_transaction
        assert (row.amount, row.fee, row.net, row.status) == (10_000, 320, 9_680, "pending")
        assert row.source.id == charge.id
        assert row.available_on % DAY == 0
        sim.clock.advance(row.available_on - sim.clock.now() - 1)
        balance = await sdk.v1.balance.retrieve_async()
        assert (balance.available[0].amount, balance.pending[0].amount) == (0, 9_680)
        sim.clock.advance(1)
        balance = await sdk.v1.balance.retrieve_async()
        assert (balance.available[0].amount, balance.pending[0].amount) == (9_680, 0)
        assert balance.available[0].source_types.card == 9_680

    sim = Simulator()
    run(story(sim))
    assert types(sim) == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "balance.available",
    ]
    assert sim.audit() == []


def test_bypass_pending_is_available_at_once():
    sim = Simulator()
    sim.acts.pay(5_000, "usd", card="pm_card_bypassPending")
    assert rows(sim)[0]["status"] == "available"


def test_asynchronous_capture_books_the_money_a_moment_later():
    async def story(sim):
        sdk = client(sim)
        asked = intent()
        del asked["capture_method"]
        paid = await sdk.v1.payment_intents.create_async(asked)
        assert paid.capture_method == "automatic_async"
        charge = await sdk.v1.charges.retrieve_async(paid.latest_charge)
        assert charge.balance_transaction is None
        sim.clock.advance(1)
        charge = await sdk.v1.charges.retrieve_async(paid.latest_charge)
        assert charge.balance_transaction.startswith("txn_")

    sim = Simulator()
    run(story(sim))
    events = list(sim.world.home.shelf("event").values())
    assert types(sim)[-1] == "charge.updated"
    assert events[1]["data"]["object"]["balance_transaction"] is None
    assert events[-1]["data"]["previous_attributes"] == {"balance_transaction": None}


def test_a_manual_payment_is_captured_in_part():
    async def story(sim):
        sdk = client(sim)
        held = await sdk.v1.payment_intents.create_async(intent(capture_method="manual"))
        assert (held.status, held.amount_capturable) == ("requires_capture", 10_000)
        assert rows(sim) == []
        with pytest.raises(stripe.InvalidRequestError, match="greater than the authorized"):
            await sdk.v1.payment_intents.capture_async(held.id, {"amount_to_capture": 10_001})
        taken = await sdk.v1.payment_intents.capture_async(held.id, {"amount_to_capture": 4_000})
        assert (taken.status, taken.amount_received) == ("succeeded", 4_000)
        charge = await sdk.v1.charges.retrieve_async(held.latest_charge)
        assert (charge.amount, charge.amount_captured) == (10_000, 4_000)
        assert (charge.amount_refunded, charge.refunded) == (0, False)
        assert rows(sim)[0]["amount"] == 4_000
        with pytest.raises(stripe.InvalidRequestError) as refused:
            await sdk.v1.payment_intents.capture_async(held.id)
        assert refused.value.code == "payment_intent_unexpected_state"

    sim = Simulator()
    run(story(sim))
    assert "charge.captured" in types(sim)
    assert sim.audit() == []


def test_an_uncaptured_payment_can_be_cancelled_and_moves_nothing():
    async def story(sim):
        sdk = client(sim)
        held = await sdk.v1.payment_intents.create_async(intent(capture_method="manual"))
        gone = await sdk.v1.payment_intents.cancel_async(
            held.id, {"cancellation_reason": "abandoned"}
        )
        assert (gone.status, gone.cancellation_reason) == ("canceled", "abandoned")

    sim = Simulator()
    run(story(sim))
    assert rows(sim) == []
    assert types(sim)[-1] == "payment_intent.canceled"


def test_a_declined_card_leaves_a_failed_charge_and_a_payment_that_can_be_confirmed_again():
    async def story(sim):
        sdk = client(sim)
        with pytest.raises(stripe.CardError) as declined:
            await sdk.v1.payment_intents.create_async(
                intent(payment_method="pm_card_visa_chargeDeclined")
            )
        error = declined.value
        assert (error.http_status, error.code) == (402, "card_declined")
        assert error.error.decline_code == "generic_decline"
        waiting = error.error.payment_intent
        assert waiting.status == "requires_payment_method"
        assert waiting.last_payment_error.charge == waiting.latest_charge
        failed = await sdk.v1.charges.retrieve_async(waiting.latest_charge)
        assert (failed.status, failed.paid, failed.outcome.type) == (
            "failed",
            False,
            "issuer_declined",
        )
        paid = await sdk.v1.payment_intents.confirm_async(
            waiting.id, {"payment_method": "pm_card_visa"}
        )
        assert paid.status == "succeeded"
        assert paid.last_payment_error is None
        both = await sdk.v1.charges.list_async({"payment_intent": paid.id})
        assert [charge.status for charge in both.data] == ["succeeded", "failed"]

    sim = Simulator()
    run(story(sim))
    assert types(sim)[1:3] == ["charge.failed", "payment_intent.payment_failed"]
    assert len(rows(sim)) == 1


def test_a_foreign_currency_settles_in_the_default_one_with_a_rate():
    async def story(sim):
        sdk = client(sim)
        paid = sim.acts.pay(10_000, "gbp")
        row = rows(sim)[0]
        assert (row["currency"], row["amount"], row["exchange_rate"]) == ("usd", 12_700, 1.27)
        refund = await sdk.v1.refunds.create_async({"payment_intent": paid["id"], "amount": 5_000})
        assert (refund.currency, refund.amount) == ("gbp", 5_000)
        assert (rows(sim)[1]["currency"], rows(sim)[1]["amount"]) == ("usd", -6_350)
        sim.acts.dispute(sim.acts.pay(333, "gbp")["latest_charge"])
        assert rows(sim)[-1]["amount"] == -rows(sim)[-2]["amount"] == -423
        sim.acts.pay(1_000, "eur")
        assert (rows(sim)[-1]["currency"], rows(sim)[-1]["exchange_rate"]) == ("eur", None)

    sim = Simulator()
    run(story(sim))
    assert sim.audit() == []


def test_metadata_is_set_key_by_key_and_unset_by_an_empty_value():
    async def story(sim):
        sdk = client(sim)
        paid = sim.acts.pay(1_000, "usd", metadata={"a": "1", "b": "2"})
        charge = await sdk.v1.charges.update_async(
            paid["latest_charge"], {"metadata": {"a": "", "c": "3"}}
        )
        assert charge.metadata.to_dict() == {"b": "2", "c": "3"}
        event = list(sim.world.home.shelf("event").values())[-1]
        assert event["type"] == "charge.updated"
        assert event["data"]["previous_attributes"] == {"metadata": {"a": "1", "c": None}}

    run(story(Simulator()))


def test_a_card_that_wants_its_holder_waits_or_refuses():
    async def story(sim):
        sdk = client(sim)
        asked = intent(payment_method="pm_card_authenticationRequired")
        waiting = await sdk.v1.payment_intents.create_async(asked)
        assert (waiting.status, waiting.next_action.type) == ("requires_action", "use_stripe_sdk")
        assert sim.acts.authenticate(waiting.id)["status"] == "succeeded"
        with pytest.raises(stripe.CardError) as refused:
            await sdk.v1.payment_intents.create_async({**asked, "off_session": True})
        assert refused.value.code == "authentication_required"
        assert refused.value.error.payment_intent.status == "requires_payment_method"

    sim = Simulator()
    run(story(sim))
    assert len(rows(sim)) == 1


def test_a_saved_card_can_be_charged_later():
    async def story(sim):
        sdk = client(sim)
        customer = await sdk.v1.customers.create_async({"email": "a@example.com"})
        method = sim.acts.customer_card(customer.id)
        other = await sdk.v1.payment_methods.attach_async(
            "pm_card_mastercard", {"customer": customer.id}
        )
        assert (other.customer, other.card.brand) == (customer.id, "mastercard")
        paid = await sdk.v1.payment_intents.create_async(
            intent(customer=customer.id, payment_method=method["id"], off_session=True)
        )
        assert (paid.customer, paid.payment_method) == (customer.id, method["id"])
        found = await sdk.v1.payment_intents.list_async({"customer": customer.id})
        assert [each.id for each in found.data] == [paid.id]

    run(story(Simulator()))
