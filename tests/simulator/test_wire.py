"""Stripe's manners on the wire: keys, forms, errors, lists, expansion."""

import pytest
import stripe

from reconciler.simulator import Simulator
from reconciler.simulator.kernel.form import decode

from .sdk import client, inside, run, types


def test_a_form_is_decoded_into_mappings_and_lists():
    wire = "a[b]=1&a[c][d]=x%20y&e[0]=p&e[1]=q&f[]=r&f[]=s&g=&created[gte]=5"
    assert decode(wire) == {
        "a": {"b": "1", "c": {"d": "x y"}},
        "e": ["p", "q"],
        "f": ["r", "s"],
        "g": "",
        "created": {"gte": "5"},
    }


def test_a_key_must_be_a_test_key():
    async def story(sim):
        for key in ("sk_live_1234567890", "nonsense_1234567890"):
            with pytest.raises(stripe.AuthenticationError, match="Invalid API Key"):
                await client(sim, key).v1.balance.retrieve_async()
        balance = await client(sim, "rk_test_1234567890").v1.balance.retrieve_async()
        assert balance.livemode is False
        bare = await inside(sim, "GET", "/v1/balance")
        assert bare.status_code == 401
        assert "did not provide an API key" in bare.json()["error"]["message"]
        assert bare.headers["request-id"].startswith("req_")

    run(story(Simulator()))


def test_every_refusal_has_stripes_shape():
    async def story(sim):
        sdk = client(sim)
        with pytest.raises(stripe.InvalidRequestError) as missing:
            await sdk.v1.charges.retrieve_async("ch_nothing")
        error = missing.value
        assert (error.http_status, error.code, error.param) == (404, "resource_missing", "id")
        assert error.request_id.startswith("req_")
        assert error.error.doc_url.endswith("/resource-missing")
        assert error.request_id in error.error.request_log_url
        with pytest.raises(stripe.InvalidRequestError) as missing:
            await sdk.v1.payment_intents.create_async(
                {"amount": 100, "currency": "usd", "customer": "cus_nothing"}
            )
        assert (missing.value.http_status, missing.value.param) == (400, "customer")
        with pytest.raises(stripe.PermissionError) as refused:
            await sdk.v1.balance.retrieve_async({}, {"stripe_account": "acct_other"})
        assert refused.value.error.code == "account_invalid"
        unknown = await inside(sim, "GET", "/v1/nothing")
        assert unknown.status_code == 404
        assert unknown.json()["error"]["type"] == "invalid_request_error"

    run(story(Simulator()))


@pytest.mark.parametrize(
    ("params", "code", "param"),
    [
        ({"amount": "ten", "currency": "usd"}, "parameter_invalid_integer", "amount"),
        ({"amount": 0, "currency": "usd"}, "parameter_invalid_integer", "amount"),
        ({"currency": "usd"}, "parameter_missing", "amount"),
        ({"amount": 100, "currency": ""}, "parameter_invalid_empty", "currency"),
        ({"amount": 100, "currency": "usd", "colour": "red"}, "parameter_unknown", "colour"),
        (
            {"amount": 100, "currency": "usd", "payment_method_types": ["card"]},
            "payment_method_types_no_longer_supported",
            "payment_method_types",
        ),
    ],
)
def test_parameters_are_validated(params, code, param):
    async def story(sim):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            await client(sim).v1.payment_intents.create_async(params)
        assert (refused.value.code, refused.value.param) == (code, param)

    sim = Simulator()
    run(story(sim))
    assert types(sim) == []


def test_lists_are_paged_newest_first_in_both_directions():
    async def story(sim):
        sdk = client(sim)
        made = [sim.acts.pay(1_000 + n, "usd")["latest_charge"] for n in range(25)][::-1]
        page = await sdk.v1.charges.list_async()
        assert ([each.id for each in page.data], page.has_more) == (made[:10], True)
        assert page.url == "/v1/charges"
        walked = [each.id async for each in page.auto_paging_iter()]
        assert walked == made
        newer = await sdk.v1.charges.list_async({"ending_before": made[20], "limit": 7})
        assert ([each.id for each in newer.data], newer.has_more) == (made[13:20], True)
        upwards = [each.id async for each in newer.auto_paging_iter()]
        assert upwards == made[:20][::-1]
        last = await sdk.v1.charges.list_async({"starting_after": made[-1]})
        assert (last.data, last.has_more) == ([], False)
        for wrong in ({"starting_after": "ch_nothing"}, {"limit": 101}, {"limit": 0}):
            with pytest.raises(stripe.InvalidRequestError):
                await sdk.v1.charges.list_async(wrong)

    run(story(Simulator()))


def test_lists_are_filtered_by_time_and_by_fields():
    async def story(sim):
        sdk = client(sim)
        start = sim.clock.now()
        for n in range(4):
            sim.acts.pay(1_000, "usd" if n % 2 else "eur")
            sim.clock.advance(10)

        async def created(**window):
            found = await sdk.v1.balance_transactions.list_async({"created": window})
            return [row.created - start for row in found.data]

        assert await created(gte=start + 10, lt=start + 30) == [20, 10]
        assert await created(gt=start + 10, lte=start + 30) == [30, 20]
        only = await sdk.v1.balance_transactions.list_async({"currency": "eur", "type": "charge"})
        assert len(only.data) == 2
        with pytest.raises(stripe.InvalidRequestError):
            await created(around=start)

    run(story(Simulator()))


def test_ids_are_expanded_through_lists_and_four_levels_down():
    async def story(sim):
        sdk = client(sim)
        paid = sim.acts.pay(1_000, "usd")
        refund = sim.acts.refund(paid["id"])
        found = await sdk.v1.balance_transactions.list_async(
            {"expand": ["data.source.charge.payment_intent.latest_charge"], "type": "refund"}
        )
        source = found.data[0].source
        assert source.id == refund["id"]
        assert source.charge.payment_intent.latest_charge.id == paid["latest_charge"]
        merchant = sim.acts.connect_account()
        sim.acts.topup(1_000, "usd")
        sent = sim.acts.transfer(merchant, 500, "usd")
        transfer = await sdk.v1.transfers.retrieve_async(
            sent["id"], {"expand": ["destination_payment.balance_transaction", "destination"]}
        )
        assert transfer.destination_payment.balance_transaction.amount == 500
        assert transfer.destination.id == merchant
        for wrong in ("amount", "charge.payment_intent.latest_charge.refunds.data"):
            with pytest.raises(stripe.InvalidRequestError, match=r"cannot expand|cannot be"):
                await sdk.v1.refunds.retrieve_async(refund["id"], {"expand": [wrong]})

    run(story(Simulator()))


def test_a_command_with_a_wrong_expansion_does_nothing():
    async def story(sim):
        paid = sim.acts.pay(1_000, "usd")
        with pytest.raises(stripe.InvalidRequestError):
            await client(sim).v1.refunds.create_async(
                {"payment_intent": paid["id"], "expand": ["amount"]}
            )

    sim = Simulator()
    run(story(sim))
    assert "refund.created" not in types(sim)


def test_a_path_that_leads_nowhere_is_refused_before_anything_is_done():
    async def story(sim):
        sdk = client(sim)
        asked = {"payment_intent": sim.acts.pay(1_000, "usd")["id"], "expand": ["charge.amount"]}
        with pytest.raises(stripe.InvalidRequestError, match="cannot be expanded"):
            await sdk.v1.refunds.create_async(asked, {"idempotency_key": "k"})
        await sdk.v1.refunds.create_async({**asked, "expand": []}, {"idempotency_key": "k"})

    sim = Simulator()
    run(story(sim))
    assert len(sim.world.home.shelf("refund")) == 1
