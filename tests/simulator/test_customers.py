"""Customers, the sources kept the old way, and what deleting one does."""

import pytest
import stripe

from reconciler.simulator import Simulator

from .sdk import client, inside, run, types


def one(sim, work):
    """What one conversation with the SDK comes to."""
    return run(work(client(sim)))


def test_created_changed_and_found():
    sim = Simulator()

    async def story(sdk):
        made = await sdk.v1.customers.create_async(
            {
                "email": "jenny@example.com",
                "metadata": {"a": "1", "b": "2"},
                "preferred_locales": ["en"],
                "address": {"city": "Bern", "country": "CH"},
                "shipping": {"name": "Jenny", "address": {"line1": "Gasse 1"}},
            }
        )
        assert (made.address.city, made.address.line1) == ("Bern", None)
        assert (made.shipping.address.line1, made.preferred_locales) == ("Gasse 1", ["en"])
        await sdk.v1.customers.create_async({"email": "other@example.com"})
        changed = await sdk.v1.customers.update_async(
            made.id, {"name": "Jenny", "metadata": {"a": "", "c": "3"}, "shipping": ""}
        )
        assert (changed.name, changed.shipping) == ("Jenny", None)
        assert changed.metadata.to_dict() == {"b": "2", "c": "3"}
        event = list(sim.world.home.shelf("event").values())[-1]
        previous = event["data"]["previous_attributes"]
        assert previous["metadata"] == {"a": "1", "c": None}
        assert (previous["name"], set(previous)) == (None, {"name", "metadata", "shipping"})
        listed = await sdk.v1.customers.list_async({"email": "jenny@example.com"})
        assert [row.id for row in listed.data] == [made.id]

    one(sim, story)
    assert types(sim) == ["customer.created", "customer.created", "customer.updated"]


def test_an_address_changes_line_by_line():
    async def story(sdk):
        made = await sdk.v1.customers.create_async({"address": {"city": "Bern", "line1": "Gasse"}})
        changed = await sdk.v1.customers.update_async(made.id, {"address": {"city": "Thun"}})
        assert (changed.address.city, changed.address.line1) == ("Thun", "Gasse")
        gone = await sdk.v1.customers.update_async(made.id, {"address": ""})
        assert gone.address is None

    one(Simulator(), story)


def test_a_balance_has_the_currency_of_the_account():
    async def story(sdk):
        made = await sdk.v1.customers.create_async()
        assert (made.balance, made.currency) == (0, None)
        changed = await sdk.v1.customers.update_async(made.id, {"balance": -250})
        assert (changed.balance, changed.currency) == (-250, "usd")

    one(Simulator(), story)


def test_an_invoice_prefix_is_of_one_customer():
    async def story(sdk):
        made = await sdk.v1.customers.create_async({"invoice_prefix": "AB1"})
        assert made.invoice_prefix == "AB1"
        with pytest.raises(stripe.InvalidRequestError, match=f"taken by customer: {made.id}"):
            await sdk.v1.customers.create_async({"invoice_prefix": "AB1"})
        with pytest.raises(stripe.InvalidRequestError, match="uppercase"):
            await sdk.v1.customers.update_async(made.id, {"invoice_prefix": "ab"})
        await sdk.v1.customers.update_async(made.id, {"invoice_prefix": "AB1"})

    one(Simulator(), story)


def test_nothing_changed_is_no_event():
    sim = Simulator()

    async def story(sdk):
        made = await sdk.v1.customers.create_async({"email": "jenny@example.com"})
        await sdk.v1.customers.update_async(made.id, {"email": "jenny@example.com"})

    one(sim, story)
    assert types(sim) == ["customer.created"]


def test_a_default_payment_method_must_be_the_customers_own():
    sim = Simulator()

    async def story(sdk):
        made = await sdk.v1.customers.create_async(
            {
                "payment_method": "pm_card_visa",
                "invoice_settings": {"default_payment_method": "pm_card_visa"},
            }
        )
        kept = (await sdk.v1.customers.payment_methods.list_async(made.id)).data[0]
        assert made.invoice_settings.default_payment_method == kept.id
        other = await sdk.v1.customers.create_async()
        with pytest.raises(stripe.InvalidRequestError) as refused:
            await sdk.v1.customers.update_async(
                other.id, {"invoice_settings": {"default_payment_method": kept.id}}
            )
        assert refused.value.code == "resource_missing"
        assert refused.value.param == "invoice_settings[default_payment_method]"
        await sdk.v1.payment_methods.detach_async(kept.id)
        after = await sdk.v1.customers.retrieve_async(made.id)
        assert after.invoice_settings.default_payment_method is None

    one(sim, story)
    assert types(sim)[:2] == ["customer.created", "payment_method.attached"]


def test_a_deleted_customer_is_a_stub_and_cannot_be_used():
    sim = Simulator()

    async def story(sdk):
        made = await sdk.v1.customers.create_async({"payment_method": "pm_card_visa"})
        kept = (await sdk.v1.customers.payment_methods.list_async(made.id)).data[0]
        gone = await sdk.v1.customers.delete_async(made.id)
        assert gone.to_dict() == {"id": made.id, "object": "customer", "deleted": True}
        assert (await sdk.v1.customers.retrieve_async(made.id)).deleted
        assert (await sdk.v1.payment_methods.retrieve_async(kept.id)).customer is None
        assert (await sdk.v1.customers.list_async()).data == []
        for refused in (
            sdk.v1.customers.update_async(made.id, {"name": "x"}),
            sdk.v1.customers.delete_async(made.id),
            sdk.v1.setup_intents.create_async({"customer": made.id}),
            sdk.v1.payment_methods.attach_async("pm_card_visa", {"customer": made.id}),
            sdk.v1.payment_intents.create_async(
                {"amount": 100, "currency": "usd", "customer": made.id}
            ),
        ):
            with pytest.raises(stripe.InvalidRequestError, match="No such customer"):
                await refused

    one(sim, story)
    assert types(sim)[-2:] == ["payment_method.detached", "customer.deleted"]
    event = list(sim.world.home.shelf("event").values())[-1]
    assert (event["data"]["object"]["balance"], "deleted" in event["data"]["object"]) == (0, False)


def test_a_payment_still_shows_a_customer_deleted_since():
    sim = Simulator()

    async def story(sdk):
        made = await sdk.v1.customers.create_async()
        paid = sim.acts.pay(1000, "usd", customer=made.id)
        await sdk.v1.customers.delete_async(made.id)
        shown = await sdk.v1.payment_intents.retrieve_async(paid["id"], {"expand": ["customer"]})
        assert (shown.customer.id, shown.customer.deleted) == (made.id, True)

    one(sim, story)
    assert sim.audit() == []


# Sources.


def ask(sim, method, path, **data):
    headers = {"authorization": f"Bearer {sim.secret_key}"}
    return run(inside(sim, method, path, data=data or None, headers=headers))


def test_a_card_kept_as_a_source():
    sim = Simulator()
    customer = ask(sim, "POST", "/v1/customers", source="tok_visa").json()
    kept = f"/v1/customers/{customer['id']}/sources/{customer['default_source']}"
    card = ask(sim, "GET", kept).json()
    assert (card["object"], card["brand"], card["last4"]) == ("card", "Visa", "4242")
    assert (card["customer"], card["cvc_check"]) == (customer["id"], "pass")
    second = ask(sim, "POST", kept.rpartition("/")[0], source="tok_mastercard").json()
    listed = ask(sim, "GET", kept.rpartition("/")[0]).json()
    assert [row["id"] for row in listed["data"]] == [second["id"], card["id"]]
    changed = ask(sim, "POST", kept, **{"metadata[foo]": "bar", "exp_year": "2041"}).json()
    assert (changed["metadata"], changed["exp_year"]) == ({"foo": "bar"}, 2041)
    gone = ask(sim, "DELETE", kept).json()
    assert gone == {"id": card["id"], "object": "card", "deleted": True}
    after = ask(sim, "GET", f"/v1/customers/{customer['id']}").json()
    assert after["default_source"] == second["id"]
    assert types(sim) == [
        "customer.created",
        "customer.source.created",
        "customer.source.created",
        "customer.source.updated",
        "customer.source.deleted",
        "customer.updated",
    ]


def test_a_kept_card_pays_under_its_own_id():
    sim = Simulator()
    customer = ask(sim, "POST", "/v1/customers", source="tok_visa").json()
    paid = ask(
        sim,
        "POST",
        "/v1/payment_intents",
        amount="1000",
        currency="usd",
        customer=customer["id"],
        payment_method=customer["default_source"],
        confirm="true",
    ).json()
    assert paid["status"] == "succeeded"
    assert paid["payment_method"] == customer["default_source"]
    assert sim.audit() == []


def test_a_bank_account_kept_as_a_source_is_verified():
    sim = Simulator()
    customer = ask(sim, "POST", "/v1/customers").json()
    path = f"/v1/customers/{customer['id']}/sources"
    kept = ask(
        sim,
        "POST",
        path,
        **{
            "source[object]": "bank_account",
            "source[country]": "US",
            "source[currency]": "usd",
            "source[routing_number]": "110000000",
            "source[account_number]": "000123456789",
        },
    ).json()
    assert (kept["object"], kept["status"], kept["last4"]) == ("bank_account", "new", "6789")
    wrong = {"amounts[0]": "1", "amounts[1]": "2"}
    assert ask(sim, "POST", f"{path}/{kept['id']}/verify", **wrong).status_code == 400
    right = {"amounts[0]": "32", "amounts[1]": "45"}
    assert ask(sim, "POST", f"{path}/{kept['id']}/verify", **right).json()["status"] == "verified"


def test_what_cannot_be_a_source_is_refused():
    sim = Simulator()
    customer = ask(sim, "POST", "/v1/customers").json()
    path = f"/v1/customers/{customer['id']}/sources"
    assert ask(sim, "POST", path, source="tok_chargeDeclined").status_code == 402
    assert "PaymentMethod" in ask(sim, "POST", path, source="pm_card_visa").text
    assert "No such token" in ask(sim, "POST", path, source="tok_gold").text
    assert ask(sim, "POST", path).status_code == 400
    assert ask(sim, "GET", path).json()["data"] == []


def test_found_by_a_query():
    sim = Simulator()
    jenny = ask(sim, "POST", "/v1/customers", email="jenny@example.com", **{"metadata[a]": "1"})
    ask(sim, "POST", "/v1/customers", email="other@example.com", name="Jenny's friend")

    def found(query):
        answer = run(
            inside(
                sim,
                "GET",
                "/v1/customers/search",
                params={"query": query},
                headers={"authorization": f"Bearer {sim.secret_key}"},
            )
        )
        return [row["id"] for row in answer.json()["data"]]

    assert found("email:'jenny@example.com'") == [jenny.json()["id"]]
    assert found("metadata['a']:'1'") == [jenny.json()["id"]]
    assert len(found("name~'jenny' OR email~'jenny'")) == 2


def test_sources_are_shown_when_asked_for():
    sim = Simulator()
    customer = ask(sim, "POST", "/v1/customers", source="tok_visa").json()
    assert "sources" not in customer
    answer = run(
        inside(
            sim,
            "GET",
            f"/v1/customers/{customer['id']}",
            params={"expand[]": "sources"},
            headers={"authorization": f"Bearer {sim.secret_key}"},
        )
    )
    assert [row["last4"] for row in answer.json()["sources"]["data"]] == ["4242"]
