"""Webhook endpoints over the API."""

import json

import pytest
import stripe

from reconciler.simulator import Simulator

from .sdk import client, run

ASKED = {"url": "https://a.test", "enabled_events": ["*"]}


def test_the_secret_is_shown_once():
    async def story(sim):
        sdk = client(sim)
        made = await sdk.v1.webhook_endpoints.create_async(
            {**ASKED, "description": "d", "metadata": {"team": "a"}}
        )
        assert made.secret.startswith("whsec_")
        assert (made.status, made.application, made.api_version) == ("enabled", None, None)
        for seen in (
            await sdk.v1.webhook_endpoints.retrieve_async(made.id),
            (await sdk.v1.webhook_endpoints.list_async()).data[0],
            await sdk.v1.webhook_endpoints.update_async(made.id, {"description": "e"}),
        ):
            assert "secret" not in seen
            assert seen.id == made.id

    run(story(Simulator()))


def test_an_endpoint_is_changed_and_taken_away():
    async def story(sim):
        sdk = client(sim)
        made = await sdk.v1.webhook_endpoints.create_async(
            {**ASKED, "metadata": {"a": "1", "b": "2"}, "description": "d"}
        )
        changed = await sdk.v1.webhook_endpoints.update_async(
            made.id,
            {
                "url": "http://b.test:8080/hook",
                "enabled_events": ["charge.succeeded"],
                "disabled": True,
                "description": "",
                "metadata": {"a": ""},
            },
        )
        assert (changed.url, changed.status) == ("http://b.test:8080/hook", "disabled")
        assert changed.enabled_events == ["charge.succeeded"]
        assert (changed.description, changed.metadata.to_dict()) == (None, {"b": "2"})
        again = await sdk.v1.webhook_endpoints.update_async(made.id, {"disabled": False})
        assert again.status == "enabled"
        cleared = await sdk.v1.webhook_endpoints.update_async(made.id, {"metadata": ""})
        assert cleared.metadata.to_dict() == {}
        assert (await sdk.v1.webhook_endpoints.delete_async(made.id)).deleted
        with pytest.raises(stripe.InvalidRequestError, match="No such"):
            await sdk.v1.webhook_endpoints.retrieve_async(made.id)

    run(story(Simulator()))


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "a.test/hook"},
        {"url": "ftp://a.test"},
        {"url": "https://"},
        {"url": "https://a.test:99999"},
        {"url": "https://a test"},
        {"url": "https://[::1"},
        {"enabled_events": []},
        {"enabled_events": ["charge.*"]},
        {"enabled_events": ["no.such"]},
        {"api_version": "latest"},
    ],
)
def test_what_cannot_be_an_endpoint_is_refused(wrong):
    async def story(sim):
        with pytest.raises(stripe.InvalidRequestError):
            await client(sim).v1.webhook_endpoints.create_async({**ASKED, **wrong})

    sim = Simulator()
    run(story(sim))
    assert not sim.world.home.shelves.get("webhook_endpoint")


def test_an_account_has_at_most_sixteen():
    async def story(sim):
        sdk = client(sim)
        for _ in range(16):
            await sdk.v1.webhook_endpoints.create_async(ASKED)
        with pytest.raises(stripe.InvalidRequestError, match="the maximum of 16 test webhook"):
            await sdk.v1.webhook_endpoints.create_async(ASKED)

    run(story(Simulator()))


def test_own_and_connected_accounts_events_go_to_the_endpoints_made_for_them():
    async def story(sim):
        sdk = client(sim)
        merchant, other = sim.acts.connect_account(), sim.acts.connect_account()
        names = {}
        for name, params, account in (
            ("own", {}, None),
            ("connect", {"connect": True}, None),
            ("theirs", {}, merchant),
        ):
            options = {"stripe_account": account} if account else {}
            asked = {**ASKED, **params, "url": f"https://{name}.test"}
            await sdk.v1.webhook_endpoints.create_async(asked, options)
        sim.acts.topup(1_000, "usd")
        sim.acts.transfer(merchant, 100, "usd")
        sim.acts.transfer(other, 100, "usd")

        async def receive(url, headers, body):
            event = json.loads(body)
            names.setdefault(url[8:-5], set()).add(event.get("account"))
            return 200

        await sim.webhooks.deliver(receive)
        assert names["own"] == {None}
        assert names["connect"] == {merchant, other}
        assert names["theirs"] == {merchant}

    run(story(Simulator()))


def test_a_star_does_not_stand_for_what_must_be_named():
    async def story(sim):
        sdk = client(sim)
        named = ["reporting.report_type.updated"]
        for url, enabled in (("https://star.test", ["*"]), ("https://named.test", named)):
            await sdk.v1.webhook_endpoints.create_async({"url": url, "enabled_events": enabled})
        told = []

        async def receive(url, headers, body):
            told.append((url, json.loads(body)["type"]))
            return 200

        sim.clock.advance(2 * 86_400)
        await sim.webhooks.deliver(receive)
        assert {url for url, type_ in told if type_ == named[0]} == {"https://named.test"}

    run(story(Simulator()))
