"""Events that Stripe could not make: it says so, and the object it names is read."""

from __future__ import annotations

import msgspec

from jobs import watch_delivery
from tests.harness import BASE, SECRET, Service, ask_stripe, run, service

OTHER_SECRET = "whsec_thin_0123456789"


async def _changed_in_silence(it: Service) -> tuple[str, str]:
    """A charge of which Stripe could not make the update event; the charge and that event."""
    charge = it.simulator.acts.pay(2000, "usd")["latest_charge"]
    await it.listen()
    it.simulator.clock.advance(100)
    await ask_stripe(it, f"/v1/charges/{charge}", **{"metadata[merchant_id]": "bakery"})
    *_, event = [
        event["id"]
        for event in it.simulator.world.home.shelf("event").values()
        if event["type"] == "charge.updated" and event["data"]["object"]["id"] == charge
    ]
    it.simulator.acts.fail_event_generation(event)
    return charge, event


async def _merchant_of(it: Service, charge: str) -> str:
    [record] = await it.query("SELECT detail FROM objects WHERE id = :id", id=charge)
    return str(msgspec.json.decode(record["detail"])["merchant"])


def test_what_stripe_could_not_tell_is_read_when_it_says_so(database_url: str) -> None:
    """Its notice comes to an endpoint with a secret of its own."""

    async def story() -> None:
        secrets = {"STRIPE_WEBHOOK_SECRET": f"{SECRET},{OTHER_SECRET}"}
        async with service(database_url, **secrets) as it:
            it.simulator.webhooks.register(f"{BASE}/webhooks/stripe", OTHER_SECRET, payload="thin")
            charge, event = await _changed_in_silence(it)
            assert await _merchant_of(it, charge) == ""
            await it.listen()
            await it.settle()
            [failure] = (await it.get("/v1/delivery")).json()["generation_failures"]
            assert (failure["event_type"], failure["object_id"]) == ("charge.updated", charge)
            assert await _merchant_of(it, charge) == "bakery"
            assert not await it.query("SELECT * FROM fetches")
            await it.sweep()
            assert not await it.query("SELECT 1 AS held FROM inbox WHERE event_id = :id", id=event)

    run(story)


def test_a_notice_that_no_webhook_brings_is_found_in_stripes_list(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            charge, _ = await _changed_in_silence(it)
            assert "1 events that were never made" in await watch_delivery.run(it.context)
            await it.settle()
            assert await _merchant_of(it, charge) == "bakery"
            assert "0 events that were never made" in await watch_delivery.run(it.context)

    run(story)


def test_the_event_of_a_connected_account_is_read_in_that_account(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            account = await it.merchant("bakery")
            await it.listen()
            it.simulator.clock.advance(100)
            await ask_stripe(it, f"/v1/accounts/{account}", **{"metadata[a]": "x"})
            book = it.simulator.world.books[account]
            *_, event = [e["id"] for e in book.shelf("event").values()]
            it.simulator.acts.fail_event_generation(event)
            await watch_delivery.run(it.context)
            await it.settle()
            [failure] = await it.query("SELECT * FROM generation_failures")
            assert (failure["stripe_account"], failure["object_id"]) == (account, account)
            [record] = await it.query("SELECT origin FROM objects WHERE id = :id", id=account)
            assert record["origin"] == "fetched"

    run(story)


def test_a_notice_that_cannot_be_read_is_kept_and_tried_again(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await _changed_in_silence(it)
            await watch_delivery.run(it.context)
            it.simulator.faults.add(path="/v2/core/events/*", effect="reset", times=None)
            await it.settle()
            [waiting] = await it.query("SELECT * FROM fetches")
            assert (waiting["reason"], waiting["attempts"]) == ("event_generation_failure", 1)
            it.simulator.faults.clear()
            it.simulator.clock.advance(60)
            await it.settle()
            assert await it.query("SELECT * FROM generation_failures")

    run(story)
