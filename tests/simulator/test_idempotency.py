"""What a repeated request is answered, by Stripe's table."""

import pytest
import stripe

from reconciler.simulator import Simulator

from .sdk import client, run

DAY = 86_400
REFUND = {"amount": 100}


def test_the_same_key_gives_the_same_answer_once_only():
    async def story(sim):
        sdk = client(sim)
        asked = {"payment_intent": sim.acts.pay(1_000, "usd")["id"], **REFUND}
        first = await sdk.v1.refunds.create_async(asked, {"idempotency_key": "k1"})
        assert "idempotent-replayed" not in first.last_response.headers
        again = await sdk.v1.refunds.create_async(asked, {"idempotency_key": "k1"})
        assert again.id == first.id
        assert again.last_response.headers["idempotent-replayed"] == "true"
        with pytest.raises(stripe.IdempotencyError):
            await sdk.v1.refunds.create_async({**asked, "amount": 101}, {"idempotency_key": "k1"})
        sim.clock.advance(DAY)
        other = await sdk.v1.refunds.create_async(asked, {"idempotency_key": "k1"})
        assert other.id != first.id

    sim = Simulator()
    run(story(sim))
    assert len(sim.world.home.shelf("refund")) == 2


def test_a_business_refusal_is_remembered_and_a_validation_error_is_not():
    async def story(sim):
        sdk = client(sim)
        merchant = sim.acts.connect_account()
        asked = {"amount": 500, "currency": "usd", "destination": merchant}
        with pytest.raises(stripe.InvalidRequestError):
            await sdk.v1.transfers.create_async(asked, {"idempotency_key": "poor"})
        sim.acts.topup(1_000, "usd")
        with pytest.raises(stripe.InvalidRequestError) as replayed:
            await sdk.v1.transfers.create_async(asked, {"idempotency_key": "poor"})
        assert replayed.value.code == "balance_insufficient"
        assert replayed.value.headers["idempotent-replayed"] == "true"
        with pytest.raises(stripe.InvalidRequestError):
            await sdk.v1.transfers.create_async({**asked, "amount": "x"}, {"idempotency_key": "v"})
        made = await sdk.v1.transfers.create_async(asked, {"idempotency_key": "v"})
        assert made.amount == 500

    run(story(Simulator()))


def test_a_declined_card_is_remembered_too():
    async def story(sim):
        sdk = client(sim)
        asked = {
            "amount": 500,
            "currency": "usd",
            "payment_method": "pm_card_visa_chargeDeclined",
            "confirm": True,
        }
        for _ in range(2):
            with pytest.raises(stripe.CardError):
                await sdk.v1.payment_intents.create_async(asked, {"idempotency_key": "d"})

    sim = Simulator()
    run(story(sim))
    assert len(sim.world.home.shelf("payment_intent")) == 1


def test_keys_belong_to_an_account():
    async def story(sim):
        sdk = client(sim)
        sim.acts.topup(1_000, "usd")
        merchant = sim.acts.connect_account()
        sim.acts.transfer(merchant, 500, "usd")
        asked = {"amount": 100, "currency": "usd"}
        mine = await sdk.v1.payouts.create_async(asked, {"idempotency_key": "k"})
        theirs = await sdk.v1.payouts.create_async(
            asked, {"idempotency_key": "k", "stripe_account": merchant}
        )
        assert mine.id != theirs.id

    run(story(Simulator()))
