"""Payment intents: created, confirmed, captured, cancelled.

A declined card is an answer of 402 after the failed charge has been recorded. Refunds and disputes
never change a payment intent; it stays succeeded.
"""

from typing import Any

from reconciler.simulator.kernel.form import merged
from reconciler.simulator.kernel.pages import page
from reconciler.simulator.kernel.refusals import Refusal, refused
from reconciler.simulator.kernel.world import Call, Json
from reconciler.simulator.objects import charges, disputes, events
from reconciler.simulator.objects.cards import MESSAGES, card_of, method_for

_CAPTURE = ("automatic", "automatic_async", "manual")
_REASONS = ("abandoned", "duplicate", "fraudulent", "requested_by_customer")
_CANCELABLE = (
    "requires_payment_method",
    "requires_confirmation",
    "requires_action",
    "requires_capture",
    "processing",
)


def create(call: Call) -> Json:
    form = call.form
    amount, currency = form.needed_amount(), form.needed("currency").lower()
    capture_method = form.choice("capture_method", _CAPTURE) or "automatic_async"
    metadata, confirmed = form.metadata(), form.flag("confirm")
    customer = form.text("customer")
    if customer:
        call.book.get("customer", customer, "customer")
    given = form.text("payment_method")
    method = method_for(call, given) if given else None
    intent = _blank(call, amount, currency)
    intent.update(
        capture_method=capture_method,
        customer=customer,
        description=form.text("description"),
        metadata=metadata,
        payment_method=method["id"] if method else None,
        receipt_email=form.text("receipt_email"),
        statement_descriptor=form.text("statement_descriptor"),
        status="requires_confirmation" if method else "requires_payment_method",
        transfer_group=form.text("transfer_group"),
    )
    call.world.put(call.book, "payment_intent", intent)
    events.emit(call, "payment_intent.created", intent)
    return _confirm(call, intent, method) if confirmed else intent


def confirm(call: Call) -> Json:
    intent = call.book.get("payment_intent", call.path["id"])
    given = call.form.text("payment_method") or intent["payment_method"]
    if intent["status"] not in ("requires_payment_method", "requires_confirmation"):
        raise _unexpected_state(intent, "confirm")
    return _confirm(call, intent, method_for(call, given) if given else None)


def capture(call: Call) -> Json:
    """Take what was authorised, or part of it; the rest is released."""
    intent = call.book.get("payment_intent", call.path["id"])
    amount = call.form.amount("amount_to_capture") or intent["amount_capturable"]
    if intent["status"] != "requires_capture":
        raise _unexpected_state(intent, "capture")
    if amount > intent["amount_capturable"]:
        raise refused(
            f"The amount to capture ({amount}) exceeds the capturable amount "
            f"({intent['amount_capturable']}).",
            "amount_too_large",
            "amount_to_capture",
        )
    charge = call.book.get("charge", intent["latest_charge"])
    charge.update(captured=True, amount_captured=amount)
    charges.book_money(call, charge)
    intent.update(status="succeeded", amount_capturable=0, amount_received=amount)
    events.emit(call, "charge.captured", charge)
    events.emit(call, "payment_intent.succeeded", intent)
    disputes.follow_card(call, charge)
    return intent


def cancel(call: Call) -> Json:
    intent = call.book.get("payment_intent", call.path["id"])
    reason = call.form.choice("cancellation_reason", _REASONS)
    if intent["status"] not in _CANCELABLE:
        raise _unexpected_state(intent, "cancel")
    if intent["status"] == "requires_capture":
        charge = call.book.get("charge", intent["latest_charge"])
        charge.update(amount_refunded=charge["amount"], refunded=True)
        events.emit(call, "charge.refunded", charge)
    intent.update(
        status="canceled",
        amount_capturable=0,
        canceled_at=call.now,
        cancellation_reason=reason,
    )
    events.emit(call, "payment_intent.canceled", intent)
    return intent


def update(call: Call) -> Json:
    """Amounts and currency may change only before the money is taken."""
    intent = call.book.get("payment_intent", call.path["id"])
    changes: Json = {"metadata": merged(intent["metadata"], call.form.metadata())}
    open_ = intent["status"] in ("requires_payment_method", "requires_confirmation")
    amount = call.form.amount()
    if amount and not open_:
        raise _unexpected_state(intent, "update")
    if amount:
        changes["amount"] = amount
    given = call.form.text("payment_method")
    if given and not open_:
        raise _unexpected_state(intent, "update")
    if given:
        changes["payment_method"] = method_for(call, given)["id"]
        changes["status"] = "requires_confirmation"
    for name in ("description", "receipt_email", "transfer_group", "customer"):
        if name in call.form:
            changes[name] = call.form.text(name)
    intent.update(changes)
    return intent


def retrieve(call: Call) -> Json:
    return call.book.get("payment_intent", call.path["id"])


def listing(call: Call) -> Json:
    return page(call, call.book.shelf("payment_intent"), equal=("customer",))


def _confirm(call: Call, intent: Json, method: Json | None) -> Json:
    if method is None:
        raise refused(
            "You cannot confirm this PaymentIntent because it's missing a payment method.",
            "payment_intent_unexpected_state",
            "payment_method",
        )
    if card_of(method).authentication and not call.form.flag("_authenticated"):
        return _ask_customer(call, intent, method)
    intent["next_action"] = None
    charge = charges.attempt(call, intent, method)
    intent.update(latest_charge=charge["id"], payment_method=method["id"])
    if charge["status"] == "failed":
        raise _declined(call, intent, charge, method)
    intent["last_payment_error"] = None
    if intent["capture_method"] == "manual":
        intent.update(status="requires_capture", amount_capturable=intent["amount"])
        events.emit(call, "charge.succeeded", charge)
        events.emit(call, "payment_intent.amount_capturable_updated", intent)
        return intent
    _take(call, intent, charge)
    return intent


def authenticate(call: Call, intent: Json) -> Json:
    """The customer proves to be the holder of the card, and the payment goes on."""
    if intent["status"] != "requires_action":
        raise _unexpected_state(intent, "authenticate")
    method = call.book.get("payment_method", intent["payment_method"])
    return _confirm(call.asking(_authenticated=True), intent, method)


def _ask_customer(call: Call, intent: Json, method: Json) -> Json:
    """The bank wants its customer: impossible when nobody is there to be asked."""
    if _absent(call) or call.form.flag("error_on_requires_action"):
        code = "authentication_required"
        refusal = Refusal("card", MESSAGES[code], code=code, payment_method=method)
        raise _back_to_start(call, intent, refusal)
    use = {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect"}}
    intent.update(status="requires_action", payment_method=method["id"], next_action=use)
    events.emit(call, "payment_intent.requires_action", intent)
    return intent


def _absent(call: Call) -> bool:
    """`off_session` is true, or says what kind of absence it is."""
    return call.form.text("off_session") not in (None, "False", "false")


def _take(call: Call, intent: Json, charge: Json) -> None:
    """The money is taken now; with `automatic_async` it is booked a moment later."""
    charge.update(captured=True, amount_captured=charge["amount"])
    if intent["capture_method"] == "automatic":
        charges.book_money(call, charge)
    else:
        due = call.now + call.settings.async_capture_seconds
        call.world.clock.at(due, "book_charge", account=call.book.id, charge=charge["id"])
    intent.update(status="succeeded", amount_received=intent["amount"])
    events.emit(call, "charge.succeeded", charge)
    events.emit(call, "payment_intent.succeeded", intent)
    disputes.follow_card(call, charge)


def _declined(call: Call, intent: Json, charge: Json, method: Json) -> Refusal:
    """The failed attempt is on record, the payment waits for another card."""
    card = card_of(method)
    message = MESSAGES[card.code or ""]
    if card.decline_code == "insufficient_funds":
        message = MESSAGES["insufficient_funds"]
    more: dict[str, Any] = {"charge": charge["id"], "payment_method": method}
    if card.decline_code:
        more["decline_code"] = card.decline_code
    if card.code == "expired_card":
        more["param"] = "exp_month"
    events.emit(call, "charge.failed", charge)
    return _back_to_start(call, intent, Refusal("card", message, code=card.code, **more))


def _back_to_start(call: Call, intent: Json, refusal: Refusal) -> Refusal:
    """The payment waits for another card, and remembers why."""
    intent.update(
        status="requires_payment_method",
        payment_method=None,
        last_payment_error=dict(refusal.error),
    )
    events.emit(call, "payment_intent.payment_failed", intent)
    refusal.error["payment_intent"] = intent
    return refusal


def _unexpected_state(intent: Json, verb: str) -> Refusal:
    return refused(
        f"You cannot {verb} this PaymentIntent because it has a status of {intent['status']}.",
        "payment_intent_unexpected_state",
    )


def _blank(call: Call, amount: int, currency: str) -> Json:
    intent = call.world.ids.new("pi")
    return {
        "id": intent,
        "object": "payment_intent",
        "allowed_payment_method_types": None,
        "amount": amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": {"allow_redirects": "never", "enabled": True},
        "canceled_at": None,
        "cancellation_reason": None,
        "client_secret": call.world.ids.new(f"{intent}_secret"),
        "confirmation_method": "automatic",
        "created": call.now,
        "currency": currency,
        "customer_account": None,
        "excluded_payment_method_types": None,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "next_action": None,
        "on_behalf_of": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": ["card"],
        "processing": None,
        "review": None,
        "setup_future_usage": None,
        "shipping": None,
        "statement_descriptor_suffix": None,
        "transfer_data": None,
    }
