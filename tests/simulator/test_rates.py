"""Rate limits in virtual time, for whoever switches them on."""

import pytest
import stripe

from reconciler.simulator import Settings, Simulator

from .sdk import client, inside, run


def limited(plan: str = "sandbox") -> Simulator:
    return Simulator(settings=Settings(rate_limits=plan))


async def ask(sim, path, times, method="GET", **headers):
    sent = {"Authorization": f"Bearer {sim.secret_key}", **headers}
    return [await inside(sim, method, path, headers=sent) for _ in range(times)]


def test_nothing_is_limited_unless_asked_for():
    answers = run(ask(Simulator(), "/v1/balance", 200))
    assert {answer.status_code for answer in answers} == {200}


def test_a_sandbox_takes_25_requests_in_a_second():
    async def story(sim):
        answers = await ask(sim, "/v1/balance", 30)
        assert [answer.status_code for answer in answers] == [200] * 25 + [429] * 5
        refused = answers[-1]
        assert refused.json()["error"]["code"] == "rate_limit"
        assert refused.headers["stripe-rate-limited-reason"] == "global-rate"
        merchant = sim.acts.connect_account()
        [theirs] = await ask(sim, "/v1/balance", 1, **{"Stripe-Account": merchant})
        assert theirs.status_code == 200
        sim.clock.advance(1)
        await ask(sim, "/v1/balance", 25)
        with pytest.raises(stripe.RateLimitError):
            await client(sim).v1.balance.retrieve_async()

    run(story(limited()))


def test_live_limits_are_per_endpoint_too():
    async def story(sim):
        paid = [sim.acts.pay(1_000, "usd")["id"] for _ in range(30)]
        answers = [(await ask(sim, f"/v1/payment_intents/{each}", 1))[0] for each in paid]
        assert [answer.status_code for answer in answers].count(429) == 5
        assert answers[-1].headers["stripe-rate-limited-reason"] == "endpoint-rate"
        assert (await ask(sim, "/v1/charges", 1))[0].status_code == 200

    run(story(limited("live")))


def test_one_payment_intent_takes_a_thousand_updates_in_an_hour():
    async def story(sim):
        paid = sim.acts.pay(1_000, "usd")["id"]
        path = f"/v1/payment_intents/{paid}"
        for _ in range(50):
            answers = await ask(sim, path, 20, "POST")
            sim.clock.advance(1)
        assert {answer.status_code for answer in answers} == {200}
        [refused] = await ask(sim, path, 1, "POST")
        assert refused.headers["stripe-rate-limited-reason"] == "resource-specific"
        sim.clock.advance(3_600)
        [again] = await ask(sim, path, 1, "POST")
        assert again.status_code == 200

    run(story(limited()))


def test_a_limited_request_leaves_its_key_unused():
    async def story(sim):
        sdk = client(sim)
        await ask(sim, "/v1/balance", 25)
        with pytest.raises(stripe.RateLimitError):
            await sdk.v1.customers.create_async({}, {"idempotency_key": "k"})
        sim.clock.advance(1)
        made = await sdk.v1.customers.create_async({}, {"idempotency_key": "k"})
        assert "idempotent-replayed" not in made.last_response.headers

    run(story(limited()))
