"""What a repeated request is answered, by Stripe's table."""

import pytest
import stripe

from reconciler.simulator import Simulator

from .sdk import client, inside, run

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


KEYED = {"Content-Type": "application/x-www-form-urlencoded", "Idempotency-Key": "k"}


async def keyed(sim, content, path="/v1/customers", **headers):
    auth = {"Authorization": f"Bearer {sim.secret_key}"}
    return await inside(sim, "POST", path, content=content, headers={**auth, **KEYED, **headers})


def test_a_replay_says_so_and_names_the_request_that_was_carried_out():
    async def story(sim):
        first = await keyed(sim, "name=Ann&email=a%40example.com")
        again = await keyed(sim, "email=a%40example.com&name=Ann")
        assert again.content == first.content
        assert first.headers["original-request"] == first.headers["request-id"]
        assert again.headers["original-request"] == first.headers["request-id"]
        assert again.headers["request-id"] != first.headers["request-id"]
        assert again.headers["idempotent-replayed"] == "true"
        assert "idempotent-replayed" not in first.headers
        for answer in (first, again):
            assert answer.headers["idempotency-key"] == "k"
            assert answer.headers["stripe-should-retry"] == "false"

    run(story(Simulator()))


def test_a_key_is_for_one_endpoint():
    async def story(sim):
        await keyed(sim, "name=Ann")
        answer = await keyed(sim, "name=Ann", "/v1/products")
        error = answer.json()["error"]
        assert (answer.status_code, error["type"]) == (400, "idempotency_error")
        assert "('/v1/customers' vs '/v1/products')" in error["message"]

    run(story(Simulator()))


def test_a_key_has_at_most_255_characters():
    async def story(sim):
        assert (await keyed(sim, "", **{"Idempotency-Key": "x" * 255})).status_code == 200
        refused = await keyed(sim, "", **{"Idempotency-Key": "x" * 256})
        assert (refused.status_code, refused.json()["error"]["type"]) == (
            400,
            "invalid_request_error",
        )

    sim = Simulator()
    run(story(sim))
    assert len(sim.world.home.shelf("customer")) == 1


def test_keys_mean_nothing_to_questions_and_deletions():
    async def story(sim):
        sdk = client(sim)
        made = await sdk.v1.customers.create_async({})
        auth = {"Authorization": f"Bearer {sim.secret_key}", "Idempotency-Key": "k"}
        for _ in range(2):
            answer = await inside(sim, "GET", f"/v1/customers/{made.id}", headers=auth)
            assert "idempotent-replayed" not in answer.headers
        await inside(sim, "DELETE", f"/v1/customers/{made.id}", headers=auth)
        again = await inside(sim, "DELETE", f"/v1/customers/{made.id}", headers=auth)
        assert again.status_code == 404

    run(story(Simulator()))


def test_memories_survive_in_a_stored_state_for_their_24_hours():
    async def story(sim):
        first = await keyed(sim, "name=Ann")
        other = Simulator()
        other.load(sim.dump())
        replayed = await keyed(other, "name=Ann")
        assert replayed.content == first.content
        assert replayed.headers["idempotent-replayed"] == "true"
        other.clock.advance(DAY - 1)
        assert "idempotent-replayed" in (await keyed(other, "name=Ann")).headers
        other.clock.advance(1)
        assert "idempotent-replayed" not in (await keyed(other, "name=Ann")).headers

    run(story(Simulator()))


def test_under_v2_a_failure_is_tried_again_and_a_success_is_not():
    async def story(sim):
        sdk = client(sim)
        asked = {
            "name": "n",
            "type": "webhook_endpoint",
            "event_payload": "thin",
            "enabled_events": ["*"],
            "webhook_endpoint": {"url": "https://a.test"},
        }
        key = {"idempotency_key": "k"}
        made = await sdk.v2.core.event_destinations.create_async(asked, key)
        sim.clock.advance(29 * DAY)
        again = await sdk.v2.core.event_destinations.create_async(asked, key)
        assert again.id == made.id
        gone = await sdk.v2.core.event_destinations.delete_async(made.id)
        assert gone.id == made.id
        with pytest.raises(stripe.InvalidRequestError):
            await sdk.v2.core.event_destinations.disable_async(
                made.id, {}, {"idempotency_key": "d"}
            )
        with pytest.raises(stripe.InvalidRequestError) as tried:
            await sdk.v2.core.event_destinations.disable_async(
                made.id, {}, {"idempotency_key": "d"}
            )
        assert "idempotent-replayed" not in tried.value.headers

    run(story(Simulator()))
