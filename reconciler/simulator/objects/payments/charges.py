"""Charges: one attempt to take money, as an object. Who made it decides what becomes of it.

Nothing here moves money or announces anything: see `charge_money`, and the payments.
"""

from reconciler.simulator.kernel.money import Settled
from reconciler.simulator.kernel.world import Book, Call, Json
from reconciler.simulator.objects.balance import ledger
from reconciler.simulator.objects.methods import cards
from reconciler.simulator.objects.methods.behaviours import Card
from reconciler.simulator.objects.payments import application_fees, charge_details


def attempt(
    call: Call, intent: Json, method: Json, *, unasked: bool = False, named: str | None = None
) -> Json:
    """A charge for this payment: failed, pending, or authorised and not yet captured.

    `unasked` is that the bank wanted its customer, who was not there.
    """
    card = cards.card_of(method)
    code, decline_code = failure(card, unasked)
    charge_id = named or call.world.ids.new("ch" if card.kind in ("card", "link") else "py")
    charge = blank(call, charge_id, intent["amount"], intent["currency"])
    later = card.settles == "later"
    data = intent["transfer_data"]
    charge.update(
        amount_captured=charge["amount"] if later and not code else 0,
        application_fee_amount=intent["application_fee_amount"],
        billing_details=_copy(method["billing_details"]),
        calculated_statement_descriptor=charge_details.statement(call, intent, card.kind),
        captured=later and not code,
        customer=intent["customer"],
        description=intent["description"],
        failure_code=code,
        failure_message=cards.message(code, decline_code) if code else None,
        metadata=dict(intent["metadata"]),
        on_behalf_of=intent["on_behalf_of"],
        outcome=charge_details.outcome(charge_id, card, code, decline_code),
        paid=not code and not later,
        payment_intent=intent["id"],
        payment_method=method["id"],
        payment_method_details=charge_details.method_details(
            call, intent, method, approved=not code
        ),
        radar_options=dict(intent.get("_radar_options", {})),
        receipt_email=intent["receipt_email"],
        receipt_url=None if code or later else charge_details.receipt(call, charge_id),
        shipping=_copy(intent["shipping"]),
        statement_descriptor=intent["statement_descriptor"],
        statement_descriptor_suffix=intent["statement_descriptor_suffix"],
        status="failed" if code else "pending" if later else "succeeded",
        transfer_data=data and {"amount": data.get("amount"), "destination": data["destination"]},
        transfer_group=intent["transfer_group"],
        _card=method["_card"],
    )
    call.book.belong(intent["id"], "charges", charge_id)
    return call.world.put(call.book, "charge", charge)


def failure(card: Card, unasked: bool) -> tuple[str | None, str | None]:
    """Code and decline code of an attempt with this card, if it fails at once."""
    if unasked:
        return card.unasked
    return (card.code, card.decline_code) if card.declines else (None, None)


def blank(call: Call, charge_id: str, amount: int, currency: str) -> Json:
    """A charge fully captured, of no payment and no card."""
    return {
        "id": charge_id,
        "object": "charge",
        "amount": amount,
        "amount_captured": amount,
        "amount_refunded": 0,
        "application": application_fees.application_of(call),
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None,
        "billing_details": cards.blank_billing(),
        "calculated_statement_descriptor": None,
        "captured": True,
        "created": call.now,
        "currency": currency,
        "customer": None,
        "description": None,
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "fraud_details": {},
        "livemode": False,
        "metadata": {},
        "on_behalf_of": None,
        "outcome": None,
        "paid": True,
        "payment_intent": None,
        "payment_method": None,
        "payment_method_details": {"stripe_account": {}, "type": "stripe_account"},
        "radar_options": {},
        "receipt_email": None,
        "receipt_number": None,
        "receipt_url": None,
        "refunded": False,
        "review": None,
        "shipping": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "succeeded",
        "transfer_data": None,
        "transfer_group": None,
    }


def add(charge: Json, **more: object) -> None:
    """Fields that only some charges have, in their place."""
    whole = {**charge, **more}
    first = {name: whole.pop(name) for name in ("id", "object")}
    charge.clear()
    charge.update(first, **dict(sorted(whole.items())))


# What refunds, transfers and disputes ask of a charge.


def refundable(charge: Json) -> int:
    """What of the captured amount is not refunded yet.

    What was never captured counts as refunded from the beginning, and is no part of this.
    """
    left: int = charge["amount_captured"] + charge.get("_released", 0) - charge["amount_refunded"]
    return left


def after_refund(charge: Json, change: int) -> Json:
    """What changes on a charge when a refund is made, or comes back."""
    refunded = charge["amount_refunded"] + change
    everything = charge["amount_captured"] + charge.get("_released", 0)
    return {"amount_refunded": refunded, "refunded": refunded >= everything}


def settled(call: Call, charge: Json, amount: int) -> Settled:
    """So much of a charge, as it is on the balance."""
    return ledger.settled_amount(call, amount, charge["currency"], charge["on_behalf_of"])


def available_on(book: Book, charge: Json) -> int:
    """When this charge's own money is available; nothing taken from it is available sooner."""
    row = charge["balance_transaction"]
    day: int = book.get("balance_transaction", row)["available_on"] if row else 0
    return day


def _copy(mapping: Json | None) -> Json | None:
    """Two levels of it: what a method or an intent shows now must not change with it later."""
    if mapping is None:
        return None
    return {k: dict(v) if isinstance(v, dict) else v for k, v in mapping.items()}
