"""Retries, rolled secrets, drills, versions: webhooks under strain."""

import json

import pytest
import stripe

from reconciler.simulator import Settings, Simulator

from .inbox import SECRET, Inbox, deliver, ready
from .sdk import client, run

DAY = 86_400


def test_an_old_secret_signs_for_a_day_after_it_was_rolled():
    sim, endpoint = ready()
    new = sim.webhooks.roll_secret(endpoint, seconds=DAY)
    assert new.startswith("whsec_")

    def signatures():
        sim.acts.topup(1_000, "usd")
        inbox = Inbox()
        deliver(sim, inbox)
        _, headers, body = inbox.letters[0]
        assert stripe.WebhookSignature.verify_header(body, headers["Stripe-Signature"], new)
        return headers["Stripe-Signature"].count("v1=")

    assert signatures() == 2
    sim.clock.advance(DAY - 1)
    assert signatures() == 2
    sim.clock.advance(1)
    assert signatures() == 1


def test_a_retry_is_signed_afresh():
    sim, _ = ready(enabled_events=["topup.succeeded"])
    sim.acts.topup(1_000, "usd")
    inbox = Inbox(500)
    deliver(sim, inbox)
    sim.clock.advance(60)
    deliver(sim, inbox)
    first, second = (headers["Stripe-Signature"] for _, headers, _ in inbox.letters)
    assert int(second[2:12]) == int(first[2:12]) + 60
    assert first.split("v1=")[1] != second.split("v1=")[1]


def test_an_endpoint_disabled_at_the_time_of_a_retry_loses_it_and_one_enabled_again_does_not():
    for disabled_at_retry in (True, False):
        sim, endpoint = ready(enabled_events=["topup.succeeded"])
        sim.acts.topup(1_000, "usd")
        deliver(sim, Inbox(500))
        sim.webhooks.disable(endpoint)
        if not disabled_at_retry:
            sim.webhooks.enable(endpoint)
        sim.clock.advance(60)
        inbox = Inbox()
        deliver(sim, inbox)
        sim.webhooks.enable(endpoint)
        sim.clock.advance(DAY)
        deliver(sim, inbox)
        assert len(inbox.letters) == (0 if disabled_at_retry else 1)
        assert sim.webhooks.pending() == 0


def test_a_sandbox_tries_three_times_more_within_hours():
    sim = Simulator(settings=Settings(webhook_retries="sandbox"))
    sim.webhooks.register("https://shop.test/hook", SECRET, enabled_events=["topup.succeeded"])
    sim.acts.topup(1_000, "usd")
    start, inbox = sim.clock.now(), Inbox(*[500] * 50)
    for _ in range(DAY // 60):
        deliver(sim, inbox)
        sim.clock.advance(60)
    assert len(inbox.letters) == 4
    last = int(inbox.letters[-1][1]["Stripe-Signature"][2:12])
    assert 3_600 < last - start < 6 * 3_600


def test_an_endpoint_that_fails_for_days_is_disabled_where_that_is_asked_for():
    sim = Simulator(settings=Settings(webhook_disable_days=2))
    endpoint = sim.webhooks.register("https://shop.test/hook", SECRET)
    for _ in range(4):
        sim.acts.topup(1_000, "usd")
        deliver(sim, Inbox(*[500] * 9))
        sim.clock.advance(DAY)
    assert sim.world.find(endpoint)[1]["status"] == "disabled"


def test_sending_again_by_hand_does_not_stop_the_automatic_retries():
    sim, endpoint = ready(enabled_events=["topup.succeeded"])
    sim.acts.topup(1_000, "usd")
    deliver(sim, Inbox(500))
    [event] = [e["id"] for e in sim.world.home.shelf("event").values() if "succ" in e["type"]]
    sim.webhooks.resend(event, endpoint)
    inbox = Inbox()
    assert deliver(sim, inbox)["delivered"] == 1
    sim.clock.advance(60)
    assert deliver(sim, inbox)["delivered"] == 1
    attempts = sim.webhooks.attempts(event)
    assert [(each["status"], each["automatic"]) for each in attempts] == [
        (200, True),
        (200, False),
        (500, True),
    ]


def test_drills_spoil_the_first_attempt_only():
    def letter(spoil, **given):
        sim, _ = ready(enabled_events=["topup.succeeded"])
        getattr(sim.webhooks, spoil)("topup.*", **given)
        sim.acts.topup(1_000, "usd")
        inbox = Inbox(400)
        deliver(sim, inbox)
        sim.clock.advance(60)
        deliver(sim, inbox)
        good = inbox.letters[1]
        assert stripe.WebhookSignature.verify_header(good[2], good[1]["Stripe-Signature"], SECRET)
        return inbox.letters[0], good, sim

    bad, good, _ = letter("bad_signature")
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.WebhookSignature.verify_header(bad[2], bad[1]["Stripe-Signature"], SECRET)
    old, good, sim = letter("wrong_timestamp", seconds=-400)
    assert f"t={sim.clock.now() - 460}," in old[1]["Stripe-Signature"]
    torn, good, _ = letter("truncate")
    assert 0 < len(torn[2]) < len(good[2])
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.WebhookSignature.verify_header(torn[2], torn[1]["Stripe-Signature"], SECRET)


def test_a_drill_may_strike_a_few_times_or_by_luck_and_can_be_taken_back():
    sim, _ = ready(enabled_events=["topup.succeeded"])
    sim.webhooks.drop("topup.succeeded", times=2)
    for _ in range(5):
        sim.acts.topup(1_000, "usd")
    assert deliver(sim, Inbox())["dropped"] == 2
    sim.webhooks.drop("*", probability=0.5)
    for _ in range(40):
        sim.acts.topup(1_000, "usd")
    assert 5 < deliver(sim, Inbox())["dropped"] < 35
    spent, lucky = sim.webhooks.rules()
    assert (spent["acted"], spent["times"]) == (2, 0)
    sim.webhooks.remove(lucky["id"])
    sim.acts.topup(1_000, "usd")
    assert deliver(sim, Inbox())["dropped"] == 0


def test_the_queue_and_the_drills_survive_in_a_stored_state():
    sim, _ = ready(enabled_events=["topup.succeeded"])
    sim.webhooks.duplicate("*")
    sim.acts.topup(1_000, "usd")
    deliver(sim, Inbox(500, 500))
    other = Simulator()
    other.load(sim.dump())
    assert other.webhooks.queue == sim.webhooks.queue
    other.clock.advance(60)
    other.acts.topup(1_000, "usd")
    assert deliver(other, Inbox())["delivered"] == 4
    sim.webhooks.drop(lambda event: True)
    with pytest.raises(ValueError, match="cannot be stored"):
        sim.dump()


def test_what_is_under_way_when_the_state_is_stored_is_not_lost():
    sim, _ = ready(enabled_events=["topup.succeeded"])
    sim.acts.topup(1_000, "usd")
    stored = []

    async def receiver(url, headers, body):
        stored.append(sim.dump())
        return 200

    run(sim.webhooks.deliver(receiver))
    other = Simulator()
    other.load(stored[0])
    assert other.webhooks.pending() == 1


def test_an_endpoint_is_shown_events_in_its_own_version_as_they_were():
    sim, _ = ready(enabled_events=["payment_intent.succeeded"], api_version="2020-08-27")
    sim.webhooks.register("https://shop.test/new", SECRET, api_version="2026-10-28.endive")
    sim.acts.refund(sim.acts.pay(1_000, "usd")["id"])
    inbox = Inbox()
    deliver(sim, inbox)
    bodies = {url[-4:]: json.loads(body) for url, _, body in inbox.letters if b"pay" in body}
    old, new = bodies["hook"], [json.loads(b) for u, _, b in inbox.letters if u.endswith("new")]
    assert old["api_version"] == "2020-08-27"
    assert old["data"]["object"]["charges"]["data"][0]["amount_refunded"] == 0
    assert all("charges" not in event["data"]["object"] for event in new)


def test_an_events_data_does_not_change_with_the_version_that_asks():
    async def story(sim):
        sim.acts.pay(1_000, "usd")
        old = client(sim, stripe_version="2020-08-27")
        found = await old.v1.events.list_async({"type": "payment_intent.succeeded"})
        assert "charges" not in found.data[0].data.object
        read = await old.v1.events.retrieve_async(found.data[0].id)
        assert "charges" not in read.data.object

    run(story(Simulator()))
    sim = Simulator(api_version="2020-08-27")
    sim.acts.pay(1_000, "usd")
    events = sim.world.home.shelf("event").values()
    [paid] = [each for each in events if each["type"] == "payment_intent.succeeded"]
    assert "charges" in paid["data"]["object"]
