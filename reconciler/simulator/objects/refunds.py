"""Refunds: money back to a customer, which may arrive late, fail late, or be called off.

A failed or cancelled refund returns its money through `failure_balance_transaction`. How a refund
goes is decided by the card of its charge.
"""

from reconciler.simulator.kernel.form import merged
from reconciler.simulator.kernel.pages import page
from reconciler.simulator.kernel.refusals import Refusal, missing_parameter, refused
from reconciler.simulator.kernel.world import Book, Call, Json, World
from reconciler.simulator.objects import charges, events, ledger
from reconciler.simulator.objects.cards import card_of
from reconciler.simulator.objects.ledger import Movement

_REASONS = ("duplicate", "fraudulent", "requested_by_customer")
_OPEN_DISPUTE = ("needs_response", "under_review", "lost")


def create(call: Call) -> Json:
    form = call.form
    amount, metadata = form.amount(), form.metadata()
    reason = form.choice("reason", _REASONS)
    if form.flag("reverse_transfer") or form.flag("refund_application_fee"):
        raise refused("This charge has neither a transfer nor an application fee to give back.")
    charge = _charge(call)
    refusal = _refusal(call.book, charge, amount)
    if refusal is not None:
        raise refusal
    refund = _blank(call, charge, amount or charges.refundable(charge))
    refund.update(metadata=metadata, reason=reason, status=_first_status(call, charge))
    call.world.put(call.book, "refund", refund)
    call.book.belong(charge["id"], "refunds", refund["id"])
    if refund["status"] != "requires_action":
        _take_back(call, charge, refund)
    events.emit(call, "refund.created", refund)
    events.amend(call, charge, charges.after_refund(charge, refund["amount"]), "charge.refunded")
    _plan(call, charge, refund)
    return refund


def cancel(call: Call) -> Json:
    """Only a refund that waits for the customer can be called off through the API."""
    refund = call.book.get("refund", call.path["id"])
    if refund["status"] != "requires_action":
        raise refused(
            f"This refund has a status of {refund['status']} and cannot be canceled; only refunds "
            "with a status of requires_action can.",
        )
    return _return_money(call, refund, "canceled", "merchant_request")


def fail(call: Call, refund: Json, reason: str = "expired_or_canceled_card") -> Json:
    """The customer's bank sends it back, also after it had succeeded."""
    if refund["status"] in ("failed", "canceled"):
        raise refused(f"This refund has already {refund['status']}.")
    return _return_money(call, refund, "failed", reason)


def succeed(call: Call, refund: Json) -> Json:
    """It arrives; if it waited for the customer, its money leaves only now."""
    if refund["status"] == "requires_action":
        _take_back(call, call.book.get("charge", refund["charge"]), refund)
    if refund["status"] in ("pending", "requires_action"):
        events.amend(call, refund, {"status": "succeeded"}, "refund.updated")
    return refund


def happen(world: World, account: str, refund: str, outcome: str) -> None:
    """A refund reaches its end by itself, if it is still on the way there."""
    call = Call(world, world.books[account])
    thing = call.book.get("refund", refund)
    if outcome == "succeeds":
        succeed(call, thing)
    elif thing["status"] == "succeeded":
        fail(call, thing)


def update(call: Call) -> Json:
    refund = call.book.get("refund", call.path["id"])
    metadata = merged(refund["metadata"], call.form.metadata())
    events.amend(call, refund, {"metadata": metadata}, "refund.updated")
    return refund


def retrieve(call: Call) -> Json:
    return call.book.get("refund", call.path["id"])


def listing(call: Call) -> Json:
    return page(call, call.book.shelf("refund"), equal=("charge", "payment_intent"))


def _charge(call: Call) -> Json:
    """The charge to refund: named, or the successful one of the payment intent."""
    named, payment = call.form.text("charge"), call.form.text("payment_intent")
    if named:
        return call.book.get("charge", named, "charge")
    if not payment:
        raise missing_parameter("payment_intent")
    intent = call.book.get("payment_intent", payment, "payment_intent")
    if intent["status"] != "succeeded":
        raise refused(
            f"This PaymentIntent ({payment}) does not have a successful charge to refund.",
            "payment_intent_unexpected_state",
            "payment_intent",
        )
    return call.book.get("charge", intent["latest_charge"])


def _refusal(book: Book, charge: Json, amount: int | None) -> Refusal | None:
    left = charges.refundable(charge)
    if charge["status"] == "failed" or not charge["captured"]:
        return refused(f"Charge {charge['id']} cannot be refunded.", "charge_not_refundable")
    disputes = book.belonging(charge["id"], "disputes", "dispute")
    if any(dispute["status"] in _OPEN_DISPUTE for dispute in disputes):
        return refused(
            f"Charge {charge['id']} has been charged back; cannot issue a refund.",
            "charge_disputed",
        )
    if left == 0:
        return refused(
            f"Charge {charge['id']} has already been refunded.", "charge_already_refunded"
        )
    if amount is not None and amount > left:
        return refused(
            f"Refund amount ({_decimal(amount)}) is greater than unrefunded amount on charge "
            f"({_decimal(left)})",
            param="amount",
        )
    return None


def _first_status(call: Call, charge: Json) -> str:
    if call.form.flag("_requires_action"):
        return "requires_action"
    return "pending" if card_of(charge).refund == "pends" else "succeeded"


def _take_back(call: Call, charge: Json, refund: Json) -> None:
    """The refunded money leaves the balance, from the charge's own money if that is pending."""
    money = ledger.settled_amount(call, -refund["amount"], refund["currency"])
    row = ledger.post(
        call,
        Movement(
            "refund",
            "refund",
            money,
            refund["id"],
            description=charge["description"],
            available_on=charges.available_on(call.book, charge),
        ),
    )
    refund["balance_transaction"] = row["id"]


def _return_money(call: Call, refund: Json, status: str, reason: str) -> Json:
    changes: Json = {"status": status, "failure_reason": reason}
    taken = refund["balance_transaction"]
    if taken is not None:
        original = call.book.get("balance_transaction", taken)
        row = ledger.undo(call, original, "refund_failure", "refund_failure")
        changes["failure_balance_transaction"] = row["id"]
    charge = call.book.get("charge", refund["charge"])
    charge.update(charges.after_refund(charge, -refund["amount"]))
    types = ["refund.updated"] + (["refund.failed"] if status == "failed" else [])
    events.amend(call, refund, changes, *types)
    return refund


def _plan(call: Call, charge: Json, refund: Json) -> None:
    course = card_of(charge).refund
    details = {"account": call.book.id, "refund": refund["id"]}
    if course == "pends":
        due = call.now + call.settings.pending_refund_seconds
        call.world.clock.at(due, "refund_ends", outcome="succeeds", **details)
    elif course == "fails":
        due = call.now + call.settings.refund_failure_seconds
        call.world.clock.at(due, "refund_ends", outcome="fails", **details)


def _blank(call: Call, charge: Json, amount: int) -> Json:
    reference = {"reference_status": "pending", "reference_type": "acquirer_reference_number"}
    return {
        "id": call.world.ids.new("re"),
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": call.now,
        "currency": charge["currency"],
        "customer": charge["customer"],
        "customer_account": None,
        "destination_details": {"card": {**reference, "type": "refund"}, "type": "card"},
        "payment_intent": charge["payment_intent"],
        "payment_method": charge["payment_method"],
        "receipt_number": None,
        "source_transfer_reversal": None,
        "transfer_reversal": None,
    }


def _decimal(amount: int) -> str:
    return f"{amount // 100}.{amount % 100:02}"
