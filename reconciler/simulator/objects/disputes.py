"""Disputes: a customer's bank takes money back, and sometimes returns it.

An inquiry moves no money until it is escalated. The withdrawal takes the amount and a fee; winning
brings the amount back, and by setting the fee too.
"""

from reconciler.simulator.kernel.clock import DAY
from reconciler.simulator.kernel.form import merged
from reconciler.simulator.kernel.money import Settled
from reconciler.simulator.kernel.pages import page
from reconciler.simulator.kernel.refusals import refused
from reconciler.simulator.kernel.world import Call, Json, World
from reconciler.simulator.objects import events, ledger, refunds
from reconciler.simulator.objects.cards import card_of
from reconciler.simulator.objects.ledger import Movement

_DAYS_TO_ANSWER = 9
_OPEN = ("needs_response", "under_review", "warning_needs_response", "warning_under_review")
_CLOSINGS = ("won", "lost", "warning_closed")

# Evidence texts that decide a test dispute.
_VERDICTS = {
    "winning_evidence": "won",
    "losing_evidence": "lost",
    "escalate_inquiry_evidence": "escalated",
}


def follow_card(call: Call, charge: Json) -> None:
    """Plan the dispute that this charge's card brings, if it brings one."""
    if card_of(charge).dispute:
        due = call.now + call.settings.dispute_seconds
        call.world.clock.at(due, "dispute_opens", account=call.book.id, charge=charge["id"])


def arrive(world: World, account: str, charge: str) -> None:
    call = Call(world, world.books[account])
    thing = call.book.get("charge", charge)
    card = card_of(thing)
    open_(call, thing, thing["amount_captured"], card.dispute or "general", card.inquiry)


def open_(call: Call, charge: Json, amount: int, reason: str, inquiry: bool) -> Json:
    """The bank questions a charge; unless it only inquires, it takes the money at once."""
    if not charge["captured"] or charge["status"] != "succeeded":
        raise refused(f"Charge {charge['id']} was never paid and cannot be disputed.")
    if amount > charge["amount_captured"]:
        raise refused("A dispute cannot exceed the captured amount.", param="amount")
    dispute = _blank(call, charge, amount)
    dispute.update(reason=reason, status="warning_needs_response" if inquiry else "needs_response")
    dispute["payment_method_details"]["card"]["case_type"] = "inquiry" if inquiry else "chargeback"
    call.world.put(call.book, "dispute", dispute)
    call.book.belong(charge["id"], "disputes", dispute["id"])
    charge["disputed"] = True
    dispute["is_charge_refundable"] = inquiry
    if not inquiry:
        _stop_refunds(call, charge)
        _withdraw(call, dispute)
    events.emit(call, "charge.dispute.created", dispute)
    if not inquiry:
        events.emit(call, "charge.dispute.funds_withdrawn", dispute)
    return dispute


def escalate(call: Call, dispute: Json) -> Json:
    """An inquiry becomes a dispute, and the money goes."""
    if not dispute["status"].startswith("warning_") or dispute["status"] == "warning_closed":
        raise refused(f"This dispute has a status of {dispute['status']}; it is no open inquiry.")
    _withdraw(call, dispute)
    changes = {"status": "needs_response", "is_charge_refundable": False}
    events.amend(call, dispute, changes, "charge.dispute.updated")
    events.emit(call, "charge.dispute.funds_withdrawn", dispute)
    return dispute


def decide(call: Call, dispute: Json, outcome: str) -> Json:
    """The bank's verdict: won, lost, or an inquiry closed."""
    if outcome not in _CLOSINGS:
        raise refused(f"A dispute ends as one of {', '.join(_CLOSINGS)}.", param="status")
    if dispute["status"] not in _OPEN:
        raise refused("This dispute is already closed.", "dispute_already_closed")
    inquiry = dispute["status"].startswith("warning_")
    if inquiry != (outcome == "warning_closed"):
        raise refused(f"A dispute in {dispute['status']} cannot end as {outcome}.", param="status")
    if outcome == "won":
        _reinstate(call, dispute)
    dispute["status"] = outcome
    if outcome == "won":
        events.emit(call, "charge.dispute.funds_reinstated", dispute)
    events.emit(call, "charge.dispute.closed", dispute)
    return dispute


def end_by_evidence(world: World, account: str, dispute: str, verdict: str) -> None:
    call = Call(world, world.books[account])
    thing = call.book.get("dispute", dispute)
    if thing["status"] not in _OPEN:
        return
    inquiry = thing["status"].startswith("warning_")
    if verdict == "escalated" and inquiry:
        escalate(call, thing)
    elif verdict != "escalated":
        decide(call, thing, "warning_closed" if inquiry else verdict)


def update(call: Call) -> Json:
    """Evidence is submitted unless `submit` is false; test texts decide the case soon after."""
    dispute = call.book.get("dispute", call.path["id"])
    evidence = call.form.mapping("evidence")
    changes: Json = {"metadata": merged(dispute["metadata"], call.form.metadata())}
    submitted = bool(evidence) and ("submit" not in call.form or call.form.flag("submit"))
    if evidence:
        changes["evidence"] = {**dispute["evidence"], **evidence}
    if submitted and dispute["status"] in _OPEN:
        inquiry = dispute["status"].startswith("warning_")
        changes["status"] = "warning_under_review" if inquiry else "under_review"
        _await_verdict(call, dispute, str(evidence.get("uncategorized_text", "")))
    events.amend(call, dispute, changes, "charge.dispute.updated")
    return dispute


def close(call: Call) -> Json:
    """Give in: the dispute is lost, the inquiry closed."""
    dispute = call.book.get("dispute", call.path["id"])
    inquiry = dispute["status"].startswith("warning_")
    return decide(call, dispute, "warning_closed" if inquiry else "lost")


def retrieve(call: Call) -> Json:
    return call.book.get("dispute", call.path["id"])


def listing(call: Call) -> Json:
    return page(call, call.book.shelf("dispute"), equal=("charge", "payment_intent"))


def _await_verdict(call: Call, dispute: Json, text: str) -> None:
    if text in _VERDICTS:
        due = call.now + call.settings.evidence_seconds
        details = {"account": call.book.id, "dispute": dispute["id"], "verdict": _VERDICTS[text]}
        call.world.clock.at(due, "dispute_ends", **details)


def _stop_refunds(call: Call, charge: Json) -> None:
    """Refunds still on their way fail: the bank already takes the money."""
    for refund in call.book.belonging(charge["id"], "refunds", "refund"):
        if refund["status"] == "pending":
            refunds.fail(call, refund, "charge_for_pending_refund_disputed")


def _withdraw(call: Call, dispute: Json) -> None:
    money = ledger.settled_amount(call, -dispute["amount"], dispute["currency"])
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
    call.book.belong(dispute["id"], "balance_transactions", row["id"])


def _blank(call: Call, charge: Json, amount: int) -> Json:
    due_by = call.world.clock.midnight(_DAYS_TO_ANSWER) + DAY - 1
    return {
        "id": call.world.ids.new("dp"),
        "object": "dispute",
        "amount": amount,
        "balance_transactions": [],
        "charge": charge["id"],
        "created": call.now,
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {"customer_name": None, "uncategorized_file": None, "uncategorized_text": None},
        "evidence_details": {
            "due_by": due_by,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": False,
        "livemode": False,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method_details": {
            "card": {
                "brand": card_of(charge).brand,
                "network_reason_code": "10.4",
            },
            "type": "card",
        },
    }
