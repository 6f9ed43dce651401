"""A payment is confirmed: its bank is asked, its customer perhaps too, and money is taken or held.

A declined card is an answer of 402 after the failed charge has been recorded.
"""

from typing import Any

from reconciler.simulator.kernel.refusals import Refusal, refused
from reconciler.simulator.kernel.views import served
from reconciler.simulator.kernel.world import Call, Json
from reconciler.simulator.objects.methods import cards, mandates, methods
from reconciler.simulator.objects.notices import events
from reconciler.simulator.objects.payments import (
    cash,
    charge_details,
    charge_money,
    charges,
    payment_async,
    payment_capture,
    payment_rules,
    payment_states,
)
from reconciler.simulator.objects.returns import disputes

_CURRENCIES: dict[str, tuple[str, ...]] = {"sepa_debit": ("eur",), "us_bank_account": ("usd",)}


def go_on(call: Call, intent: Json, method: Json) -> Json:
    """As far as it goes without anybody else. What can be refused beforehand is in `admit`."""
    intent["payment_method"] = method["id"]
    intent["_off_session"] = absent(call)
    intent["_return_url"] = call.form.text("return_url") or intent.get("_return_url")
    _give_mandate(call, intent, method)
    if method["type"] == "customer_balance":
        return cash.await_funds(call, intent, method)
    if _asks(call, intent, method):
        return _ask_customer(call, intent, method)
    return attempt(call, intent, method)


def absent(call: Call) -> bool:
    """`off_session` is true, or says what kind of absence it is."""
    return str(call.form.values.get("off_session", "")).lower() not in ("", "false", "none")


def attempt(call: Call, intent: Json, method: Json, unasked: bool = False) -> Json:
    """Ask the bank for the money, whoever had to be asked before."""
    charge = charges.attempt(call, intent, method, unasked=unasked)
    intent.update(latest_charge=charge["id"], next_action=None, payment_method=method["id"])
    if charge["status"] == "failed":
        raise _declined(call, intent, charge, method)
    if intent["_mandate"]:
        mandates.used(call, intent["_mandate"])
    if charge["status"] == "pending":
        return payment_async.begin(call, intent, charge, method)
    if charge_details.held(intent, method["type"]):
        payment_states.hold(intent, intent["amount"])
        payment_capture.hold(call, charge)
        methods.used(call, method, intent["customer"], intent["setup_future_usage"])
        show_checks(charge, method)
        events.emit(call, "charge.succeeded", charge)
        events.emit(call, "payment_intent.amount_capturable_updated", intent)
        return intent
    _take(call, intent, charge, method)
    return intent


def authenticate(call: Call, intent: Json) -> Json:
    """The customer proves to be the holder of the card, and the payment goes on.

    Nobody waits for an answer here, so that a decline is only seen in the intent.
    """
    if intent["status"] != "requires_action":
        raise payment_rules.wrong_state(intent, "authenticate", ("requires_action",))
    method = call.book.get("payment_method", intent["payment_method"])
    intent.update(_authenticated=method["id"], next_action=None)
    if intent["confirmation_method"] == "manual":
        intent["status"] = "requires_confirmation"
        return intent
    try:
        return attempt(call, intent, method)
    except Refusal as refusal:
        if "payment_intent" not in refusal.error:
            raise
        return intent


def fail_authentication(call: Call, intent: Json) -> Json:
    """The customer did not prove it: another method is needed."""
    if intent["status"] != "requires_action":
        raise payment_rules.wrong_state(intent, "authenticate", ("requires_action",))
    method = call.book.get("payment_method", intent["payment_method"])
    refusal = Refusal(
        "invalid_request",
        "The provided PaymentMethod has failed authentication. You can provide "
        "payment_method_data or a new PaymentMethod to attempt to fulfill this PaymentIntent "
        "again.",
        code="payment_intent_authentication_failure",
        payment_method=served(call.book, method),
    )
    payment_states.fail(call, intent, refusal)
    return intent


# What is refused before anything happened.


def admit(call: Call, intent: Json, method: Json | None) -> None:
    """Refuse what cannot be confirmed, before anything happened."""
    if intent["status"] not in payment_states.OPEN:
        raise payment_rules.wrong_state(
            intent, "confirm", ("requires_payment_method", "requires_confirmation")
        )
    if method is None:
        raise payment_rules.no_method(intent)
    _admit_kind(intent, method)
    methods.check_usable(method, intent["customer"])
    if method["type"] == "customer_balance":
        cash.admit(intent)
    elif not call.form.flag("_by_checkout"):
        given, data = call.form.text("mandate"), call.form.mapping("mandate_data")
        mandates.needed(call, method, given, data, "PaymentIntent")
        _check_return(call, intent, method)


def _admit_kind(intent: Json, method: Json) -> None:
    kind, kinds = method["type"], intent["payment_method_types"]
    if kind not in kinds:
        raise refused(
            f"The PaymentMethod provided ({kind}) is not allowed for this PaymentIntent. Please "
            "attach a PaymentMethod with one of the following types: "
            f"{', '.join(kinds)}. Alternatively update the allowed payment_method_types for this "
            f'PaymentIntent to include "{kind}".',
            "payment_intent_incompatible_payment_method",
            "payment_method",
        )
    currencies = _CURRENCIES.get(kind)
    if currencies and intent["currency"] not in currencies:
        raise refused(
            f"The currency provided ({intent['currency']}) is invalid for one of the payment "
            f"method types you specified. `{kind}` supports: {', '.join(currencies)}.",
            "payment_intent_invalid_currency",
            "currency",
        )
    if intent["capture_method"] == "manual" and cards.card_of(method).settles == "later":
        message = f"The payment method type {kind} cannot be used with capture_method=manual."
        raise refused(message, None, "capture_method")


def _give_mandate(call: Call, intent: Json, method: Json) -> None:
    """The customer's word for a debit: an earlier one, or one given with this payment."""
    given, data = call.form.text("mandate"), call.form.mapping("mandate_data")
    if given is None and data:
        given = str(mandates.make(call, method, data)["id"])
    elif given is None and method["type"] in mandates.NEEDED_BY:
        standing = mandates.of_method(call, method) or mandates.make(call, method, {})
        given = str(standing["id"])
    intent["_mandate"] = given


def _check_return(call: Call, intent: Json, method: Json) -> None:
    """Whoever may be sent away has to be able to come back."""
    if call.form.text("return_url") or intent.get("_return_url") or absent(call):
        return
    if intent.get("_redirects") and not call.form.flag("error_on_requires_action"):
        raise refused(
            "This PaymentIntent is configured to accept payment methods enabled in your "
            "Dashboard. Because some of these payment methods might redirect your customer off "
            "of your page, you must provide a `return_url`. If you don't want to accept "
            "redirect-based payment methods, set `automatic_payment_methods[enabled]` to `true` "
            "and `automatic_payment_methods[allow_redirects]` to `never` when creating Setup "
            "Intents and Payment Intents.",
        )
    card = cards.card_of(method)
    if card.kind not in ("card", "link") and card.authentication == "always":
        message = f"A return_url must be provided to confirm a {method['type']} PaymentIntent."
        raise refused(message, param="return_url")


# The bank wants its customer.


def _asks(call: Call, intent: Json, method: Json) -> bool:
    if intent.get("_authenticated") == method["id"]:
        return False
    asked = intent["payment_method_options"].get("card", {}).get("request_three_d_secure")
    wanted = asked in ("any", "challenge")
    return methods.asks(method, present=not absent(call), wanted=wanted)


def _ask_customer(call: Call, intent: Json, method: Json) -> Json:
    """Impossible when nobody is there to be asked, or when that is not wanted."""
    if absent(call):
        return attempt(call, intent, method, unasked=True)
    if call.form.flag("error_on_requires_action"):
        refusal = Refusal(
            "card",
            "This payment required an authentication action to complete, but "
            "`error_on_requires_action` was set. When you're ready, you can upgrade your "
            "integration to handle actions at "
            "https://stripe.com/docs/payments/payment-intents/upgrade-to-handle-actions.",
            code="authentication_required",
            payment_method=served(call.book, method),
        )
        raise payment_states.fail(call, intent, refusal)
    return payment_states.ask(call, intent, method, _action(call, intent))


def _action(call: Call, intent: Json) -> Json:
    """To a page of the bank and back; or, without an address to come back to, in the SDK."""
    page = f"{call.address}/_simulator/authenticate/{intent['id']}"
    back = intent["_return_url"]
    if back:
        return {"redirect_to_url": {"return_url": back, "url": page}, "type": "redirect_to_url"}
    source = call.world.ids.new("payatt")
    use = {"source": source, "stripe_js": page, "type": "three_d_secure_redirect"}
    return {"type": "use_stripe_sdk", "use_stripe_sdk": use}


# How it ends.


def _take(call: Call, intent: Json, charge: Json, method: Json) -> None:
    """The money is taken now; with `automatic_async` it is booked a moment later."""
    charge.update(captured=True, amount_captured=charge["amount"])
    methods.used(call, method, intent["customer"], intent["setup_future_usage"])
    show_checks(charge, method)
    if intent["capture_method"] == "automatic":
        charge_money.book_money(call, charge)
    else:
        # What is to be spent at once must be there at once.
        wait = 0 if cards.card_of(charge).bypasses_pending else call.settings.async_capture_seconds
        due = call.now + wait
        call.world.clock.at(due, "book_charge", account=call.book.id, charge=charge["id"])
    payment_states.succeed(call, intent, intent["amount"])
    events.emit(call, "charge.succeeded", charge)
    disputes.follow_card(call, charge)
    events.emit(call, "payment_intent.succeeded", intent)


def show_checks(charge: Json, method: Json) -> None:
    """What the bank answered when it was asked."""
    if method["type"] == "card":
        charge["payment_method_details"]["card"]["checks"] = dict(method["card"]["checks"])


def _declined(call: Call, intent: Json, charge: Json, method: Json) -> Refusal:
    """The failed attempt is on record."""
    methods.failed(method, intent["customer"])
    show_checks(charge, method)
    events.emit(call, "charge.failed", charge)
    return payment_states.fail(call, intent, decline(call, charge, method))


def decline(call: Call, charge: Json, method: Json) -> Refusal:
    """The 402 that says why a charge failed."""
    card = cards.card_of(method)
    code = str(charge["failure_code"])
    decline_code = charge["outcome"]["reason"] if code == "card_declined" else None
    if card.blocked:
        decline_code = card.decline_code
    elif code == "authentication_required":
        decline_code = code
    more: dict[str, Any] = {"charge": charge["id"], "payment_method": served(call.book, method)}
    advice, network_code = charge_details.advice_of(card, code, decline_code)
    found = {
        "advice_code": advice,
        "decline_code": decline_code,
        "network_decline_code": network_code,
        "param": {"expired_card": "exp_month", "incorrect_cvc": "cvc"}.get(code),
    }
    more.update({name: value for name, value in found.items() if value})
    return Refusal("card", charge["failure_message"], code=code, **more)
