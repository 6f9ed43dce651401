"""The states a payment intent goes through, each with the event that says so.

Only the intent is changed here; what its charge and its money do is done before.
"""

from reconciler.simulator.kernel.refusals import Refusal
from reconciler.simulator.kernel.views import copied
from reconciler.simulator.kernel.world import Call, Json
from reconciler.simulator.objects.notices import events

OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")


def succeed(call: Call, intent: Json, received: int) -> Json:
    intent.update(
        amount_capturable=0,
        amount_received=received,
        last_payment_error=None,
        next_action=None,
        status="succeeded",
    )
    return intent


def hold(intent: Json, capturable: int) -> Json:
    intent.update(
        amount_capturable=capturable,
        last_payment_error=None,
        next_action=None,
        status="requires_capture",
    )
    return intent


def ask(call: Call, intent: Json, method: Json, action: Json) -> Json:
    """The customer has to do something before it can go on."""
    intent.update(next_action=action, payment_method=method["id"], status="requires_action")
    events.emit(call, "payment_intent.requires_action", intent)
    return intent


def fail(call: Call, intent: Json, refusal: Refusal) -> Refusal:
    """The payment waits for another method, and remembers why."""
    error = dict(sorted(copied(refusal.error).items()))
    intent.update(
        amount_capturable=0,
        last_payment_error=error,
        next_action=None,
        payment_method=None,
        status="requires_payment_method",
    )
    events.emit(call, "payment_intent.payment_failed", intent)
    refusal.error["payment_intent"] = intent
    refusal.error = dict(sorted(refusal.error.items()))
    return refusal


def end(call: Call, intent: Json, reason: str | None) -> Json:
    """Called off, for good."""
    intent.update(
        amount_capturable=0,
        canceled_at=call.now,
        cancellation_reason=reason,
        next_action=None,
        status="canceled",
    )
    events.emit(call, "payment_intent.canceled", intent)
    return intent


def released(call: Call, charge: Json) -> None:
    """Its authorisation was let go by a refund: nothing is left to capture."""
    intent = call.book.shelf("payment_intent").get(charge["payment_intent"] or "")
    if intent is not None and intent["status"] == "requires_capture":
        end(call, intent, None)
