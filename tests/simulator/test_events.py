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
