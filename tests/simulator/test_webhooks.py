"""Webhooks on their way to the platform, and on the way to being lost."""

import json
from itertools import pairwise

import pytest
import stripe

from reconciler.simulator import Simulator

from .inbox import SECRET, Inbox, deliver, ready
from .sdk import client, run

DAY = 86_400


def test_deliveries_are_signed_as_stripe_signs():
    sim, _ = ready()
    sim.acts.pay(1_000, "usd")
    inbox = Inbox()
    assert deliver(sim, inbox)["delivered"] == 3
    for url, headers, body in inbox.letters:
        assert url == "https://shop.test/hook"
        assert stripe.WebhookSignature.verify_header(body, headers["Stripe-Signature"], SECRET)
        assert f"t={sim.clock.now()}," in headers["Stripe-Signature"]
    event = client(sim).construct_event(body, headers["Stripe-Signature"], SECRET, tolerance=10**9)
    assert (event.type, event.pending_webhooks) == ("payment_intent.succeeded", 1)
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.WebhookSignature.verify_header(body, headers["Stripe-Signature"], "whsec_other")


def test_both_secrets_sign_while_one_is_rolled():
    sim, endpoint = ready()
    sim.webhooks.roll_secret(endpoint, "whsec_new")
    sim.acts.topup(1_000, "usd")
    inbox = Inbox()
    deliver(sim, inbox)
    _, headers, body = inbox.letters[0]
    for secret in (SECRET, "whsec_new"):
        assert stripe.WebhookSignature.verify_header(body, headers["Stripe-Signature"], secret)
    sim.webhooks.retire_secrets(endpoint)
    sim.acts.topup(1_000, "usd")
    deliver(sim, inbox)
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.WebhookSignature.verify_header(
            inbox.letters[-1][2], inbox.letters[-1][1]["Stripe-Signature"], SECRET
        )


def test_an_endpoint_gets_the_types_and_the_scope_it_asked_for():
    sim, _ = ready(enabled_events=["charge.*"])
    sim.webhooks.register("https://shop.test/connect", "whsec_connect", connect=True)
    sim.acts.pay(1_000, "usd")
    merchant = sim.acts.connect_account()
    inbox = Inbox()
    deliver(sim, inbox)
    seen = [(url.rsplit("/", 1)[1], json.loads(body)) for url, _, body in inbox.letters]
    assert [event["type"] for where, event in seen if where == "hook"] == ["charge.succeeded"]
    theirs = [event["type"] for where, event in seen if where == "connect"]
    assert {"account.updated", "capability.updated"} <= set(theirs)
    assert seen[1][1]["account"] == merchant
    assert "account" not in seen[0][1]


def test_failing_deliveries_come_again_with_growing_pauses_for_three_days():
    sim, _ = ready()
    sim.acts.topup(1_000, "usd")
    sim.webhooks.drop("topup.created")
    start, tried = sim.clock.now(), []
    while sim.clock.now() < start + 4 * DAY:
        if deliver(sim, Inbox(500))["failed"]:
            tried.append(sim.clock.now() - start)
        sim.clock.advance(60)
    assert sim.webhooks.pending() == 0
    pauses = [later - sooner for sooner, later in pairwise(tried)]
    assert pauses == sorted(pauses)
    assert 8 <= len(tried) <= 16
    assert tried[-1] <= 3 * DAY


def test_a_receiver_out_of_reach_is_a_failure_and_success_ends_the_retries():
    sim, _ = ready(enabled_events=["topup.succeeded"])
    sim.acts.topup(1_000, "usd")
    inbox = Inbox(ConnectionRefusedError(), 302, 200)

    async def undelivered():
        sdk = client(sim)
        found = await sdk.v1.events.list_async({"delivery_success": False})
        return [(event.type, event.pending_webhooks) for event in found.data]

    assert deliver(sim, inbox)["failed"] == 1
    sim.clock.advance(60)
    assert deliver(sim, inbox)["failed"] == 1
    assert run(undelivered()) == [("topup.succeeded", 1)]
    sim.clock.advance(240)
    assert deliver(sim, inbox)["delivered"] == 1
    assert run(undelivered()) == []
    assert sim.webhooks.pending() == 0


def test_a_dropped_event_is_lost_but_can_be_listed_and_resent():
    sim, _ = ready()
    sim.webhooks.drop("payment_intent.succeeded")
    sim.acts.pay(1_000, "usd")
    inbox = Inbox()
    assert deliver(sim, inbox) == {
        "delivered": 2,
        "failed": 0,
        "dropped": 1,
        "delayed": 0,
        "duplicated": 0,
    }
    sim.clock.advance(4 * DAY)
    deliver(sim, inbox)
    assert "payment_intent.succeeded" not in inbox.types

    async def lost():
        sdk = client(sim)
        page = await sdk.v1.events.list_async({"delivery_success": False, "limit": 100})
        return [event.id for event in page.data]

    [missing] = run(lost())
    sim.webhooks.resend(missing)
    deliver(sim, inbox)
    assert inbox.types[-1] == "payment_intent.succeeded"
    assert run(lost()) == []


def test_events_are_duplicated_delayed_and_picked_by_object_or_predicate():
    sim, _ = ready()
    paid = sim.acts.pay(1_000, "usd")
    sim.webhooks.duplicate(paid["latest_charge"], times=2)
    sim.webhooks.delay(lambda event: event["type"] == "payment_intent.succeeded", seconds=300)
    inbox = Inbox()
    counts = deliver(sim, inbox)
    assert (counts["delivered"], counts["duplicated"], counts["delayed"]) == (4, 2, 1)
    assert sorted(inbox.types) == ["charge.succeeded"] * 3 + ["payment_intent.created"]
    sim.clock.advance(299)
    assert deliver(sim, inbox)["delivered"] == 0
    sim.clock.advance(1)
    assert deliver(sim, inbox)["delivered"] == 1


def test_deliveries_are_reordered_the_same_way_for_the_same_seed():
    def order(seed):
        sim, _ = ready()
        sim.webhooks.reorder(seed)
        for n in range(8):
            sim.acts.topup(1_000 + n, "usd")
        inbox = Inbox()
        deliver(sim, inbox)
        return [json.loads(body)["id"] for _, _, body in inbox.letters]

    straight, shuffled = order(None), order(7)
    assert straight != shuffled == order(7)
    assert sorted(straight) == sorted(shuffled)


def test_what_a_receiver_causes_is_delivered_in_the_same_round():
    sim, _ = ready(enabled_events=["topup.succeeded", "refund.created"])
    paid = sim.acts.pay(1_000, "usd")
    sim.acts.topup(1_000, "usd")
    inbox = Inbox()

    async def receiver(url, headers, body):
        if json.loads(body)["type"] == "topup.succeeded":
            sim.acts.refund(paid["id"])
        return await inbox(url, headers, body)

    run(sim.webhooks.deliver(receiver))
    assert inbox.types == ["topup.succeeded", "refund.created"]


def test_thin_endpoints_get_thin_notifications_only():
    sim, _ = ready()
    sim.webhooks.register("https://shop.test/thin", "whsec_thin", payload="thin")
    refund = sim.acts.refund(sim.acts.pay(1_000, "usd")["id"])
    sim.acts.notify_thin(refund["id"])
    inbox = Inbox()
    deliver(sim, inbox)
    [(_, headers, body)] = [letter for letter in inbox.letters if letter[0].endswith("thin")]
    note = client(sim).parse_event_notification(
        body, headers["Stripe-Signature"], "whsec_thin", tolerance=10**9
    )
    assert (note.type, note.related_object.id) == ("v1.refund.updated", refund["id"])


def test_endpoints_are_managed_over_the_api():
    async def story(sim):
        sdk = client(sim)
        made = await sdk.v1.webhook_endpoints.create_async(
            {
                "url": "https://a.test",
                "enabled_events": ["charge.succeeded"],
                "api_version": "2025-03-31.basil",
            }
        )
        assert made.secret.startswith("whsec_")
        read = await sdk.v1.webhook_endpoints.retrieve_async(made.id)
        assert "secret" not in read
        sim.acts.pay(1_000, "usd")
        inbox = Inbox()
        await sim.webhooks.deliver(inbox)
        assert json.loads(inbox.letters[0][2])["api_version"] == "2025-03-31.basil"
        await sdk.v1.webhook_endpoints.update_async(made.id, {"disabled": True})
        sim.acts.pay(1_000, "usd")
        assert sim.webhooks.pending() == 0
        assert (await sdk.v1.webhook_endpoints.delete_async(made.id)).deleted
        assert (await sdk.v1.webhook_endpoints.list_async()).data == []

    run(story(Simulator()))
