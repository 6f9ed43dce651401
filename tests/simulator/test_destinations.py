"""Thin events and the destinations that ask for them."""

import json

import pytest
import stripe

from reconciler.simulator import Simulator

from .sdk import client, inside, run

ASKED = {
    "name": "Thin ones",
    "type": "webhook_endpoint",
    "event_payload": "thin",
    "enabled_events": ["v1.refund.created", "v1.charge.refunded"],
    "webhook_endpoint": {"url": "https://thin.test/hook"},
}
BOTH = ["webhook_endpoint.signing_secret", "webhook_endpoint.url"]


async def delivered(sim):
    letters = []

    async def receive(url, headers, body):
        letters.append((url, headers["Stripe-Signature"], body))
        return 200

    await sim.webhooks.deliver(receive)
    return letters


def test_a_thin_destination_hears_of_what_happens():
    async def story(sim):
        sdk = client(sim)
        made = await sdk.v2.core.event_destinations.create_async({**ASKED, "include": BOTH})
        secret = made.webhook_endpoint.signing_secret
        paid = sim.acts.pay(1_000, "usd")
        refund = await sdk.v1.refunds.create_async({"payment_intent": paid["id"]})
        letters = await delivered(sim)
        assert {url for url, _, _ in letters} == {"https://thin.test/hook"}
        notes = [
            sdk.parse_event_notification(body, signature, secret, tolerance=10**9)
            for _, signature, body in letters
        ]
        assert {note.type for note in notes} == {"v1.refund.created", "v1.charge.refunded"}
        [about] = [note for note in notes if note.type == "v1.refund.created"]
        assert about.related_object.id == refund.id
        assert about.related_object.url == f"/v1/refunds/{refund.id}"
        assert about.reason.request.id == refund.last_response.request_id
        assert "changes" not in json.loads(letters[0][2])
        assert (await about.fetch_related_object_async()).id == refund.id
        full = await about.fetch_event_async()
        twin = await sdk.v1.events.retrieve_async(full.snapshot_event)
        assert (twin.type, twin.data.object.id) == ("refund.created", refund.id)
        [before] = [note for note in notes if note.type == "v1.charge.refunded"]
        changes = (await before.fetch_event_async()).changes
        assert (changes.before.refunded, changes.after.refunded) == (False, True)

    run(story(Simulator()))


def test_nothing_thin_is_made_for_nobody():
    sim = Simulator()
    sim.webhooks.register("https://thin.test", "whsec_t", payload="thin")
    sim.acts.pay(1_000, "usd")
    assert not sim.world.home.shelves.get("v2.core.event")


def test_secret_and_address_are_shown_only_where_asked_for_and_the_secret_once():
    async def story(sim):
        destinations = client(sim).v2.core.event_destinations
        shy = await destinations.create_async(ASKED)
        assert (shy.webhook_endpoint.signing_secret, shy.webhook_endpoint.url) == (None, None)
        made = await destinations.create_async({**ASKED, "include": BOTH})
        assert made.webhook_endpoint.signing_secret.startswith("whsec_")
        again = await destinations.retrieve_async(made.id, {"include": ["webhook_endpoint.url"]})
        assert again.webhook_endpoint.signing_secret is None
        assert again.webhook_endpoint.url == "https://thin.test/hook"

    run(story(Simulator()))


def test_a_destination_lives():
    async def story(sim):
        destinations = client(sim).v2.core.event_destinations
        made = await destinations.create_async({**ASKED, "metadata": {"a": "1"}})
        sim.clock.advance(60)
        changed = await destinations.update_async(
            made.id,
            {
                "name": "Other",
                "enabled_events": ["*"],
                "metadata": {"a": None, "b": "2"},
                "webhook_endpoint": {"url": "http://other.test"},
            },
        )
        assert (changed.name, changed.metadata.to_dict()) == ("Other", {"b": "2"})
        assert changed.updated > made.updated == made.created
        off = await destinations.disable_async(made.id)
        assert (off.status, off.status_details.disabled.reason) == ("disabled", "user")
        sim.acts.topup(1_000, "usd")
        assert await delivered(sim) == []
        assert (await destinations.enable_async(made.id)).status == "enabled"
        note = await destinations.ping_async(made.id)
        assert note.type == "v2.core.event_destination.ping"
        [(url, _, body)] = await delivered(sim)
        assert (url, json.loads(body)["id"]) == ("http://other.test", note.id)
        assert (await destinations.delete_async(made.id)).id == made.id
        with pytest.raises(stripe.InvalidRequestError):
            await destinations.retrieve_async(made.id)

    run(story(Simulator()))


def test_a_destination_can_take_snapshots_of_connected_accounts():
    async def story(sim):
        asked = {
            **ASKED,
            "event_payload": "snapshot",
            "snapshot_api_version": "2020-08-27",
            "events_from": ["@accounts"],
            "enabled_events": ["*"],
        }
        await client(sim).v2.core.event_destinations.create_async(asked)
        sim.acts.topup(1_000, "usd")
        merchant = sim.acts.connect_account()
        events = [json.loads(body) for _, _, body in await delivered(sim)]
        assert {event["account"] for event in events} == {merchant}
        assert {event["api_version"] for event in events} == {"2020-08-27"}

    run(story(Simulator()))


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": None},
        {"event_payload": "fat"},
        {"event_payload": None},
        {"type": "pigeon"},
        {"enabled_events": []},
        {"enabled_events": "*"},
        {"enabled_events": [{"a": 1}]},
        {"webhook_endpoint": {}},
        {"webhook_endpoint": {"url": 5}},
        {"webhook_endpoint": {"url": "nowhere"}},
        {"events_from": ["@mars"]},
        {"snapshot_api_version": "2026-08-26.dahlia"},
        {"colour": "red"},
    ],
)
def test_what_cannot_be_a_destination_is_refused(wrong):
    sim = Simulator()
    headers = {"Authorization": f"Bearer {sim.secret_key}"}
    asked = {**ASKED, **wrong}
    answer = run(inside(sim, "POST", "/v2/core/event_destinations", json=asked, headers=headers))
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_thin_events_are_listed_page_by_page():
    async def story(sim):
        sdk = client(sim)
        asked = {**ASKED, "enabled_events": ["*"]}
        await sdk.v2.core.event_destinations.create_async(asked)
        for n in range(5):
            sim.acts.topup(1_000 + n, "usd")
            sim.clock.advance(60)
        found = await sdk.v2.core.events.list_async({"limit": 2, "types": ["v1.topup.succeeded"]})
        assert len(found.data) == 2
        walked = [event async for event in found.auto_paging_iter()]
        assert len({event.id for event in walked}) == 5
        assert [event.created for event in walked] == sorted(
            (event.created for event in walked), reverse=True
        )
        newest = walked[0]
        about = await sdk.v2.core.events.list_async({"object_id": newest.related_object.id})
        assert newest.id in {event.id for event in about.data}
        later = await sdk.v2.core.events.list_async({"created": {"gte": newest.created}})
        assert {event.created for event in later.data} == {newest.created}
        for wrong in ({"created": {"gte": "x"}}, {"limit": 0}, {"created": {"at": "x"}}):
            with pytest.raises(stripe.InvalidRequestError):
                await sdk.v2.core.events.list_async(wrong)
        sim.clock.advance(31 * 86_400)
        assert (await sdk.v2.core.events.list_async()).data == []
        with pytest.raises(stripe.InvalidRequestError):
            await sdk.v2.core.events.retrieve_async(newest.id)

    run(story(Simulator()))
