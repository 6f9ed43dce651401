"""Events: what happened, and for how long it can be asked for."""

import pytest
import stripe

from reconciler.simulator import Simulator

from .sdk import client, run

DAY = 86_400


def test_an_event_shows_the_past_and_the_object_the_present():
    async def story(sim):
        sdk = client(sim)
        paid = sim.acts.pay(1_000, "usd")
        sim.acts.refund(paid["id"])
        found = await sdk.v1.events.list_async({"type": "charge.succeeded"})
        event = await sdk.v1.events.retrieve_async(found.data[0].id)
        assert event.data.object.amount_refunded == 0
        assert event.api_version == "2026-10-28.endive"
        present = await sdk.v1.charges.retrieve_async(event.data.object.id)
        assert present.amount_refunded == 1_000

    run(story(Simulator()))


def test_events_are_listed_by_type_and_walked_upwards_from_a_cursor():
    async def story(sim):
        sdk = client(sim)
        cursor = None
        for n in range(12):
            sim.acts.pay(1_000 + n, "usd")
            cursor = cursor or next(iter(sim.world.home.shelf("event")))
        some = await sdk.v1.events.list_async({"types": ["charge.*", "nothing"], "limit": 100})
        assert {event.type for event in some.data} == {"charge.succeeded"}
        page = await sdk.v1.events.list_async({"ending_before": cursor, "limit": 10})
        walked = [event.id async for event in page.auto_paging_iter()]
        assert walked == list(sim.world.home.shelf("event"))[1:]

    run(story(Simulator()))


def test_events_are_kept_for_thirty_days():
    async def story(sim):
        sdk = client(sim)
        sim.acts.pay(1_000, "usd")
        oldest = next(iter(sim.world.home.shelf("event")))
        sim.clock.advance(30 * DAY + 1)
        assert (await sdk.v1.events.list_async({"type": "charge.*"})).data == []
        with pytest.raises(stripe.InvalidRequestError):
            await sdk.v1.events.retrieve_async(oldest)

    run(story(Simulator()))


def test_a_thin_event_can_be_fetched():
    async def story(sim):
        sdk = client(sim)
        refund = sim.acts.refund(sim.acts.pay(1_000, "usd")["id"])
        note = sim.acts.notify_thin(refund["id"])
        event = await sdk.v2.core.events.retrieve_async(note["id"])
        assert (event.type, event.related_object.id) == ("v1.refund.updated", refund["id"])
        assert event.related_object.url == f"/v1/refunds/{refund['id']}"
        assert event.created == "2026-09-21T14:13:20.000Z"

    run(story(Simulator()))


def test_a_connected_accounts_events_are_listed_in_its_name():
    async def story(sim):
        sdk = client(sim)
        merchant = sim.acts.connect_account()
        theirs = await sdk.v1.events.list_async({}, {"stripe_account": merchant})
        assert {event.account for event in theirs.data} == {merchant}
        assert (await sdk.v1.events.list_async()).data == []

    run(story(Simulator()))


def test_the_list_of_events_refuses_what_makes_no_sense():
    async def story(sim):
        sdk = client(sim)
        for wrong in (
            {"type": "charge.*", "types": ["payout.paid"]},
            {"types": [f"a.{n}" for n in range(21)]},
            {"delivery_success": "perhaps"},
            {"ending_before": "evt_nothing"},
        ):
            with pytest.raises(stripe.InvalidRequestError):
                await sdk.v1.events.list_async(wrong)

    run(story(Simulator()))


def test_events_tell_who_caused_them_and_what_was_there_before():
    async def story(sim):
        sdk = client(sim)
        made = await sdk.v1.customers.create_async({"name": "Ann"}, {"idempotency_key": "k"})
        [event] = (await sdk.v1.events.list_async({"type": "customer.created"})).data
        assert event.request.id == made.last_response.request_id
        assert event.request.idempotency_key == "k"
        await sdk.v1.customers.update_async(made.id, {"name": "Bea"})
        [event] = (await sdk.v1.events.list_async({"type": "customer.updated"})).data
        assert event.data.previous_attributes.name == "Ann"
        assert event.data.object.name == "Bea"
        sim.acts.topup(1_000, "usd")
        [event] = (await sdk.v1.events.list_async({"type": "topup.succeeded"})).data
        assert (event.request.id, event.request.idempotency_key) == (None, None)

    run(story(Simulator()))


def test_events_are_filtered_by_time_and_by_delivery():
    async def story(sim):
        sdk = client(sim)
        sim.webhooks.register("https://a.test", "whsec_a", enabled_events=["topup.succeeded"])
        start = sim.clock.now()
        for _ in range(3):
            sim.acts.topup(1_000, "usd")
            sim.clock.advance(10)
        window = {"created": {"gte": start + 10, "lt": start + 20}, "types": ["topup.*"]}
        assert {e.created for e in (await sdk.v1.events.list_async(window)).data} == {start + 10}
        waiting = await sdk.v1.events.list_async({"delivery_success": False})
        assert [(e.type, e.pending_webhooks) for e in waiting.data] == [("topup.succeeded", 1)] * 3

    run(story(Simulator()))
