"""Setup intents: a way of paying is set up for later, and what can come between."""

import pytest
import stripe

from reconciler.simulator import Simulator

from .sdk import client, inside, run, types

ONLINE = {
    "customer_acceptance": {
        "type": "online",
        "accepted_at": 1_771_335_089,
        "online": {"ip_address": "0.0.0.0", "user_agent": "a browser"},
    }
}


def one(sim, work):
    """What one conversation with the SDK comes to."""
    return run(work(client(sim)))


def setup(**more):
    return {"confirm": True, "payment_method": "pm_card_visa", **more}


def about_setups(sim):
    return [type_ for type_ in types(sim) if type_.startswith(("setup_intent", "payment_method"))]


def test_a_card_is_set_up_and_kept_with_its_customer():
    sim = Simulator()

    async def story(sdk):
        customer = await sdk.v1.customers.create_async()
        blank = await sdk.v1.setup_intents.create_async(
            {"customer": customer.id, "metadata": {"a": "1"}}
        )
        assert (blank.status, blank.usage) == ("requires_payment_method", "off_session")
        chosen = await sdk.v1.setup_intents.update_async(
            blank.id, {"payment_method": "pm_card_visa", "description": "a card"}
        )
        assert (chosen.status, chosen.description) == ("requires_confirmation", "a card")
        done = await sdk.v1.setup_intents.confirm_async(
            blank.id, {"expand": ["payment_method", "latest_attempt"]}
        )
        assert (done.status, done.next_action) == ("succeeded", None)
        assert done.payment_method.customer == customer.id
        assert done.latest_attempt.status == "succeeded"
        for refused in (
            sdk.v1.setup_intents.confirm_async(blank.id),
            sdk.v1.setup_intents.cancel_async(blank.id),
            sdk.v1.setup_intents.update_async(blank.id, {"payment_method": "pm_card_visa"}),
        ):
            with pytest.raises(stripe.InvalidRequestError, match="succeeded") as why:
                await refused
            assert why.value.code == "setup_intent_unexpected_state"
            assert why.value.error.setup_intent.id == blank.id
        listed = await sdk.v1.setup_intents.list_async({"customer": customer.id})
        assert [row.id for row in listed.data] == [blank.id]

    one(sim, story)
    assert about_setups(sim) == [
        "setup_intent.created",
        "payment_method.attached",
        "setup_intent.succeeded",
    ]


def test_a_declined_card_leaves_the_setup_open():
    sim = Simulator()

    async def story(sdk):
        customer = await sdk.v1.customers.create_async()
        asked = setup(customer=customer.id, payment_method="pm_card_visa_chargeDeclined")
        with pytest.raises(stripe.CardError) as refused:
            await sdk.v1.setup_intents.create_async(asked)
        assert refused.value.http_status == 402
        intent = refused.value.error.setup_intent
        assert (intent.status, intent.payment_method) == ("requires_payment_method", None)
        assert intent.last_setup_error.decline_code == "generic_decline"
        assert intent.last_setup_error.payment_method.card.last4 == "0002"
        attempts = await sdk.v1.setup_attempts.list_async({"setup_intent": intent.id})
        assert [row.status for row in attempts.data] == ["failed"]
        assert attempts.data[0].setup_error.code == "card_declined"
        done = await sdk.v1.setup_intents.confirm_async(
            intent.id, {"payment_method": "pm_card_visa"}
        )
        assert (done.status, done.last_setup_error) == ("succeeded", None)

    one(sim, story)
    assert about_setups(sim) == [
        "setup_intent.created",
        "setup_intent.setup_failed",
        "payment_method.attached",
        "setup_intent.succeeded",
    ]


def test_authentication_by_page_or_by_sdk():
    sim = Simulator()

    async def story(sdk):
        asked = setup(payment_method="pm_card_authenticationRequired")
        waiting = await sdk.v1.setup_intents.create_async(asked)
        assert (waiting.status, waiting.next_action.type) == ("requires_action", "use_stripe_sdk")
        sent = await sdk.v1.setup_intents.create_async(
            {**asked, "return_url": "https://shop.test/back"}
        )
        action = sent.next_action.redirect_to_url
        assert action.return_url == "https://shop.test/back"
        assert action.url.endswith(f"/_simulator/authenticate/{sent.id}")
        return waiting.id, sent.id

    waiting, sent = one(sim, story)
    assert sim.acts.authenticate(sent)["status"] == "succeeded"
    failed = sim.acts.authenticate(waiting, success=False)
    assert failed["status"] == "requires_payment_method"
    assert failed["last_setup_error"]["code"] == "setup_intent_authentication_failure"
    assert about_setups(sim) == [
        "setup_intent.created",
        "setup_intent.requires_action",
        "setup_intent.created",
        "setup_intent.requires_action",
        "setup_intent.succeeded",
        "setup_intent.setup_failed",
    ]


def test_a_cancelled_setup_abandons_its_attempt():
    sim = Simulator()

    async def story(sdk):
        waiting = await sdk.v1.setup_intents.create_async(
            setup(payment_method="pm_card_authenticationRequired")
        )
        gone = await sdk.v1.setup_intents.cancel_async(
            waiting.id, {"cancellation_reason": "abandoned", "expand": ["latest_attempt"]}
        )
        assert (gone.status, gone.cancellation_reason) == ("canceled", "abandoned")
        assert (gone.next_action, gone.latest_attempt.status) == (None, "abandoned")
        with pytest.raises(stripe.InvalidRequestError):
            await sdk.v1.setup_intents.update_async(waiting.id, {"payment_method": "pm_card_visa"})
        named = await sdk.v1.setup_intents.update_async(waiting.id, {"metadata": {"a": "1"}})
        assert named.metadata.to_dict() == {"a": "1"}

    one(sim, story)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"payment_method": None}, "missing a payment method"),
        ({"payment_method": "pm_gold"}, "No such PaymentMethod"),
        ({"customer": "cus_none"}, "No such customer"),
        ({"confirm": None, "mandate_data": ONLINE}, "mandate_data"),
        ({"allowed_payment_method_types": ["sepa_debit"]}, "is not allowed"),
    ],
)
def test_what_cannot_be_set_up_is_refused_and_leaves_nothing(params, message):
    sim = Simulator()

    async def story(sdk):
        given = {name: value for name, value in setup(**params).items() if value is not None}
        with pytest.raises(stripe.InvalidRequestError, match=message):
            await sdk.v1.setup_intents.create_async(given)

    one(sim, story)
    assert len(sim.world.home.shelf("setup_intent")) == 0
    assert types(sim) == []


def test_whose_card_it_is_matters():
    sim = Simulator()

    async def story(sdk):
        mine = await sdk.v1.customers.create_async()
        other = await sdk.v1.customers.create_async()
        kept = sim.acts.customer_card(mine.id)["id"]
        with pytest.raises(stripe.InvalidRequestError, match="belongs to the Customer"):
            await sdk.v1.setup_intents.create_async(setup(payment_method=kept))
        with pytest.raises(stripe.InvalidRequestError, match="does not belong to the Customer"):
            await sdk.v1.setup_intents.create_async(setup(payment_method=kept, customer=other.id))
        done = await sdk.v1.setup_intents.create_async(setup(payment_method=kept, customer=mine.id))
        assert done.status == "succeeded"

    one(sim, story)
    assert types(sim).count("payment_method.attached") == 1


def test_who_may_be_sent_away_has_to_be_able_to_come_back():
    sim = Simulator()

    async def story(sdk):
        asked = setup(automatic_payment_methods={"enabled": True})
        with pytest.raises(stripe.InvalidRequestError, match="return_url"):
            await sdk.v1.setup_intents.create_async(asked)
        asked["automatic_payment_methods"]["allow_redirects"] = "never"
        done = await sdk.v1.setup_intents.create_async(asked)
        assert done.status == "succeeded"
        assert done.automatic_payment_methods.allow_redirects == "never"

    one(sim, story)
    assert types(sim).count("setup_intent.created") == 1


def test_the_merchant_can_want_authentication():
    sim = Simulator()

    async def story(sdk):
        for wanted, status in (("automatic", "succeeded"), ("any", "requires_action")):
            options = {"card": {"request_three_d_secure": wanted}}
            made = await sdk.v1.setup_intents.create_async(
                setup(payment_method="pm_card_threeDSecureOptional", payment_method_options=options)
            )
            assert made.status == status
            assert made.payment_method_options.card.request_three_d_secure == wanted

    one(sim, story)


def test_a_refused_confirmation_changes_nothing():
    sim = Simulator()

    async def story(sdk):
        customer = await sdk.v1.customers.create_async()
        kept = sim.acts.customer_card(customer.id)["id"]
        blank = await sdk.v1.setup_intents.create_async()
        for given, why in ((kept, "belongs to the Customer"), (None, "missing a payment method")):
            with pytest.raises(stripe.InvalidRequestError, match=why) as refused:
                await sdk.v1.setup_intents.confirm_async(
                    blank.id, {"payment_method": given} if given else {}
                )
            assert refused.value.error.setup_intent.id == blank.id
        with pytest.raises(stripe.InvalidRequestError, match="cannot be actioned on") as refused:
            await sdk.v1.setup_intents.verify_microdeposits_async(blank.id, {"amounts": [32, 45]})
        assert refused.value.code == "intent_invalid_state"
        with pytest.raises(stripe.InvalidRequestError, match="No such setupintent") as refused:
            await sdk.v1.setup_intents.retrieve_async("seti_none")
        assert (refused.value.http_status, refused.value.param) == (404, "intent")
        after = await sdk.v1.setup_intents.retrieve_async(blank.id)
        assert after.to_dict() == blank.to_dict()

    one(sim, story)


def test_both_ways_to_say_the_kinds_cannot_be_used_together():
    sim = Simulator()
    answer = run(
        inside(
            sim,
            "POST",
            "/v1/setup_intents",
            data={"automatic_payment_methods[enabled]": "true", "payment_method_types[0]": "card"},
            headers={"authorization": f"Bearer {sim.secret_key}"},
        )
    )
    assert answer.status_code == 400
