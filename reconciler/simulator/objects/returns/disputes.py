"""Disputes: a customer's bank takes money back, and sometimes returns it.

An inquiry moves no money until it is escalated, a prevented dispute never does. The withdrawal
takes the amount and a fee; winning brings the amount back, and by setting the fee too. A transfer
to a connected account is not touched: whoever made it has to reverse it.
"""

from reconciler.simulator.kernel.clock import DAY
from reconciler.simulator.kernel.money import Settled
from reconciler.simulator.kernel.pages import page
from reconciler.simulator.kernel.refusals import Refusal, refused
from reconciler.simulator.kernel.world import Call, Json, World
from reconciler.simulator.objects.balance import ledger
from reconciler.simulator.objects.balance.ledger import Movement
from reconciler.simulator.objects.methods.cards import card_of
from reconciler.simulator.objects.notices import events
from reconciler.simulator.objects.payments import charges
from reconciler.simulator.objects.returns import refund_course, warnings
from reconciler.simulator.objects.returns.dispute_shape import Case, answerable, blank, due_by

CLOSED = ("won", "lost", "warning_closed", "prevented")
_CLOSINGS = ("won", "lost", "warning_closed")


def is_inquiry(dispute: Json) -> bool:
    return str(dispute["status"]).startswith("warning_")


# How a dispute comes.


def follow_card(call: Call, charge: Json) -> None:
    """Plan what this charge's card brings: disputes, a fraud warning, or nothing."""
    card = card_of(charge)
    if card.dispute or card.fraud_warning:
        due = call.now + call.settings.dispute_seconds
        call.world.clock.at(due, "dispute_opens", account=call.book.id, charge=charge["id"])


def arrive(world: World, account: str, charge: str) -> None:
    call = Call(world, world.books[account])
    thing = call.book.get("charge", charge)
    card = card_of(thing)
    if card.fraud_warning:
        warnings.warn(call, thing)
    if card.dispute is None:
        return
    whole = thing["amount_captured"]
    for number in range(card.disputes):
        part = whole * (number + 1) // card.disputes - whole * number // card.disputes
        open_(call, thing, Case(card.dispute, card.inquiry, card.prevented, part))


def open_(call: Call, charge: Json, case: Case) -> Json:
    """The bank questions a charge; unless it only inquires, it takes the money at once."""
    if not charge["captured"] or charge["status"] != "succeeded":
        raise refused(f"Charge {charge['id']} was never paid and cannot be disputed.")
    if case.amount is not None and not 0 < case.amount <= charge["amount_captured"]:
        raise refused("A dispute cannot exceed the captured amount.", param="amount")
    takes = case.status == "needs_response"
    if takes:
        _stop_refunds(call, charge, clearing=0)
    dispute = blank(call, charge, case)
    call.world.put(call.book, "dispute", dispute)
    call.book.belong(charge["id"], "disputes", dispute["id"])
    charge["disputed"] = True
    if takes:
        _withdraw(call, dispute)
    events.emit(call, "charge.dispute.created", dispute)
    if takes:
        events.emit(call, "charge.dispute.funds_withdrawn", dispute)
    if case.prevented:
        events.emit(call, "charge.dispute.closed", dispute)
    _what_follows(call, charge, dispute)
    return dispute


def _what_follows(call: Call, charge: Json, dispute: Json) -> None:
    warnings.settle(call, charge)
    if dispute["status"] in CLOSED:
        return
    if not answerable(charge):
        decide(call, dispute, "lost")
        return
    _plan_due(call, dispute, dispute["evidence_details"]["due_by"] + 1)


def _plan_due(call: Call, dispute: Json, due: int) -> None:
    details = {"account": call.book.id, "dispute": dispute["id"]}
    call.world.clock.at(due, "dispute_is_due", **details)


# What becomes of it.


def escalate(call: Call, dispute: Json) -> Json:
    """An inquiry becomes a dispute, and the money goes."""
    if not is_inquiry(dispute) or dispute["status"] in CLOSED:
        raise refused(f"This dispute has a status of {dispute['status']}; it is no open inquiry.")
    charge = call.book.get("charge", dispute["charge"])
    _stop_refunds(call, charge, clearing=call.settings.refund_clearing_seconds)
    _withdraw(call, dispute)
    changes: Json = {"status": "needs_response", "is_charge_refundable": False}
    changes["evidence_details"] = {**dispute["evidence_details"], "due_by": due_by(call)}
    events.amend(call, dispute, changes, "charge.dispute.updated")
    events.emit(call, "charge.dispute.funds_withdrawn", dispute)
    _plan_due(call, dispute, due_by(call) + 1)
    return dispute


def decide(call: Call, dispute: Json, outcome: str) -> Json:
    """The bank's verdict: won, lost, or an inquiry closed."""
    if outcome not in _CLOSINGS:
        raise refused(f"A dispute ends as one of {', '.join(_CLOSINGS)}.", param="status")
    if dispute["status"] in CLOSED:
        raise refused("This dispute is already closed")
    if is_inquiry(dispute) != (outcome == "warning_closed"):
        raise refused(f"A dispute in {dispute['status']} cannot end as {outcome}.", param="status")
    if outcome == "won":
        _reinstate(call, dispute)
    dispute.update(status=outcome, is_charge_refundable=outcome != "lost")
    if outcome == "won":
        events.emit(call, "charge.dispute.funds_reinstated", dispute)
    events.emit(call, "charge.dispute.closed", dispute)
    tell_charge(call, dispute)
    return dispute


def tell_charge(call: Call, dispute: Json) -> None:
    """Stripe sends its charge again when a dispute moves on, though nothing shows on it."""
    events.emit(call, "charge.updated", call.book.get("charge", dispute["charge"]), {})


def end_by_evidence(world: World, account: str, dispute: str, verdict: str) -> None:
    call = Call(world, world.books[account])
    thing = call.book.get("dispute", dispute)
    if thing["status"] in CLOSED:
        return
    if verdict == "escalated" and is_inquiry(thing):
        escalate(call, thing)
    elif verdict != "escalated":
        decide(call, thing, "warning_closed" if is_inquiry(thing) else verdict)


def fall_due(world: World, account: str, dispute: str) -> None:
    """Nobody answered in time: the dispute is lost. An inquiry is let lie, and closed at last."""
    call = Call(world, world.books[account])
    thing = call.book.get("dispute", dispute)
    if thing["status"] == "needs_response" and thing["evidence_details"]["due_by"] < call.now:
        decide(call, thing, "lost")
    elif thing["status"] == "warning_needs_response":
        end = thing["created"] + call.settings.inquiry_days * DAY
        if call.now >= end:
            decide(call, thing, "warning_closed")
        else:
            _plan_due(call, thing, end)


def after_refund(world: World, account: str, charge: str) -> None:
    """A charge that was given back in full is no longer asked about."""
    call = Call(world, world.books[account])
    thing = call.book.get("charge", charge)
    for dispute in call.book.belonging(charge, "disputes", "dispute"):
        if is_inquiry(dispute) and dispute["status"] not in CLOSED:
            decide(call, dispute, "warning_closed")
    warnings.settle(call, thing)


# What can be asked.


def retrieve(call: Call) -> Json:
    return named(call)


def retrieve_for_charge(call: Call) -> Json:
    return of_charge(call)


def listing(call: Call) -> Json:
    return page(call, call.book.shelf("dispute"), equal=("charge", "payment_intent"))


def named(call: Call) -> Json:
    dispute = call.book.shelf("dispute").get(call.path["id"])
    return dispute if dispute is not None else _missing("dispute", call.path["id"])


def of_charge(call: Call) -> Json:
    """The newest dispute of the charge in the path."""
    charge = call.book.shelf("charge").get(call.path["id"])
    if charge is None:
        return _missing("charge", call.path["id"])
    found = call.book.belonging(charge["id"], "disputes", "dispute")
    if not found:
        raise Refusal("missing", f"No dispute for charge: {charge['id']}")
    return found[-1]


def _missing(noun: str, object_id: str) -> Json:
    message = f"No such {noun}: '{object_id}'"
    raise Refusal("missing", message, code="resource_missing", param=noun)


# Money.


def _stop_refunds(call: Call, charge: Json, clearing: int) -> None:
    """Refunds still on their way fail: the bank already takes the money.

    So do those that have succeeded within so many seconds, as the network has not had them yet.
    """
    for refund in call.book.belonging(charge["id"], "refunds", "refund"):
        released = refund["destination_details"].get("card", {}).get("type") == "reversal"
        young = call.now - refund["created"] < clearing
        fresh = refund["status"] == "succeeded" and young and not released
        if refund["status"] == "pending" or fresh:
            refund_course.fail(call, refund, "charge_for_pending_refund_disputed")


def _withdraw(call: Call, dispute: Json) -> None:
    charge = call.book.get("charge", dispute["charge"])
    money = charges.settled(call, charge, -dispute["amount"])
    text = f"Chargeback withdrawal for {dispute['charge']}"
    fee = call.settings.dispute_fee
    movement = Movement("adjustment", "dispute", money, dispute["id"], fee, text)
    row = ledger.post(call, movement)
    call.book.belong(dispute["id"], "balance_transactions", row["id"])


def _reinstate(call: Call, dispute: Json) -> None:
    """Exactly what was withdrawn comes back."""
    withdrawn = call.book.belonging(dispute["id"], "balance_transactions", "balance_transaction")[0]
    money = Settled(-withdrawn["amount"], withdrawn["currency"])
    fee = -withdrawn["fee"] if call.settings.dispute_fee_returned_when_won else 0
    text = f"Chargeback reversal for {dispute['charge']}"
    movement = Movement("adjustment", "dispute_reversal", money, dispute["id"], fee, text)
    row = ledger.post(call, movement)
    row["exchange_rate"] = withdrawn["exchange_rate"]
    call.book.belong(dispute["id"], "balance_transactions", row["id"])
