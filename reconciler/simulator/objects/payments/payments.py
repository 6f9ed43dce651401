"""Payment intents, as they are asked for: created, changed, confirmed, captured, called off.

What a request means is decided here; how a payment then goes is in the rooms beside this one.
Refunds and disputes never change a payment intent; it stays succeeded.
"""

from reconciler.simulator.kernel import search
from reconciler.simulator.kernel.pages import page
from reconciler.simulator.kernel.refusals import Refusal, refused
from reconciler.simulator.kernel.world import Call, Json
from reconciler.simulator.objects.methods import confirmation_tokens, methods
from reconciler.simulator.objects.notices import events
from reconciler.simulator.objects.payments import (
    cash,
    payment_blank,
    payment_capture,
    payment_confirm,
    payment_rules,
    payment_states,
)

_REASONS = ("abandoned", "duplicate", "fraudulent", "requested_by_customer")
_SEARCHED = ("amount", "currency", "customer", "status")

_KINDS = (
    "allowed_payment_method_types",
    "excluded_payment_method_types",
    "payment_method_types",
)

# What can only change while nothing has been taken yet.
_GUARDED = (
    "amount",
    "application_fee_amount",
    "currency",
    "customer",
    "capture_method",
    "payment_method",
    "payment_method_data",
    "payment_method_types",
    "allowed_payment_method_types",
    "setup_future_usage",
    "transfer_data",
    "transfer_group",
)


def create(call: Call) -> Json:
    asked, call = call, confirmation_tokens.unfold(call)
    form = call.form
    amount, currency = payment_rules.given_amount(form), form.needed("currency").lower()
    payment_rules.check_confirmed(form)
    intent = payment_blank.blank(call, amount, currency)
    method = _method(call)
    intent.update(payment_blank.changes(call, intent))
    intent.update(payment_blank.accept(call, intent, _kind(method)))
    payment_rules.check_amount(call, amount, currency, intent["payment_method_types"])
    if method is not None:
        _offer(intent, method)
    confirmed = form.flag("confirm")
    if confirmed:
        payment_confirm.admit(call, intent, method)
    confirmation_tokens.spend(asked, intent)
    call.world.put(call.book, "payment_intent", intent)
    events.emit(call, "payment_intent.created", intent)
    return payment_confirm.go_on(call, intent, method) if confirmed and method else intent


def confirm(call: Call) -> Json:
    """Parameters that change the payment are taken over first."""
    asked, call = call, confirmation_tokens.unfold(call)
    intent = retrieve(call)
    _refuse_checkout(call, intent)
    method = _method(call)
    if method is None and intent["payment_method"]:
        method = call.book.get("payment_method", intent["payment_method"])
    changed = _changed(call, intent, method)
    payment_confirm.admit(call, changed, method)
    confirmation_tokens.spend(asked, intent)
    intent.update(changed)
    return payment_confirm.go_on(call, intent, method) if method else intent


def update(call: Call) -> Json:
    """Amounts, methods and currencies may change only before the money is taken."""
    intent = retrieve(call)
    if "amount" in call.form:
        _refuse_checkout(call, intent)
    if intent["status"] not in payment_states.OPEN:
        for name in _GUARDED:
            if name in call.form:
                raise payment_rules.cannot_update(intent, name, payment_states.OPEN)
    method = _method(call)
    changed = _changed(call, intent, method)
    if method is not None:
        _offer(changed, method)
        changed["next_action"] = None
    intent.update(changed)
    return intent


def capture(call: Call) -> Json:
    return payment_capture.capture(call, retrieve(call))


def cancel(call: Call) -> Json:
    intent = retrieve(call)
    reason = call.form.choice("cancellation_reason", _REASONS)
    _refuse_checkout(call, intent)
    return payment_capture.cancel(call, intent, reason)


def increment_authorization(call: Call) -> Json:
    return payment_capture.increment(call, retrieve(call))


def apply_customer_balance(call: Call) -> Json:
    return cash.apply(call, retrieve(call))


def authenticate(call: Call, intent: Json) -> Json:
    """The customer passes the bank's check."""
    return payment_confirm.authenticate(call, intent)


def fail_authentication(call: Call, intent: Json) -> Json:
    return payment_confirm.fail_authentication(call, intent)


def retrieve(call: Call) -> Json:
    named = call.path["id"]
    intent = call.book.shelf("payment_intent").get(named)
    if intent is None:
        message = f"No such payment_intent: '{named}'"
        raise Refusal("missing", message, code="resource_missing", param="intent")
    secret = call.form.text("client_secret")
    if secret is not None and secret != intent["client_secret"]:
        message = (
            "The client_secret provided does not match the client_secret associated with the "
            "PaymentIntent."
        )
        raise refused(message, "payment_intent_invalid_parameter", "client_secret")
    return intent


def listing(call: Call) -> Json:
    return page(call, call.book.shelf("payment_intent"), equal=("customer",))


def search_(call: Call) -> Json:
    shelf = call.book.shelf("payment_intent")
    return search.search(call, shelf, "/v1/payment_intents/search", _SEARCHED)


def line_items(call: Call) -> Json:
    """What an amount consists of, line by line: never anything here."""
    retrieve(call)
    return page(call, {})


# What a request says about the method.


def _method(call: Call) -> Json | None:
    """The payment method of a request: named, a new one, or from a confirmation token."""
    form = call.form
    named = form.text("payment_method")
    if named:
        return methods.method_for(call, named)
    data = form.mapping("payment_method_data")
    return methods.from_data(call, data) if data else None


def _kind(method: Json | None) -> str | None:
    return str(method["type"]) if method else None


def _offer(intent: Json, method: Json) -> None:
    """The payment has a method now, and waits to be confirmed."""
    methods.check_usable(method, intent["customer"])
    intent.update(payment_method=method["id"], status="requires_confirmation")


def _changed(call: Call, intent: Json, method: Json | None) -> Json:
    """A copy of the intent with all that the form says, judged; the intent is as it was."""
    changed = {**intent, **payment_blank.changes(call, intent)}
    if any(name in call.form for name in _KINDS):
        changed.update(payment_blank.accept(call, changed, _kind(method)))
    else:
        changed.update(payment_blank.accept_also(call, changed, _kind(method)))
    if "amount" in call.form or "currency" in call.form:
        kinds = changed["payment_method_types"]
        payment_rules.check_amount(call, changed["amount"], changed["currency"], kinds)
    return changed


def _refuse_checkout(call: Call, intent: Json) -> None:
    if intent.get("_checkout_session") and not call.form.flag("_by_checkout"):
        raise refused("You cannot perform this action on PaymentIntents created by Checkout.")
