"""What becomes of a refund: its money leaves, waits, arrives, comes back.

A card refund that the available balance cannot pay waits, and goes on by itself when money arrives.
A failed or cancelled refund returns what it took through `failure_balance_transaction`. Whether a
refund may be asked for is not decided here.
"""

from reconciler.simulator.kernel.clock import DAY
from reconciler.simulator.kernel.ids import rank
from reconciler.simulator.kernel.refusals import insufficient_funds, refused
from reconciler.simulator.kernel.views import copied
from reconciler.simulator.kernel.world import Call, Json, World
from reconciler.simulator.objects.methods.cards import card_of
from reconciler.simulator.objects.notices import events
from reconciler.simulator.objects.payments import charges
from reconciler.simulator.objects.returns.refund_money import by_card, funded, give_back, take

_WAITING = "refund_waiting"
_ENDED = ("failed", "canceled")
_CANCEL_IN_DASHBOARD = 30 * 60

# Stripe leaves these out while they are empty.
_NEVER_EMPTY = ("failure_balance_transaction", "failure_reason", "next_action", "pending_reason")


def begin(call: Call, charge: Json, refund: Json) -> None:
    """The first step, before anybody is told: where the money is, and what happens next."""
    if call.form.flag("_requires_action") or refund.get("instructions_email"):
        _ask_customer(call, charge, refund)
    elif charge["status"] == "pending":
        refund.update(status="pending", pending_reason="charge_pending")
    elif not by_card(charge):
        _by_bank(call, charge, refund)
    elif not funded(call, charge, refund):
        _wait(call, refund)
    else:
        _by_card(call, charge, refund)
    in_order(refund)


def _by_card(call: Call, charge: Json, refund: Json) -> None:
    """At once, and the card of the charge says what becomes of it."""
    take(call, charge, refund)
    course = card_of(charge).refund if "_card" in charge else "succeeds"
    if course == "pends":
        refund.update(status="pending", pending_reason="processing")
        _plan(call, refund, call.settings.pending_refund_seconds, "succeeds")
        return
    refund["status"] = "succeeded"
    _plan_reference(call, refund)
    if course == "fails":
        _plan(call, refund, call.settings.refund_failure_seconds, "fails")


def _by_bank(call: Call, charge: Json, refund: Json) -> None:
    """Methods other than cards take days, and are refused what the balance cannot pay."""
    take(call, charge, refund)
    refund.update(status="pending", pending_reason="processing")
    _plan(call, refund, call.settings.bank_refund_days * DAY, "succeeds")


def _ask_customer(call: Call, charge: Json, refund: Json) -> None:
    """The customer must first say where the money shall go. It is set aside until then."""
    take(call, charge, refund)
    address = refund.get("instructions_email") or charge["billing_details"]["email"]
    expires_at = call.now + call.settings.refund_action_days * DAY
    sent = {"email_sent_at": call.now, "email_sent_to": address or "customer@example.com"}
    refund["status"] = "requires_action"
    refund["next_action"] = {
        "display_details": {"email_sent": sent, "expires_at": expires_at},
        "type": "display_details",
    }
    _plan(call, refund, call.settings.refund_action_days * DAY, "expires")


def must_be_funded(call: Call, charge: Json, refund: Json) -> None:
    """Refuse what cannot wait for money; asked before anything has changed."""
    waits = by_card(charge) and not refund.get("instructions_email")
    if not waits and charge["status"] != "pending" and not funded(call, charge, refund):
        raise insufficient_funds()


# Waiting for money.


def _wait(call: Call, refund: Json) -> None:
    refund.update(status="pending", pending_reason="insufficient_funds")
    call.book.shelf(_WAITING)[refund["id"]] = {"id": refund["id"]}
    _plan(call, refund, call.settings.refund_wait_days * DAY, "was_never_funded")


def proceed(world: World, account: str) -> None:
    """Money has arrived: refunds that waited for it go on, the oldest first, as far as it goes."""
    call = Call(world, world.books[account])
    for refund_id in list(call.book.shelf(_WAITING)):
        refund = call.book.get("refund", refund_id)
        charge = call.book.get("charge", refund["charge"])
        if funded(call, charge, refund):
            _go_on(call, charge, refund)


def charge_succeeded(call: Call, charge: Json) -> None:
    """A payment that took days has succeeded: what was refunded meanwhile can go back."""
    for refund in call.book.belonging(charge["id"], "refunds", "refund"):
        if refund.get("pending_reason") == "charge_pending":
            _go_on(call, charge, refund)


def charge_failed(call: Call, charge: Json) -> None:
    """A payment that took days has failed: there is nothing to give back."""
    for refund in call.book.belonging(charge["id"], "refunds", "refund"):
        if refund.get("pending_reason") == "charge_pending":
            return_money(call, refund, "failed", "unknown")


def _go_on(call: Call, charge: Json, refund: Json) -> None:
    call.book.shelf(_WAITING).pop(refund["id"], None)
    before = copied(refund)
    refund.pop("pending_reason", None)
    if by_card(charge):
        _by_card(call, charge, refund)
    else:
        _by_bank(call, charge, refund)
    in_order(refund)
    _tell(call, refund, events.difference(before, copied(refund)))


# Its end.


def succeed(call: Call, refund: Json) -> Json:
    """It arrives, whatever it was waiting for."""
    if refund["status"] not in ("pending", "requires_action"):
        return refund
    if refund["balance_transaction"] is None:
        call.book.shelf(_WAITING).pop(refund["id"], None)
        take(call, call.book.get("charge", refund["charge"]), refund)
    become(call, refund, {"status": "succeeded", "pending_reason": None, "next_action": None})
    _plan_reference(call, refund)
    return refund


def fail(call: Call, refund: Json, reason: str = "expired_or_canceled_card") -> Json:
    """The customer's bank sends it back, also after it had succeeded."""
    if refund["status"] in _ENDED:
        raise refused(f"This refund has already {refund['status']}.")
    return return_money(call, refund, "failed", reason)


def cancel_in_dashboard(call: Call, refund: Json) -> Json:
    """People can call off a card refund for half an hour."""
    if refund["status"] in _ENDED or call.now - refund["created"] > _CANCEL_IN_DASHBOARD:
        raise refused("This refund can no longer be canceled.")
    return return_money(call, refund, "canceled", "merchant_request")


def return_money(call: Call, refund: Json, status: str, reason: str) -> Json:
    """What it took comes back, and the charge counts it no longer."""
    changes: Json = {"failure_reason": reason, "next_action": None, "pending_reason": None}
    changes["status"] = status
    call.book.shelf(_WAITING).pop(refund["id"], None)
    if refund["balance_transaction"] is not None:
        changes["failure_balance_transaction"] = give_back(call, refund)["id"]
    charge = call.book.get("charge", refund["charge"])
    charge.update(charges.after_refund(charge, -refund["amount"]))
    become(call, refund, changes, *(["refund.failed"] if status == "failed" else []))
    return refund


def happen(world: World, account: str, refund: str, outcome: str) -> None:
    """What was planned, unless the refund has gone another way meanwhile."""
    call = Call(world, world.books[account])
    thing = call.book.get("refund", refund)
    if outcome == "succeeds" and thing["status"] == "pending":
        succeed(call, thing)
    elif outcome == "fails" and thing["status"] == "succeeded":
        fail(call, thing)
    elif outcome == "expires" and thing["status"] == "requires_action":
        expire(call, thing)
    elif outcome == "was_never_funded" and refund in call.book.shelf(_WAITING):
        fail(call, thing, "insufficient_funds")
    elif outcome == "is_referenced" and thing["status"] == "succeeded":
        _reference(call, thing)


def expire(call: Call, refund: Json) -> Json:
    """The customer never said where the money shall go."""
    if refund["status"] != "requires_action":
        raise refused(
            "You can only expire refunds with a status of requires_action. This refund has a "
            f"status of {refund['status']}."
        )
    return return_money(call, refund, "failed", "unknown")


def _reference(call: Call, refund: Json) -> None:
    """The card network gives the refund a number by which banks can find it."""
    number = rank(call.world.ids.seed, refund["id"]) % 10**23
    details = copied(refund["destination_details"])
    details["card"] = {
        "reference": f"{number:023}",
        "reference_status": "available",
        "reference_type": "acquirer_reference_number",
        "type": "refund",
    }
    become(call, refund, {"destination_details": details})


def _plan_reference(call: Call, refund: Json) -> None:
    if refund["destination_details"].get("card", {}).get("reference_status") == "pending":
        _plan(call, refund, call.settings.refund_reference_seconds, "is_referenced")


def _plan(call: Call, refund: Json, seconds: int, outcome: str) -> None:
    details = {"account": call.book.id, "refund": refund["id"], "outcome": outcome}
    call.world.clock.at(call.now + seconds, "refund_ends", **details)


# How a refund changes.


def become(call: Call, refund: Json, changes: Json, *also: str) -> None:
    """Change it and say so; None takes away what Stripe never shows empty."""
    before = {name: copied(refund.get(name)) for name in changes}
    refund.update(changes)
    in_order(refund)
    _tell(call, refund, events.difference(before, changes), *also)


def _tell(call: Call, refund: Json, previous: Json, *also: str) -> None:
    """`charge.refund.updated` is what `refund.updated` was called before; both are sent."""
    if not previous:
        return
    events.emit(call, "charge.refund.updated", refund, previous)
    events.emit(call, "refund.updated", refund, previous)
    for type_ in also:
        events.emit(call, type_, refund)


def in_order(refund: Json) -> None:
    """Stripe's order of fields, without those that it never shows empty."""
    kept = {k: v for k, v in refund.items() if v is not None or k not in _NEVER_EMPTY}
    first = {name: kept.pop(name) for name in ("id", "object")}
    refund.clear()
    refund.update(first)
    refund.update(sorted(kept.items()))
