"""Who may ask: keys of every kind, and what each is refused."""

import json
from base64 import b64encode

import pytest
import stripe

from reconciler.simulator import Settings, Simulator

from .sdk import client, inside, run

# Not a key: no longer than what shows that it would be one.
LIVE = "sk_" + "live_51SimulatorNeverTakesOne"


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_a_live_key_is_refused_and_neither_repeated_nor_kept():
    async def story(sim):
        for key in (LIVE, LIVE.replace("sk_", "rk_"), LIVE.replace("sk_", "pk_")):
            for headers in (bearer(key), {"Authorization": _basic(key)}):
                answer = await inside(sim, "GET", "/v1/balance", headers=headers)
                assert answer.status_code == 401
                assert key[8:] not in answer.text
                assert key[-4:] not in answer.text
        with pytest.raises(stripe.AuthenticationError):
            await client(sim, LIVE).v1.balance.retrieve_async()

    sim = Simulator()
    run(story(sim))
    assert LIVE not in sim.dump().decode()
    with pytest.raises(Exception, match="test key"):
        sim.keys.create(secret=LIVE)
    with pytest.raises(Exception, match="No such api_key") as unknown:
        sim.keys.revoke(LIVE)
    assert LIVE not in str(unknown.value)


@pytest.mark.parametrize(
    ("authorization", "told"),
    [
        (None, "You did not provide an API key"),
        ("Bearer", "You did not provide an API key"),
        ("Bearer ", "You did not provide an API key"),
        ("Digest something", "You did not provide an API key"),
        ("Basic !!!", "You did not provide an API key"),
        ("Bearer nonsense_1234567890", "Invalid API Key provided: *"),
        ("Bearer whsec_1234567890", "Invalid API Key provided: *"),
    ],
)
def test_what_is_no_key_is_answered_401(authorization, told):
    headers = {"Authorization": authorization} if authorization else {}
    answer = run(inside(Simulator(), "GET", "/v1/balance", headers=headers))
    assert answer.status_code == 401
    assert answer.json()["error"]["message"].startswith(told)
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert answer.headers["www-authenticate"] == 'Bearer realm="Stripe"'
    assert answer.headers["request-id"].startswith("req_")


def test_a_key_may_come_as_the_user_name():
    sim = Simulator()
    answer = run(inside(sim, "GET", "/v1/balance", auth=(sim.secret_key, "")))
    assert answer.status_code == 200


def test_a_restricted_key_does_what_it_may_and_is_told_what_it_lacks():
    async def story(sim):
        made = sim.keys.create("jobs", {"charge": "read", "customer": "write"})
        key = made["secret"]
        assert key.startswith("rk_test_")
        sdk = client(sim, key)
        await sdk.v1.refunds.list_async()
        await sdk.v1.customers.create_async({})
        await sdk.v1.customers.list_async()
        with pytest.raises(stripe.PermissionError) as refused:
            await sdk.v1.balance.retrieve_async()
        error = refused.value
        assert (error.http_status, error.error.type) == (403, "invalid_request_error")
        assert "Having the 'rak_balance_read' permission" in str(error)
        assert sim.account in str(error)
        assert key not in str(error)
        assert f"{'*' * 10}{key[-6:]}'" in str(error)
        paid = sim.acts.pay(1_000, "usd")
        with pytest.raises(stripe.PermissionError, match="'rak_charge_write'"):
            await sdk.v1.refunds.create_async({"payment_intent": paid["id"]})

    run(story(Simulator()))


def test_connected_accounts_need_permissions_of_their_own():
    async def story(sim):
        merchant = sim.acts.connect_account()
        there = {"stripe_account": merchant}
        plain = client(sim, sim.keys.create(permissions={"balance": "read"})["secret"])
        with pytest.raises(stripe.PermissionError, match="rak_balance_read"):
            await plain.v1.balance.retrieve_async({}, there)
        both = sim.keys.create(permissions={}, connect_permissions={"balance": "read"})
        await client(sim, both["secret"]).v1.balance.retrieve_async({}, there)

    run(story(Simulator()))


def test_a_connected_accounts_key_opens_that_account_only():
    async def story(sim):
        merchant, other = sim.acts.connect_account(), sim.acts.connect_account()
        sdk = client(sim, sim.keys.create(account=merchant)["secret"])
        events = await sdk.v1.events.list_async({"limit": 1})
        assert events.data[0].account == merchant
        for account in (other, sim.account):
            with pytest.raises(stripe.PermissionError):
                await sdk.v1.balance.retrieve_async({}, {"stripe_account": account})

    run(story(Simulator()))


def test_a_revoked_key_has_expired():
    async def story(sim):
        made = sim.keys.create("old")
        sdk = client(sim, made["secret"])
        await sdk.v1.balance.retrieve_async()
        sim.keys.revoke(made["id"])
        with pytest.raises(stripe.AuthenticationError) as refused:
            await sdk.v1.balance.retrieve_async()
        assert refused.value.error.code == "api_key_expired"
        assert made["secret"] not in json.dumps(sim.keys.listing())

    run(story(Simulator()))


def test_strict_keys_take_only_what_was_made_here():
    async def story(sim):
        await client(sim).v1.balance.retrieve_async()
        await client(sim, sim.keys.create()["secret"]).v1.balance.retrieve_async()
        with pytest.raises(stripe.AuthenticationError, match="Invalid API Key"):
            await client(sim, "sk_test_anybody").v1.balance.retrieve_async()

    run(story(Simulator(settings=Settings(strict_keys=True))))


def test_a_publishable_key_is_not_for_servers():
    async def story(sim):
        sdk = client(sim, "pk_test_51browser")
        with pytest.raises(stripe.AuthenticationError) as refused:
            await sdk.v1.balance.retrieve_async()
        assert refused.value.error.code == "secret_key_required"
        paid = sim.acts.pay(1_000, "usd")
        with pytest.raises(stripe.AuthenticationError):
            await sdk.v1.payment_intents.retrieve_async(paid["id"])
        asked = {"client_secret": paid["client_secret"]}
        assert (await sdk.v1.payment_intents.retrieve_async(paid["id"], asked)).id == paid["id"]

    run(story(Simulator()))


def test_permissions_must_be_ones_that_exist():
    sim = Simulator()
    with pytest.raises(ValueError, match="no such permission: colour"):
        sim.keys.create(permissions={"colour": "read"})
    with pytest.raises(Exception, match="must be one of none, read, or write"):
        sim.keys.create(permissions={"charge": "all"})


def _basic(key: str) -> str:
    return f"Basic {b64encode(f'{key}:'.encode()).decode()}"
