"""Payment systems through the front door: what is shown of keys, rights, webhooks and traffic."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from reconciler.domain import subscriptions
from reconciler.gateway.breaker import FIRST_PAUSE_SECONDS, IN_A_ROW
from reconciler.gateway.inspection import KEPT_SECONDS
from reconciler.simulator import Settings, Simulator
from tests.harness import ADMIN_KEY, BASE, CONNECT_SECRET, SECRET, Hourglass, Service, run, service

PUBLISHABLE = "pk_test_PublishedToEveryone0123456789"


async def shown(it: Service) -> dict[str, Any]:
    answer = await it.get("/v1/payment-systems")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["has_more"] is False
    [system] = body["data"]
    return dict(system)


async def page(it: Service) -> str:
    answer = await it.http.get("/console/payment-systems", auth=("me", ADMIN_KEY))
    assert answer.status_code == 200, answer.text
    return answer.text


def codes(system: dict[str, Any]) -> set[str]:
    return {problem["code"] for problem in system["problems"]}


def a_simulator(*, types: dict[str, list[str]] | None = None, **more: Any) -> Simulator:
    """A Stripe whose two endpoints are set up as this service wants them, or with these types."""
    stripe = Simulator(seed=3, **more)
    for channel, secret in (("platform", SECRET), ("connect", CONNECT_SECRET)):
        path = "/webhooks/stripe" + ("/connect" if channel == "connect" else "")
        enabled = (types or {}).get(channel) or sorted(subscriptions.NEEDED[channel])
        stripe.webhooks.register(
            BASE + path,
            secret,
            connect=channel == "connect",
            enabled_events=enabled,
            api_version="2026-10-28.endive",
        )
    return stripe


def test_a_healthy_test_account_is_shown_whole(sqlite_url: str) -> None:
    async def story() -> None:
        stripe = a_simulator()
        async with service(sqlite_url, stripe, STRIPE_PUBLISHABLE_KEY=PUBLISHABLE) as it:
            stripe.acts.pay(5_000, "usd")
            await it.listen()
            system = await shown(it)
            assert system["problems"] == []
            assert system["not_read"] == []
            assert system["keys"] == {
                "secret": "sk_test_…0000",
                "restricted": False,
                "refused": False,
                "publishable": PUBLISHABLE,
                "webhook_secrets": {"platform": ["whsec_…6789"], "connect": ["whsec_…6789"]},
            }
            assert system["mode"] == {"key": "test", "stripe": "test", "agree": True}
            assert system["account"]["id"] == stripe.account
            assert system["account"]["business_name"] == "Simulated platform"
            assert system["account"]["country"] == "US"
            assert system["account"]["default_currency"] == "usd"
            assert system["balance"]["usd"]["pending"] > 0
            assert {row["status"] for row in system["permissions"]} == {"granted"}
            platform = system["webhooks"]["channels"]["platform"]
            assert platform["last_event"]["type"].startswith(("charge.", "payment_intent."))
            assert platform["last_event_age_seconds"] >= 0
            [endpoint] = platform["endpoints"]
            assert endpoint["status"] == "enabled"
            assert endpoint["api_version_agrees"]
            assert system["webhooks"]["channels"]["connect"]["last_event"] is None
            assert system["webhooks"]["pending_deliveries"]["events"] == 0
            assert system["api_versions"]["service"] == "2026-10-28.endive"
            assert system["traffic"]["breaker"]["state"] == "closed"
            assert system["traffic"]["budget"]["requests_per_second"] == 25
            numbers = [card["number"] for card in system["test_mode"]["funding_cards"]]
            assert "4000000000000077" in numbers
            html = await page(it)
            for text in (
                "Stripe is connected and healthy",
                stripe.account,
                PUBLISHABLE,
                "sk_test_…0000",
                "pm_card_bypassPending",
                "is pending at first",
            ):
                assert text in html

    run(story)


def test_what_a_restricted_key_lacks_is_named(sqlite_url: str) -> None:
    async def story() -> None:
        stripe = a_simulator()
        granted = {"balance": "read", "event": "read", "transfer": "write", "webhook": "read"}
        secret = stripe.keys.create("narrow", permissions=granted)["secret"]
        async with service(sqlite_url, stripe, STRIPE_SECRET_KEY=secret) as it:
            system = await shown(it)
            status = {row["name"]: row for row in system["permissions"]}
            assert status["balance"]["status"] == "granted"
            assert status["transfers"]["status"] == "granted"
            assert status["refunds"]["status"] == "missing"
            assert status["refunds"]["missing_permission"] == "rak_charge_read"
            assert system["keys"]["restricted"]
            assert system["account"] is None
            said = [p["sentence"] for p in system["problems"] if p["code"] == "permission_missing"]
            assert any("rak_charge_read" in sentence for sentence in said)
            html = await page(it)
            assert "rak_charge_read" in html
            for text in (html, str(system)):
                assert secret not in text
                assert secret[-6:] not in text  # Stripe's own refusal quotes as much

    run(story)


def test_a_key_that_was_revoked_is_said_to_be(sqlite_url: str) -> None:
    async def story() -> None:
        stripe = a_simulator()
        secret = stripe.keys.create("old")["secret"]
        async with service(sqlite_url, stripe, STRIPE_SECRET_KEY=secret) as it:
            stripe.keys.revoke(secret)
            system = await shown(it)
            assert system["problems"][0]["code"] == "key_refused"
            assert system["mode"]["agree"] is None
            assert "does not know this key" in await page(it)
            assert system["traffic"]["breaker"]["state"] == "closed"  # a no is an answer

    run(story)


def test_each_thing_that_is_wrong_with_a_webhook_endpoint_is_named(sqlite_url: str) -> None:
    async def story() -> None:
        needed = sorted(subscriptions.NEEDED["platform"])
        types = {"platform": [*needed[2:], "coupon.created"], "connect": ["*"]}
        stripe = a_simulator(types=types)
        stripe.webhooks.register(f"{BASE}/webhook", "whsec_elsewhere_0123456789")
        stripe.webhooks.register("https://shop.example/hooks", "whsec_elsewhere_0123456789")
        async with service(sqlite_url, stripe) as it:
            system = await shown(it)
            channels = system["webhooks"]["channels"]
            [ours] = channels["platform"]["endpoints"]
            assert ours["missing_events"] == needed[:2]
            assert ours["superfluous_events"] == ["coupon.created"]
            [all_of_them] = channels["connect"]["endpoints"]
            assert all_of_them["all_events"]
            assert all_of_them["missing_events"] == []
            others = {o["url"]: o for o in system["webhooks"]["other_endpoints"]}
            assert others[f"{BASE}/webhook"]["here_at_another_path"]
            assert not others["https://shop.example/hooks"]["here_at_another_path"]
            assert {"events_missing", "events_superfluous", "all_events"} <= codes(system)
            assert needed[0] in await page(it)

    run(story)


def test_an_endpoint_that_is_disabled_or_of_another_version_is_named(sqlite_url: str) -> None:
    async def story() -> None:
        stripe = Simulator(seed=3)
        stripe.webhooks.register(f"{BASE}/webhooks/stripe/", SECRET, api_version="2024-04-10")
        [endpoint] = stripe.world.home.shelf("webhook_endpoint").values()
        endpoint["status"] = "disabled"
        async with service(sqlite_url, stripe) as it:
            system = await shown(it)
            assert {
                "webhook_endpoint_disabled",
                "api_version_differs",
                "no_webhook_endpoint",  # none for connected accounts
            } <= codes(system)
            assert "is disabled, so Stripe sends it nothing" in await page(it)

    run(story)


def test_without_a_key_the_page_says_what_to_set(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(
            sqlite_url, STRIPE_SECRET_KEY="", STRIPE_API_BASE="https://x.test"
        ) as it:
            system = await shown(it)
            assert "no_secret_key" in codes(system)
            assert system["traffic"] is None
            assert system["mode"]["agree"] is None
            assert "STRIPE_SECRET_KEY is not set" in await page(it)

    run(story)


def test_a_stripe_that_does_not_answer_is_said_so_and_does_not_hold_up_the_page(
    sqlite_url: str,
) -> None:
    async def story() -> None:
        stripe = a_simulator()
        answer, hanging = stripe.app, asyncio.Event()

        async def silent(*exchange: Any) -> None:
            if "balance" in exchange[0]["path"]:
                await hanging.wait()  # for ever
            await answer(*exchange)

        stripe.app = silent  # type: ignore[assignment]
        async with service(sqlite_url, stripe) as it:
            assert it.context.inspector is not None
            found = await it.context.inspector.inspect(it.context.now(), patience=0.2)
            assert not found.complete
            system = await shown(it)
            assert any(
                line.startswith("balance: Stripe did not answer") for line in system["not_read"]
            )
            assert system["mode"]["agree"] is None
            assert "Not everything about Stripe could be read" in await page(it)

    run(story)


def test_stripe_is_asked_once_a_minute_however_many_look(sqlite_url: str) -> None:
    async def story() -> None:
        stripe = a_simulator()
        async with service(sqlite_url, stripe) as it:
            await asyncio.gather(*(shown(it) for _ in range(5)), page(it))
            asked = len(stripe.requests)
            assert asked < 20
            await shown(it)
            assert len(stripe.requests) == asked
            stripe.clock.advance(int(KEPT_SECONDS) + 1)
            await shown(it)
            assert len(stripe.requests) == 2 * asked

    run(story)


@pytest.mark.parametrize("effect", ["reset", "500", "502", "broken_body"])
def test_an_outage_opens_the_breaker_and_an_answer_closes_it(sqlite_url: str, effect: str) -> None:
    async def story() -> None:
        stripe = a_simulator()
        async with service(sqlite_url, stripe) as it:
            assert it.context.stripe is not None
            stripe.faults.add("GET", "*", "before", effect, times=None)
            for _ in range(IN_A_ROW):
                run_ = await it.http.post(
                    "/v1/drift/runs", headers={"Authorization": f"Bearer {ADMIN_KEY}"}
                )
                assert run_.json()["status"] == "incomplete"
            refusal = it.context.stripe.not_now()
            assert refusal is not None
            assert refusal.code == "stripe_unavailable"
            asked = len(stripe.requests)
            struck = stripe.faults.list()[0]["struck"]
            assert (await it.get("/v1/platform/balance")).status_code in (200, 502)
            assert (len(stripe.requests), stripe.faults.list()[0]["struck"]) == (asked, struck)
            system = await shown(it)
            assert system["traffic"]["breaker"]["state"] == "open"
            assert "stripe_unavailable" in codes(system)
            stripe.faults.clear()
            stripe.clock.advance(int(FIRST_PAUSE_SECONDS))
            assert it.context.stripe.not_now() is None
            checked = await it.check()
            assert checked["status"] != "incomplete"
            assert (await shown(it))["traffic"]["breaker"]["state"] == "closed"

    run(story)


@pytest.mark.parametrize(
    ("effect", "slowed"), [("429", True), ("429_lock_timeout", False), ("409_lock_timeout", False)]
)
def test_too_fast_slows_down_and_a_lock_does_not(
    sqlite_url: str, effect: str, slowed: bool
) -> None:
    async def story() -> None:
        stripe = a_simulator()
        async with service(sqlite_url, stripe) as it:
            stripe.faults.add("GET", "/v1/transfers", "before", effect, times=1)
            system = await shown(it)
            budget = system["traffic"]["budget"]
            assert (budget["slowed_to_percent"] < 100) == slowed
            assert ("too_fast" in codes(system)) == slowed
            assert system["traffic"]["breaker"]["state"] == "closed"
            stripe.clock.advance(60)
            assert (await shown(it))["traffic"]["budget"]["slowed_to_percent"] == 100

    run(story)


@pytest.mark.parametrize("plan", ["sandbox", "live"])
def test_the_budget_keeps_within_stripes_own_limits(sqlite_url: str, plan: str) -> None:
    """Two hundred readings at once, on a Stripe that counts and refuses, on one clock."""

    async def story() -> None:
        stripe = a_simulator(settings=Settings(rate_limits=plan))
        more = {"RECONCILER_STRIPE_RATE": 100} if plan == "live" else {}
        glass = Hourglass(lambda: 1_000.0)
        stripe.clock.follow(glass.now)
        async with service(sqlite_url, stripe, glass.pace, **more) as it:
            assert it.context.stripe is not None
            payments = [stripe.acts.pay(1_000, "usd")["id"] for _ in range(20)]
            readings = [
                it.context.stripe.retrieve(id, "platform", it.context.now()) for id in payments * 10
            ]
            began = glass.now()
            await asyncio.gather(*readings)
            took = glass.now() - began
            statuses = [each.status for each in stripe.requests]
            assert set(statuses) == {200}
            assert len(statuses) == 200
            # All of one endpoint: 20 at an even pace after the first five.
            assert 195 / 20 - 1 <= took <= 200 / 20 + 2

    run(story)
