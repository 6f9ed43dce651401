"""What breaks between the platform and Stripe."""

import asyncio

import httpx
import pytest
import stripe

from reconciler.simulator import Simulator

from .sdk import client, inside, run

KEY = {"idempotency_key": "k"}


def ready() -> tuple[Simulator, dict[str, object]]:
    sim = Simulator()
    sim.acts.topup(10_000, "usd")
    merchant = sim.acts.connect_account()
    return sim, {"amount": 500, "currency": "usd", "destination": merchant}


@pytest.mark.parametrize(
    ("effect", "error", "status"),
    [
        ("reset", stripe.APIConnectionError, None),
        ("500", stripe.APIError, 500),
        ("429", stripe.RateLimitError, 429),
        ("429_lock_timeout", stripe.RateLimitError, 429),
        ("409_lock_timeout", stripe.APIError, 409),
        ("broken_body", stripe.APIError, 200),
    ],
)
def test_a_fault_before_the_effect_leaves_nothing_behind(effect, error, status):
    async def story(sim, asked):
        sdk = client(sim)
        sim.faults.add(method="POST", path="/v1/transfers", when="before", effect=effect)
        with pytest.raises(error) as struck:
            await sdk.v1.transfers.create_async(asked, KEY)
        assert struck.value.http_status == status
        if effect == "429_lock_timeout":
            assert struck.value.headers["stripe-should-retry"] == "true"
        assert "transfer" not in sim.world.home.shelves
        assert (await sdk.v1.transfers.create_async(asked, KEY)).amount == 500

    run(story(*ready()))


@pytest.mark.parametrize("effect", ["reset", "broken_body"])
def test_a_lost_answer_is_found_again_with_its_key(effect):
    async def story(sim, asked):
        sdk = client(sim)
        sim.faults.add(method="POST", path="/v1/transfers", when="after", effect=effect)
        with pytest.raises((stripe.APIConnectionError, stripe.APIError)):
            await sdk.v1.transfers.create_async(asked, KEY)
        [done] = sim.world.home.shelf("transfer")
        again = await sdk.v1.transfers.create_async(asked, KEY)
        assert again.id == done
        assert again.last_response.headers["idempotent-replayed"] == "true"
        assert len(sim.world.home.shelf("transfer")) == 1

    sim, asked = ready()
    run(story(sim, asked))
    assert sim.requests[0].status == (0 if effect == "reset" else 200)


def test_a_500_after_the_effect_is_remembered_as_a_500():
    async def story(sim, asked):
        sdk = client(sim)
        sim.faults.add(method="POST", path="/v1/transfers", when="after", effect="500")
        for _ in range(2):
            with pytest.raises(stripe.APIError) as struck:
                await sdk.v1.transfers.create_async(asked, KEY)
            assert struck.value.http_status == 500
        assert len(sim.world.home.shelf("transfer")) == 1

    run(story(*ready()))


def test_two_requests_with_one_key_at_the_same_time():
    async def story(sim, asked):
        sdk = client(sim)
        sim.faults.add(method="POST", path="/v1/transfers", effect="stall")
        both = await asyncio.gather(
            sdk.v1.transfers.create_async(asked, KEY),
            sdk.v1.transfers.create_async(asked, KEY),
            return_exceptions=True,
        )
        [refused] = [each for each in both if isinstance(each, stripe.APIError)]
        assert (refused.http_status, refused.error.code) == (409, "idempotency_key_in_use")
        assert len(sim.world.home.shelf("transfer")) == 1

    run(story(*ready()))


def test_a_list_hole_hides_objects_for_a_while():
    async def story(sim, asked):
        sdk = client(sim)
        done = await sdk.v1.transfers.create_async(asked)
        sim.faults.add(path="/v1/transfers", when="list_hole", ids=[done.id], times=2)
        seen = [len((await sdk.v1.transfers.list_async()).data) for _ in range(3)]
        assert seen == [0, 0, 1]
        assert (await sdk.v1.transfers.retrieve_async(done.id)).id == done.id

    run(story(*ready()))


def test_faults_strike_by_path_method_and_luck():
    async def story(sim):
        sim.faults.add(method="GET", path="/v1/charges/*", effect="500", times=None)
        sim.faults.add(method="GET", path="/v1/events", effect="500", times=None, probability=0.5)
        auth = {"headers": {"Authorization": f"Bearer {sim.secret_key}"}}
        assert (await inside(sim, "GET", "/v1/charges/ch_1", **auth)).status_code == 500
        assert (await inside(sim, "GET", "/v1/charges", **auth)).status_code == 200
        lucky = [(await inside(sim, "GET", "/v1/events", **auth)).status_code for _ in range(40)]
        assert 5 < lucky.count(500) < 35
        sim.faults.clear()
        assert (await inside(sim, "GET", "/v1/charges/ch_1", **auth)).status_code == 404

    run(story(Simulator()))


def test_a_reset_looks_like_one_to_httpx_itself():
    async def story(sim):
        sim.faults.add(effect="reset")
        with pytest.raises(httpx.TransportError):
            await inside(
                sim, "GET", "/v1/balance", headers={"Authorization": f"Bearer {sim.secret_key}"}
            )

    run(story(Simulator()))


def test_an_unknown_fault_is_refused():
    with pytest.raises(ValueError, match="no such fault"):
        Simulator().faults.add(effect="earthquake")


def test_a_500_before_the_effect_can_burn_its_key():
    async def story(sim, asked):
        sdk = client(sim)
        sim.faults.add(path="/v1/transfers", effect="500", saved=True)
        for _ in range(2):
            with pytest.raises(stripe.APIError) as struck:
                await sdk.v1.transfers.create_async(asked, KEY)
            assert struck.value.http_status == 500
        assert struck.value.headers["idempotent-replayed"] == "true"
        assert "transfer" not in sim.world.home.shelves
        other = await sdk.v1.transfers.create_async(asked, {"idempotency_key": "k2"})
        assert other.amount == 500

    run(story(*ready()))


def test_a_500_after_the_effect_can_be_lost_instead_of_saved():
    async def story(sim, asked):
        sdk = client(sim)
        sim.faults.add(path="/v1/transfers", when="after", effect="500", saved=False)
        with pytest.raises(stripe.APIError):
            await sdk.v1.transfers.create_async(asked, KEY)
        [done] = sim.world.home.shelf("transfer")
        assert (await sdk.v1.transfers.create_async(asked, KEY)).id == done

    run(story(*ready()))


@pytest.mark.parametrize("effect", ["502", "503"])
def test_a_gateway_answers_with_a_page(effect):
    async def story(sim, asked):
        sim.faults.add(path="/v1/transfers", when="after", effect=effect)
        with pytest.raises(stripe.APIError) as struck:
            await client(sim).v1.transfers.create_async(asked, KEY)
        assert struck.value.http_status == int(effect)
        assert len(sim.world.home.shelf("transfer")) == 1

    run(story(*ready()))


def test_a_delay_takes_virtual_time_and_changes_nothing_else():
    async def story(sim, asked):
        sdk = client(sim)
        start = sim.clock.now()
        sim.faults.add(path="/v1/transfers", effect="delay", seconds=30)
        made = await sdk.v1.transfers.create_async(asked)
        assert made.created == sim.clock.now() == start + 30
        sim.faults.add(path="/v1/transfers", when="after", effect="delay", seconds=30)
        made = await sdk.v1.transfers.create_async(asked)
        assert made.created + 30 == sim.clock.now()

    run(story(*ready()))


def test_while_one_request_stalls_its_key_is_in_use_and_others_are_served():
    async def story(sim, asked):
        sdk = client(sim)
        sim.faults.add(method="POST", path="/v1/transfers", effect="delay", real_seconds=0.5)
        slow = asyncio.create_task(sdk.v1.transfers.create_async(asked, KEY))
        await asyncio.sleep(0.01)
        assert (await sdk.v1.balance.retrieve_async()).livemode is False
        with pytest.raises(stripe.APIError) as refused:
            await sdk.v1.transfers.create_async(asked, KEY)
        assert refused.value.error.code == "idempotency_key_in_use"
        assert (await slow).amount == 500

    run(story(*ready()))


def test_an_answer_can_drip():
    async def story(sim, asked):
        sim.faults.add(path="/v1/balance", effect="drip", real_seconds=0.02)
        assert (await client(sim).v1.balance.retrieve_async()).object == "balance"

    run(story(*ready()))


def test_faults_are_picked_by_operation_listed_and_taken_back():
    async def story(sim, asked):
        sdk = client(sim)
        made = await sdk.v1.transfers.create_async(asked)
        sim.faults.add(operation="POST /v1/transfers/{id}/reversals", effect="500", times=None)
        await sdk.v1.transfers.update_async(made.id, {"description": "x"})
        with pytest.raises(stripe.APIError):
            await sdk.v1.transfers.reversals.create_async(made.id)
        [planned] = sim.faults.list()
        assert (planned["struck"], planned["times"]) == (1, None)
        sim.faults.remove(planned["id"])
        await sdk.v1.transfers.reversals.create_async(made.id)
        with pytest.raises(ValueError, match="no such fault"):
            sim.faults.remove(planned["id"])

    run(story(*ready()))


def test_faults_survive_in_a_stored_state():
    sim, _ = ready()
    sim.faults.add(path="/v1/balance", effect="500", times=2)
    other = Simulator()
    other.load(sim.dump())
    assert other.faults.list() == sim.faults.list()

    async def story():
        sdk = client(other)
        for _ in range(2):
            with pytest.raises(stripe.APIError):
                await sdk.v1.balance.retrieve_async()
        await sdk.v1.balance.retrieve_async()

    run(story())
