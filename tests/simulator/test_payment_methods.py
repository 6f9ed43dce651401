"""Payment methods: keeping and letting go, updates, tokens, and what cannot be used."""

import contextlib

import pytest
import stripe

from reconciler.simulator import Simulator

from .sdk import client, inside, run, types

VISA = {"number": "4242424242424242", "exp_month": "12", "exp_year": "2034", "cvc": "123"}


def of_card(**card):
    return {"type": "card", "card": {**VISA, **card}}


def one(sim, work):
    """What one conversation with the SDK comes to."""
    return run(work(client(sim)))


def test_kept_listed_and_let_go():
    sim = Simulator()

    async def story(sdk):
        mine = await sdk.v1.customers.create_async()
        other = await sdk.v1.customers.create_async()
        kept = await sdk.v1.payment_methods.attach_async("pm_card_visa", {"customer": mine.id})
        assert (kept.customer, kept.card.checks.cvc_check) == (mine.id, "pass")
        again = await sdk.v1.payment_methods.attach_async(kept.id, {"customer": mine.id})
        assert again.id == kept.id
        with pytest.raises(stripe.InvalidRequestError, match="already been attached"):
            await sdk.v1.payment_methods.attach_async(kept.id, {"customer": other.id})
        debit = await sdk.v1.payment_methods.create_async(
            {"type": "sepa_debit", "sepa_debit": {"iban": "AT611904300234573201"}}
        )
        await sdk.v1.payment_methods.attach_async(debit.id, {"customer": mine.id})
        listed = sdk.v1.payment_methods.list_async
        assert [row.id for row in (await listed({"customer": mine.id, "type": "card"})).data] == [
            kept.id
        ]
        assert [row.id for row in (await listed({"customer": mine.id})).data] == [debit.id, kept.id]
        of_mine = sdk.v1.customers.payment_methods
        assert len((await of_mine.list_async(mine.id)).data) == 2
        assert (await of_mine.list_async(other.id)).data == []
        assert (await of_mine.retrieve_async(mine.id, kept.id)).id == kept.id
        with pytest.raises(stripe.InvalidRequestError, match="Invalid request"):
            await of_mine.retrieve_async(other.id, kept.id)
        assert (await listed()).data == []
        with pytest.raises(stripe.InvalidRequestError, match="No such customer"):
            await listed({"customer": "cus_none"})
        gone = await sdk.v1.payment_methods.detach_async(kept.id)
        assert gone.customer is None
        event = list(sim.world.home.shelf("event").values())[-1]
        assert event["type"] == "payment_method.detached"
        assert event["data"]["previous_attributes"] == {"customer": mine.id}
        with pytest.raises(stripe.InvalidRequestError, match="may not be used again"):
            await sdk.v1.payment_methods.attach_async(kept.id, {"customer": mine.id})
        with pytest.raises(stripe.InvalidRequestError, match="detachment is impossible"):
            await sdk.v1.payment_methods.detach_async(kept.id)

    one(sim, story)
    assert types(sim).count("payment_method.attached") == 2


@pytest.mark.parametrize(
    ("name", "code", "decline"),
    [
        ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_visa_chargeDeclinedLostCard", "card_declined", "lost_card"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
        ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", "incorrect_cvc"),
        ("pm_card_chargeDeclinedProcessingError", "processing_error", "processing_error"),
    ],
)
def test_a_declined_card_cannot_be_kept(name, code, decline):
    sim = Simulator()

    async def story(sdk):
        customer = await sdk.v1.customers.create_async()
        with pytest.raises(stripe.CardError) as refused:
            await sdk.v1.payment_methods.attach_async(name, {"customer": customer.id})
        assert refused.value.code == code
        assert refused.value.error.decline_code == decline
        with pytest.raises(stripe.CardError):
            await sdk.v1.customers.create_async({"payment_method": name})

    one(sim, story)
    assert len(sim.world.home.shelf("customer")) == 1
    assert "payment_method.attached" not in types(sim)


def test_one_that_fails_only_when_charged_can_be_kept():
    async def story(sdk):
        customer = await sdk.v1.customers.create_async(
            {"payment_method": "pm_card_chargeCustomerFail"}
        )
        kept = await sdk.v1.payment_methods.list_async({"customer": customer.id})
        assert [row.card.last4 for row in kept.data] == ["0341"]

    one(Simulator(), story)


def test_an_update_needs_a_customer_and_tells_what_was_before():
    sim = Simulator()

    async def story(sdk):
        loose = await sdk.v1.payment_methods.create_async(of_card())
        with pytest.raises(stripe.InvalidRequestError, match="save this PaymentMethod"):
            await sdk.v1.payment_methods.update_async(loose.id, {"metadata": {"a": "1"}})
        customer = await sdk.v1.customers.create_async()
        await sdk.v1.payment_methods.attach_async(loose.id, {"customer": customer.id})
        changed = await sdk.v1.payment_methods.update_async(
            loose.id,
            {
                "metadata": {"a": "1"},
                "card": {"exp_month": 3, "exp_year": 2040},
                "billing_details": {"address": {"city": "Bern"}, "email": "a@example.com"},
            },
        )
        assert (changed.card.exp_month, changed.card.exp_year) == (3, 2040)
        assert (changed.billing_details.address.city, changed.card.last4) == ("Bern", "4242")
        event = list(sim.world.home.shelf("event").values())[-1]
        assert event["type"] == "payment_method.updated"
        assert event["data"]["previous_attributes"] == {
            "billing_details": {"address": {"city": None}, "email": None},
            "card": {"exp_month": 12, "exp_year": 2034},
            "metadata": {"a": None},
        }
        with pytest.raises(stripe.CardError):
            await sdk.v1.payment_methods.update_async(loose.id, {"card": {"exp_year": 2001}})

    one(sim, story)


def test_the_network_replaces_a_card():
    sim = Simulator()
    customer = one(sim, lambda sdk: sdk.v1.customers.create_async())
    kept = sim.acts.customer_card(customer.id)
    changed = sim.acts.update_card(kept["id"], 3, 2041, last4="1881")
    assert (changed["card"]["exp_year"], changed["card"]["last4"]) == (2041, "1881")
    assert changed["card"]["fingerprint"] != kept["card"]["fingerprint"]
    event = list(sim.world.home.shelf("event").values())[-1]
    assert event["type"] == "payment_method.automatically_updated"
    assert event["request"] == {"id": None, "idempotency_key": None}
    assert event["data"]["previous_attributes"]["card"]["last4"] == "4242"
    before = len(types(sim))
    sim.acts.update_card(kept["id"], 3, 2041)
    assert len(types(sim)) == before


def test_a_connected_account_gets_a_copy_to_use():
    sim = Simulator()
    account = sim.acts.connect_account()

    async def story(sdk):
        customer = await sdk.v1.customers.create_async({"payment_method": "pm_card_mastercard"})
        kept = (await sdk.v1.payment_methods.list_async({"customer": customer.id})).data[0]
        copy = await sdk.v1.payment_methods.create_async(
            {"customer": customer.id, "payment_method": kept.id}, {"stripe_account": account}
        )
        assert (copy.customer, copy.card.last4) == (None, "4444")
        assert copy.id in sim.world.books[account].shelf("payment_method")

    one(sim, story)


def test_tokens_are_used_once():
    sim = Simulator()

    async def story(sdk):
        token = await sdk.v1.tokens.create_async({"card": {**VISA, "name": "Jenny"}})
        assert (token.type, token.used, token.card.brand) == ("card", False, "Visa")
        made = await sdk.v1.payment_methods.create_async(
            {"type": "card", "card": {"token": token.id}}
        )
        assert (made.card.last4, made.card.exp_year) == ("4242", 2034)
        assert (await sdk.v1.tokens.retrieve_async(token.id)).used
        with pytest.raises(stripe.InvalidRequestError, match="more than once"):
            await sdk.v1.payment_methods.create_async({"type": "card", "card": {"token": token.id}})
        named = await sdk.v1.payment_methods.create_async(
            {"type": "card", "card": {"token": "tok_mastercard"}}
        )
        assert named.card.brand == "mastercard"
        bank = await sdk.v1.tokens.create_async(
            {
                "bank_account": {
                    "country": "CH",
                    "currency": "CHF",
                    "account_number": "CH9300762011623852957",
                    "account_holder_name": "Foo Bar",
                }
            }
        )
        account = bank.bank_account
        assert bank.id.startswith("btok_")
        assert (account.last4, account.currency, account.status) == ("2957", "chf", "new")
        person = await sdk.v1.tokens.create_async({"account": {"business_type": "individual"}})
        assert (person.id[:3], person.type) == ("ct_", "account")

    one(sim, story)


def test_an_empty_token_is_refused():
    sim = Simulator()
    headers = {"authorization": f"Bearer {sim.secret_key}"}
    answer = run(inside(sim, "POST", "/v1/tokens", headers=headers))
    assert answer.status_code == 400


def test_what_a_customer_filled_in_is_confirmed_once():
    sim = Simulator()

    async def story(sdk):
        token = await sdk.v1.test_helpers.confirmation_tokens.create_async(
            {
                "payment_method_data": of_card(),
                "return_url": "https://shop.test/back",
            }
        )
        assert token.payment_method_preview.card.last4 == "4242"
        asked = {"confirm": True, "confirmation_token": token.id}
        done = await sdk.v1.setup_intents.create_async(asked)
        assert done.status == "succeeded"
        after = await sdk.v1.confirmation_tokens.retrieve_async(token.id)
        assert after.setup_intent == done.id
        with pytest.raises(stripe.InvalidRequestError, match="already been used"):
            await sdk.v1.setup_intents.create_async(asked)
        late = await sdk.v1.test_helpers.confirmation_tokens.create_async(
            {"payment_method": "pm_card_visa"}
        )
        sim.clock.advance(12 * 3600)
        with pytest.raises(stripe.InvalidRequestError, match="has expired"):
            await sdk.v1.setup_intents.create_async({**asked, "confirmation_token": late.id})

    one(sim, story)


def test_a_payment_takes_a_confirmation_token():
    sim = Simulator()

    async def story(sdk):
        customer = await sdk.v1.customers.create_async()
        token = await sdk.v1.test_helpers.confirmation_tokens.create_async(
            {"payment_method": "pm_card_visa", "setup_future_usage": "off_session"}
        )
        paid = await sdk.v1.payment_intents.create_async(
            {
                "amount": 1000,
                "currency": "usd",
                "customer": customer.id,
                "confirm": True,
                "confirmation_token": token.id,
            }
        )
        assert (paid.status, paid.setup_future_usage) == ("succeeded", "off_session")
        kept = await sdk.v1.customers.payment_methods.list_async(customer.id)
        assert [row.id for row in kept.data] == [paid.payment_method]
        after = await sdk.v1.confirmation_tokens.retrieve_async(token.id)
        assert after.payment_intent == paid.id

    one(sim, story)
    assert sim.audit() == []


@pytest.mark.parametrize("customer", ["", "cus_none"])
def test_it_is_kept_with_somebody(customer):
    async def story(sdk):
        with pytest.raises(stripe.InvalidRequestError):
            await sdk.v1.payment_methods.attach_async("pm_card_visa", {"customer": customer})
        with pytest.raises(stripe.InvalidRequestError, match="during PaymentMethod creation"):
            await sdk.v1.payment_methods.create_async({**of_card(), "customer": "cus_none"})

    one(Simulator(), story)


@pytest.mark.parametrize("card", ["4242424242424242", "4000000000000002"])
def test_what_nobody_kept_pays_once(card):
    async def story(sdk):
        made = await sdk.v1.payment_methods.create_async(of_card(number=card))
        asked = {"amount": 1000, "currency": "usd", "confirm": True, "payment_method": made.id}
        with contextlib.suppress(stripe.CardError):
            await sdk.v1.payment_intents.create_async(asked)
        with pytest.raises(stripe.InvalidRequestError, match="may not be used again"):
            await sdk.v1.payment_intents.create_async(asked)
        customer = await sdk.v1.customers.create_async()
        with pytest.raises(stripe.InvalidRequestError, match="may not be used again"):
            await sdk.v1.payment_methods.attach_async(made.id, {"customer": customer.id})

    one(Simulator(), story)
