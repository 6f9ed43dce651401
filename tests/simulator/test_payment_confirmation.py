"""Confirming payments: declines, customers who are asked, methods that are kept, amounts."""

import pytest
import stripe

from reconciler.simulator import Simulator

from .sdk import client, inside, rows, run, types

OLD = {"stripe_version": "2023-10-16"}


def intent(**more):
    return {
        "amount": 10_000,
        "currency": "usd",
        "payment_method": "pm_card_visa",
        "confirm": True,
        **more,
    }


def last_event(sim, type_):
    events = sim.world.home.shelf("event").values()
    return next(event for event in reversed(events) if event["type"] == type_)


async def post(sim, path, form, version=None):
    headers = {
        "Authorization": f"Bearer {sim.secret_key}",
        "Content-Type": "application/x-www-form-urlencoded",
        **({"Stripe-Version": version} if version else {}),
    }
    return await inside(sim, "POST", path, content=form, headers=headers)


@pytest.mark.parametrize(
    ("card", "code", "decline_code", "advice", "message"),
    [
        ("chargeDeclined", "card_declined", "generic_decline", "try_again_later", "declined."),
        (
            "visa_chargeDeclinedInsufficientFunds",
            "card_declined",
            "insufficient_funds",
            "try_again_later",
            "insufficient funds.",
        ),
        ("visa_chargeDeclinedLostCard", "card_declined", "lost_card", "do_not_try_again", "."),
        ("chargeDeclinedExpiredCard", "expired_card", None, "confirm_card_data", "expired."),
        ("chargeDeclinedIncorrectCvc", "incorrect_cvc", None, "confirm_card_data", "incorrect."),
        ("chargeDeclinedProcessingError", "processing_error", None, "try_again_later", "bit."),
    ],
)
def test_a_decline_says_why_in_the_error_the_intent_and_the_charge(
    card, code, decline_code, advice, message
):
    async def story(sim):
        sdk = client(sim)
        with pytest.raises(stripe.CardError, match=message) as declined:
            await sdk.v1.payment_intents.create_async(intent(payment_method=f"pm_card_{card}"))
        error = declined.value.error
        assert (declined.value.code, error.to_dict().get("decline_code")) == (code, decline_code)
        assert error.advice_code == advice
        assert (
            error.payment_method.card.last4
            == error.payment_intent.last_payment_error["payment_method"]["card"]["last4"]
        )
        kept = await sdk.v1.payment_intents.retrieve_async(error.payment_intent.id)
        assert (kept.status, kept.payment_method) == ("requires_payment_method", None)
        assert kept.last_payment_error.code == code
        assert "payment_intent" not in kept.last_payment_error.to_dict()
        charge = await sdk.v1.charges.retrieve_async(error.charge)
        assert (charge.status, charge.failure_code, charge.captured) == ("failed", code, False)
        assert charge.outcome.reason == (decline_code or code)
        assert charge.outcome.advice_code == advice
        details = charge.payment_method_details.card
        assert (details.amount_authorized, details.authorization_code) == (None, None)

    sim = Simulator()
    run(story(sim))
    assert types(sim) == [
        "payment_intent.created",
        "charge.failed",
        "payment_intent.payment_failed",
    ]
    assert rows(sim) == []


def test_radar_blocks_before_the_network_is_asked_and_flags_the_elevated():
    sim = Simulator()
    blocked = sim.acts.pay(1_000, "usd", card="pm_card_radarBlock")
    charge = sim.world.home.get("charge", blocked["latest_charge"])
    assert charge["outcome"]["type"] == "blocked"
    assert charge["outcome"]["reason"] == "highest_risk_level"
    assert charge["outcome"]["network_status"] == "not_sent_to_network"
    assert charge["outcome"]["risk_score"] >= 75
    assert "advice_code" not in blocked["last_payment_error"]
    allowed = sim.acts.pay(1_000, "usd", card="pm_card_riskLevelElevated")
    outcome = sim.world.home.get("charge", allowed["latest_charge"])["outcome"]
    assert (outcome["risk_level"], outcome["reason"]) == ("elevated", "elevated_risk_level")


def test_the_same_card_may_be_tried_again_after_a_decline():
    async def story(sim):
        sdk = client(sim)
        customer = await sdk.v1.customers.create_async({})
        method = await sdk.v1.payment_methods.attach_async(
            "pm_card_chargeCustomerFail", {"customer": customer.id}
        )
        attempts = []
        waiting = await sdk.v1.payment_intents.create_async(
            {"amount": 700, "currency": "usd", "customer": customer.id}
        )
        for _ in range(2):
            with pytest.raises(stripe.CardError) as declined:
                await sdk.v1.payment_intents.confirm_async(
                    waiting.id, {"payment_method": method.id}
                )
            attempts.append(declined.value.error.charge)
        assert len(set(attempts)) == 2
        paid = await sdk.v1.payment_intents.confirm_async(
            waiting.id, {"payment_method": "pm_card_visa"}
        )
        assert (paid.status, paid.last_payment_error) == ("succeeded", None)
        with pytest.raises(stripe.InvalidRequestError, match="already succeeded") as twice:
            await sdk.v1.payment_intents.confirm_async(paid.id)
        assert twice.value.code == "payment_intent_unexpected_state"
        assert twice.value.error.payment_intent.id == paid.id

    run(story(Simulator()))


def test_off_session_the_bank_declines_what_it_wanted_its_customer_for():
    async def story(sim):
        sdk = client(sim)
        customer = await sdk.v1.customers.create_async({})
        asked = intent(customer=customer.id, payment_method="pm_card_authenticationRequired")
        for absence in (True, "one_off", "recurring"):
            with pytest.raises(stripe.CardError) as refused:
                await sdk.v1.payment_intents.create_async({**asked, "off_session": absence})
            error = refused.value.error
            assert (refused.value.code, error.decline_code) == ("authentication_required",) * 2
            assert error.payment_intent.latest_charge == error.charge
        with pytest.raises(stripe.CardError) as refused:
            await sdk.v1.payment_intents.create_async(
                {**asked, "payment_method": "pm_card_threeDSecureRequired", "off_session": True}
            )
        assert refused.value.error.decline_code == "generic_decline"
        assert refused.value.error.advice_code is None
        with pytest.raises(stripe.CardError, match="error_on_requires_action") as refused:
            await sdk.v1.payment_intents.create_async({**asked, "error_on_requires_action": True})
        assert refused.value.error.payment_intent.latest_charge is None

    run(story(Simulator()))


def test_a_card_saved_during_a_payment_is_charged_later_without_its_customer():
    async def story(sim):
        sdk = client(sim)
        customer = await sdk.v1.customers.create_async({})
        first = await sdk.v1.payment_intents.create_async(
            intent(
                customer=customer.id,
                payment_method="pm_card_authenticationRequiredOnSetup",
                setup_future_usage="off_session",
            )
        )
        assert first.status == "requires_action"
        assert sim.acts.authenticate(first.id)["status"] == "succeeded"
        charge = await sdk.v1.charges.retrieve_async(
            sim.world.home.get("payment_intent", first.id)["latest_charge"]
        )
        assert charge.payment_method_details.card.three_d_secure.result == "authenticated"
        kept = await sdk.v1.payment_methods.retrieve_async(first.payment_method)
        assert kept.customer == customer.id
        again = await sdk.v1.payment_intents.create_async(
            intent(customer=customer.id, payment_method=kept.id, off_session=True)
        )
        assert again.status == "succeeded"
        other = await sdk.v1.customers.create_async({})
        with pytest.raises(stripe.InvalidRequestError):
            await sdk.v1.payment_intents.create_async(
                intent(customer=other.id, payment_method=kept.id)
            )

    sim = Simulator()
    run(story(sim))
    assert "payment_method.attached" in types(sim)
    assert sim.audit() == []


def test_confirmed_by_hand_the_server_confirms_again_after_authentication():
    async def story(sim):
        sdk = client(sim)
        waiting = await sdk.v1.payment_intents.create_async(
            intent(
                payment_method="pm_card_authenticationRequired",
                confirmation_method="manual",
                return_url="https://shop.test/back",
            )
        )
        action = waiting.next_action
        assert action.type == "redirect_to_url"
        assert action.redirect_to_url.return_url == "https://shop.test/back"
        assert waiting.id in action.redirect_to_url.url
        assert sim.acts.authenticate(waiting.id)["status"] == "requires_confirmation"
        done = await sdk.v1.payment_intents.confirm_async(waiting.id)
        assert done.status == "succeeded"

    sim = Simulator()
    run(story(sim))
    assert sim.audit() == []


def test_a_customer_who_fails_the_check_leaves_a_payment_without_a_method():
    async def story(sim):
        sdk = client(sim)
        asked = intent(payment_method="pm_card_authenticationRequired")
        waiting = await sdk.v1.payment_intents.create_async(asked)
        gone = sim.acts.authenticate(waiting.id, success=False)
        assert gone["status"] == "requires_payment_method"
        code = gone["last_payment_error"]["code"]
        assert code == "payment_intent_authentication_failure"
        assert (
            last_event(sim, "payment_intent.payment_failed")["data"]["object"]["id"] == waiting.id
        )

    run(story(Simulator()))


def test_what_only_a_confirmation_can_use_is_refused_without_one():
    async def story(sim):
        sdk = client(sim)
        for name, value in {"off_session": True, "return_url": "https://shop.test"}.items():
            with pytest.raises(stripe.InvalidRequestError, match="`confirm`") as refused:
                await sdk.v1.payment_intents.create_async(intent(confirm=False, **{name: value}))
            assert refused.value.param == name
        with pytest.raises(stripe.InvalidRequestError, match="missing a payment method"):
            await sdk.v1.payment_intents.create_async(
                {"amount": 500, "currency": "usd", "confirm": True}
            )
        automatic = {"enabled": True}
        with pytest.raises(stripe.InvalidRequestError, match="return_url"):
            await sdk.v1.payment_intents.create_async(intent(automatic_payment_methods=automatic))
        never = {"enabled": True, "allow_redirects": "never"}
        paid = await sdk.v1.payment_intents.create_async(intent(automatic_payment_methods=never))
        assert paid.automatic_payment_methods.allow_redirects == "never"

    sim = Simulator()
    run(story(sim))
    assert types(sim).count("payment_intent.created") == 1


@pytest.mark.parametrize(
    ("amount", "currency", "code"),
    [
        (49, "usd", "amount_too_small"),
        (29, "gbp", "amount_too_small"),
        (49, "jpy", "amount_too_small"),
        (3_001, "kwd", "invalid_charge_amount"),
        (50_050, "isk", "invalid_charge_amount"),
        (0, "usd", "parameter_invalid_integer"),
        (10**12, "usd", "amount_too_large"),
    ],
)
def test_amounts_that_a_currency_does_not_allow(amount, currency, code):
    async def story(sim):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            await client(sim).v1.payment_intents.create_async(
                {"amount": amount, "currency": currency}
            )
        assert (refused.value.code, refused.value.param) == (code, "amount")

    sim = Simulator()
    run(story(sim))
    assert types(sim) == []


def test_what_is_assumed_depends_on_the_version():
    async def story(sim):
        form = "amount=1000&currency=usd"
        old = (await post(sim, "/v1/payment_intents", form, "2019-08-14")).json()
        assert (old["capture_method"], old["automatic_payment_methods"]) == ("automatic", None)
        middle = (await post(sim, "/v1/payment_intents", form, "2023-10-16")).json()
        assert middle["capture_method"] == "automatic"
        assert middle["automatic_payment_methods"]["enabled"] is True
        new = (await post(sim, "/v1/payment_intents", form)).json()
        assert new["capture_method"] == "automatic_async"
        shown = new["payment_method_options"]["card"]
        assert shown == {
            "installments": None,
            "mandate_options": None,
            "network": None,
            "request_three_d_secure": "automatic",
        }

    run(story(Simulator()))


def test_an_open_payment_changes_and_a_finished_one_only_its_words():
    async def story(sim):
        sdk = client(sim)
        made = await sdk.v1.payment_intents.create_async({"amount": 500, "currency": "usd"})
        changed = await sdk.v1.payment_intents.update_async(
            made.id,
            {
                "amount": 900,
                "payment_method": "pm_card_visa",
                "shipping": {"name": "A", "address": {"line1": "B"}},
                "metadata": {"a": "1"},
            },
        )
        assert (changed.amount, changed.status) == (900, "requires_confirmation")
        assert changed.shipping.address.line1 == "B"
        with pytest.raises(stripe.InvalidRequestError) as refused:
            await sdk.v1.payment_intents.update_async(made.id, {"amount": 10})
        assert refused.value.code == "amount_too_small"
        await sdk.v1.payment_intents.confirm_async(made.id)
        done = await sdk.v1.payment_intents.update_async(made.id, {"description": "late"})
        assert (done.description, done.amount) == ("late", 900)
        with pytest.raises(stripe.InvalidRequestError, match="amount could not be updated"):
            await sdk.v1.payment_intents.update_async(made.id, {"amount": 1_000})
        with pytest.raises(stripe.InvalidRequestError, match="You cannot cancel"):
            await sdk.v1.payment_intents.cancel_async(made.id)

    run(story(Simulator()))


def test_payments_are_found_by_what_is_known_of_them():
    async def story(sim):
        sdk = client(sim)
        for order in ("6735", "6736"):
            sim.acts.pay(1_000 + int(order), "usd", metadata={"order": order})
        sim.acts.pay(1_000, "usd", card="pm_card_chargeDeclined", metadata={"order": "6735"})
        found = await sdk.v1.payment_intents.search_async(
            {"query": "metadata['order']:'6735' AND status:'succeeded'"}
        )
        assert [each.amount for each in found.data] == [7_735]
        found = await sdk.v1.payment_intents.search_async({"query": "amount>7000", "limit": 1})
        assert (len(found.data), found.has_more) == (1, True)
        rest = await sdk.v1.payment_intents.search_async(
            {"query": "amount>7000", "limit": 1, "page": found.next_page}
        )
        assert rest.data[0].id != found.data[0].id
        charges = await sdk.v1.charges.search_async({"query": "-status:'succeeded'"})
        assert [each.status for each in charges.data] == ["failed"]
        for wrong in ("colour:'red'", "amount", "amount>1 AND status:'x' OR status:'y'"):
            with pytest.raises(stripe.InvalidRequestError):
                await sdk.v1.payment_intents.search_async({"query": wrong})

    run(story(Simulator()))
