"""Money that is held is taken, in whole or in part, or let go: by request, by cancelling, by time.

Of a part, only that is booked; in older accounts the whole charge is, and against it a movement
back of what was never captured.
"""

from reconciler.simulator.kernel.refusals import Refusal, refused
from reconciler.simulator.kernel.world import Call, Json, World
from reconciler.simulator.objects.notices import events
from reconciler.simulator.objects.payments import (
    cash,
    charge_details,
    charge_money,
    payment_blank,
    payment_rules,
    payment_states,
)
from reconciler.simulator.objects.returns import disputes, refunds

_CANCELABLE = (
    "requires_payment_method",
    "requires_capture",
    "requires_confirmation",
    "requires_action",
)


def capture(call: Call, intent: Json) -> Json:
    """Take what was authorised, or part of it; the rest is released."""
    form = call.form
    if intent["status"] != "requires_capture":
        raise payment_rules.wrong_state(intent, "capture", ("requires_capture",))
    amount = form.amount("amount_to_capture")
    charge = call.book.get("charge", intent["latest_charge"])
    last = "final_capture" not in form or form.flag("final_capture")
    refusal = _refusal(charge, intent["amount_capturable"], amount, last)
    if refusal is not None:
        raise refusal
    changed = payment_blank.changes(call, intent)
    intent.update(changed)
    _adopt(charge, changed)
    taken = take(call, charge, amount or intent["amount_capturable"], last)
    if last:
        payment_states.succeed(call, intent, charge["amount_captured"])
        events.emit(call, "charge.captured", charge, taken)
        disputes.follow_card(call, charge)
        events.emit(call, "payment_intent.succeeded", intent)
    else:
        intent["amount_capturable"] = charge["amount"] - charge["amount_captured"]
        intent["amount_received"] = charge["amount_captured"]
        events.emit(call, "charge.captured", charge, taken)
        events.emit(call, "payment_intent.amount_capturable_updated", intent)
    return intent


def take(call: Call, charge: Json, amount: int, last: bool = True) -> Json:
    """Capture and book so much of a charge; what it looked like before."""
    before = {name: charge[name] for name in ("amount_captured", "balance_transaction", "captured")}
    charge.update(amount_captured=charge["amount_captured"] + amount, captured=True)
    rest = charge["amount"] - charge["amount_captured"]
    in_parts = before["amount_captured"] > 0 or not last
    whole = call.settings.partial_capture_refunds and not in_parts
    charge_money.book_money(call, charge, None if whole else amount)
    if rest and whole:
        charge["_released"] = rest
        fee = charge_money.rest_costs(call, charge, rest)
        refunds.release(call, charge, rest, "expired_uncaptured_charge", fee)
    return {name: old for name, old in before.items() if charge[name] != old}


def hold(call: Call, charge: Json) -> None:
    """An authorisation does not wait for ever."""
    due = call.now + charge_details.HELD_FOR
    call.world.clock.at(due, "authorization_expires", account=call.book.id, charge=charge["id"])


def expire(world: World, account: str, charge: str) -> None:
    """Seven days without a capture: the bank lets the money go."""
    call = Call(world, world.books[account])
    thing = call.book.get("charge", charge)
    if thing["captured"] or thing["refunded"]:
        return
    refunds.release(call, thing, reason="expired_uncaptured_charge")
    events.emit(call, "charge.expired", thing)
    intent = call.book.shelf("payment_intent").get(thing["payment_intent"] or "")
    if intent is not None and intent["status"] == "requires_capture":
        payment_states.end(call, intent, "automatic")


def cancel(call: Call, intent: Json, reason: str | None) -> Json:
    if intent["status"] not in _CANCELABLE:
        raise payment_rules.wrong_state(intent, "cancel", _CANCELABLE)
    if intent["status"] == "requires_capture":
        charge = call.book.get("charge", intent["latest_charge"])
        if charge["amount_captured"] == 0:
            refunds.release(call, charge)
    cash.give_back(call, intent)
    return payment_states.end(call, intent, reason)


def increment(call: Call, intent: Json) -> Json:
    """Hold more than was authorised at first, where the card allows it."""
    amount = payment_rules.given_amount(call.form)
    if intent["status"] != "requires_capture":
        raise payment_rules.wrong_state(intent, "increment", ("requires_capture",))
    charge = call.book.get("charge", intent["latest_charge"])
    card = charge["payment_method_details"].get("card", {})
    if card.get("incremental_authorization", {}).get("status") != "available":
        raise refused(
            "This PaymentIntent is not eligible for incremental authorization. Set "
            "payment_method_options[card][request_incremental_authorization]=if_available when "
            "you confirm it.",
            "payment_intent_unexpected_state",
        )
    if amount <= intent["amount"]:
        message = f"The amount must be greater than the authorized amount of {intent['amount']}."
        raise refused(message, param="amount")
    payment_rules.check_amount(call, amount, intent["currency"], intent["payment_method_types"])
    changed = payment_blank.changes(call, intent)
    intent.update(changed, amount=amount, amount_capturable=amount)
    _adopt(charge, changed)
    before = {"amount": charge["amount"]}
    charge["amount"] = card["amount_authorized"] = amount
    card["overcapture"]["maximum_amount_capturable"] = amount
    events.emit(call, "charge.updated", charge, before)
    events.emit(call, "payment_intent.amount_capturable_updated", intent)
    return intent


def _refusal(charge: Json, capturable: int, amount: int | None, last: bool) -> Refusal | None:
    if amount is not None and amount > capturable:
        return refused(
            "The payment could not be captured because the requested capture amount is greater "
            "than the authorized amount.",
            "amount_too_large",
            "amount_to_capture",
        )
    card = charge["payment_method_details"].get("card", {})
    if not last and card.get("multicapture", {}).get("status") != "available":
        message = "This PaymentIntent is not eligible for multicapture; it is captured only once."
        return refused(message, param="final_capture")
    return None


def _adopt(charge: Json, changed: Json) -> None:
    """What is said at the capture is also true of the charge."""
    names = ("application_fee_amount", "metadata", "statement_descriptor")
    for name in (*names, "statement_descriptor_suffix"):
        if name in changed:
            charge[name] = changed[name]
    data = changed.get("transfer_data")
    if data and charge["transfer_data"]:
        charge["transfer_data"] = {**charge["transfer_data"], "amount": data.get("amount")}
