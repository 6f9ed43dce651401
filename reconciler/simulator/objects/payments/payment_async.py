"""Debits and other methods whose banks answer days later: processing first, then decided.

How long that takes and how it ends is said by the table of test accounts. A debit can also come
back after it had succeeded, with its money.
"""

from reconciler.simulator.kernel.refusals import Refusal, refused
from reconciler.simulator.kernel.views import served
from reconciler.simulator.kernel.world import Call, Json, World
from reconciler.simulator.objects.balance import ledger
from reconciler.simulator.objects.methods import cards, methods
from reconciler.simulator.objects.notices import events
from reconciler.simulator.objects.payments import (
    charge_details,
    charge_money,
    charges,
    payment_states,
)
from reconciler.simulator.objects.returns import disputes, refund_course, refunds


def begin(call: Call, intent: Json, charge: Json, method: Json) -> Json:
    """The bank was asked, and will answer."""
    intent.update(last_payment_error=None, next_action=None, status="processing")
    methods.used(call, method, intent["customer"], intent["setup_future_usage"])
    events.emit(call, "charge.pending", charge)
    events.emit(call, "payment_intent.processing", intent)
    await_bank(call, charge)
    return intent


def await_bank(call: Call, charge: Json) -> None:
    """Its answer comes when the table says, if it ever does."""
    wait = cards.card_of(charge).wait
    if wait:
        due = call.now + int(getattr(call.settings, wait))
        details = {"account": call.book.id, "charge": charge["id"]}
        call.world.clock.at(due, "debit_decided", **details)


def decide(world: World, account: str, charge: str) -> None:
    """The bank answers as the table says."""
    call = Call(world, world.books[account])
    thing = call.book.get("charge", charge)
    if thing["status"] != "pending":
        return
    card = cards.card_of(thing)
    if card.fails_later:
        fail(call, thing, str(card.code))
    else:
        succeed(call, thing)


def succeed(call: Call, charge: Json) -> None:
    """The debit worked, and its money is on the way to the balance."""
    intent = _intent(call, charge)
    details = charge_details.debited(call, charge["payment_method_details"])
    charge.update(paid=True, payment_method_details=details, status="succeeded")
    charge_money.book_money(call, charge)
    if intent:
        payment_states.succeed(call, intent, charge["amount"])
    events.emit(call, "charge.succeeded", charge)
    refund_course.charge_succeeded(call, charge)
    disputes.follow_card(call, charge)
    if intent:
        events.emit(call, "payment_intent.succeeded", intent)


def fail(call: Call, charge: Json, code: str) -> None:
    """The debit did not work, or, if it seemed to have, its money goes back."""
    if charge["status"] == "failed":
        raise refused(f"Charge {charge['id']} has already failed.")
    if cards.card_of(charge).settles != "later":
        raise refused(f"Charge {charge['id']} is not a debit that a bank could take back.")
    intent = _intent(call, charge)
    method = call.book.get("payment_method", charge["payment_method"])
    message = cards.DEBIT_MESSAGES.get(code, cards.message(code))
    booked = charge["balance_transaction"] is not None
    outcome = {**charge["outcome"], "network_status": "declined_by_network", "reason": code}
    outcome.update(seller_message=message, type="issuer_declined")
    charge.update(
        failure_code=code, failure_message=message, outcome=outcome, paid=False, status="failed"
    )
    if booked:
        _give_back(call, charge)
    else:
        charge.update(amount_captured=0, captured=False)
    refusal = Refusal(
        "card",
        message,
        code=code,
        charge=charge["id"],
        payment_method=served(call.book, method),
    )
    events.emit(call, "charge.failed", charge)
    refund_course.charge_failed(call, charge)
    if intent:
        intent["amount_received"] = 0
        payment_states.fail(call, intent, refusal)


def _intent(call: Call, charge: Json) -> Json | None:
    """A charge made the old way has none."""
    return call.book.shelf("payment_intent").get(charge["payment_intent"] or "")


def _give_back(call: Call, charge: Json) -> None:
    """Money that had been booked leaves by a refund of Stripe's own making."""
    left = charges.refundable(charge)
    refund = refunds.release(call, charge)
    money = charges.settled(call, charge, -left)
    row = ledger.post(
        call,
        ledger.Movement(
            "payment_failure_refund",
            "charge_failure",
            money,
            refund["id"],
            description=charge["description"],
            available_on=charges.available_on(call.book, charge),
        ),
    )
    refund["balance_transaction"] = row["id"]
    charge["failure_balance_transaction"] = row["id"]
