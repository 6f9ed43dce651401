"""Charges: one attempt to take money, and the balance transaction it becomes.

Made only by payments and by arriving transfers. Whoever captures decides when the money is booked.
"""

from reconciler.simulator.kernel.form import merged
from reconciler.simulator.kernel.money import processing_fee
from reconciler.simulator.kernel.pages import page
from reconciler.simulator.kernel.world import Book, Call, Json, World
from reconciler.simulator.objects import events, ledger
from reconciler.simulator.objects.cards import MESSAGES, Card, blank_billing, card_of, details
from reconciler.simulator.objects.ledger import Movement


def attempt(call: Call, intent: Json, method: Json) -> Json:
    """A charge for this payment: failed, or authorised and not yet captured."""
    card = card_of(method)
    charge = blank(call, call.world.ids.new("ch"), intent["amount"], intent["currency"])
    charge.update(
        amount_captured=0,
        captured=False,
        customer=intent["customer"],
        description=intent["description"],
        failure_code=card.code,
        failure_message=MESSAGES.get(card.code or ""),
        metadata=dict(intent["metadata"]),
        outcome=_outcome(card),
        paid=not card.declines,
        payment_intent=intent["id"],
        payment_method=method["id"],
        payment_method_details=details(card, intent["amount"]),
        receipt_email=intent["receipt_email"],
        statement_descriptor=intent["statement_descriptor"],
        status="failed" if card.declines else "succeeded",
        transfer_group=intent["transfer_group"],
        _card=method["_card"],
    )
    return call.world.put(call.book, "charge", charge)


def book_money(call: Call, charge: Json) -> Json:
    """Post the captured amount, less Stripe's fee, to the balance."""
    settings, card = call.settings, card_of(charge)
    money = ledger.settled_amount(call, charge["amount_captured"], charge["currency"])
    fee = processing_fee(settings, money.amount)
    row = ledger.post(
        call,
        Movement(
            "charge",
            "charge",
            money,
            charge["id"],
            fee,
            charge["description"],
            0 if card.bypasses_pending else call.world.clock.midnight(settings.settlement_days),
        ),
    )
    charge["balance_transaction"] = row["id"]
    return row


def book_money_later(world: World, account: str, charge: str) -> None:
    """Asynchronous capture: the balance transaction appears, and `charge.updated` says so."""
    call = Call(world, world.books[account])
    thing = call.book.get("charge", charge)
    book_money(call, thing)
    events.emit(call, "charge.updated", thing, {"balance_transaction": None})


def blank(call: Call, charge_id: str, amount: int, currency: str) -> Json:
    """A charge fully captured, of no payment and no card."""
    return {
        "id": charge_id,
        "object": "charge",
        "amount": amount,
        "amount_captured": amount,
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None,
        "billing_details": blank_billing(),
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


def refundable(charge: Json) -> int:
    left: int = charge["amount_captured"] - charge["amount_refunded"]
    return left


def after_refund(charge: Json, change: int) -> Json:
    """What changes on a charge when a refund is made, or comes back."""
    refunded = charge["amount_refunded"] + change
    return {"amount_refunded": refunded, "refunded": refunded == charge["amount_captured"]}


def available_on(book: Book, charge: Json) -> int:
    """When this charge's own money is available; nothing taken from it is available sooner."""
    row = charge["balance_transaction"]
    day: int = book.get("balance_transaction", row)["available_on"] if row else 0
    return day


def retrieve(call: Call) -> Json:
    return call.book.get("charge", call.path["id"])


def listing(call: Call) -> Json:
    equal = ("payment_intent", "customer", "transfer_group")
    return page(call, call.book.shelf("charge"), equal=equal)


def update(call: Call) -> Json:
    charge = call.book.get("charge", call.path["id"])
    changes: Json = {"metadata": merged(charge["metadata"], call.form.metadata())}
    for name in ("description", "receipt_email", "transfer_group"):
        if name in call.form:
            changes[name] = call.form.text(name)
    events.amend(call, charge, changes, "charge.updated")
    return charge


def _outcome(card: Card) -> Json:
    if not card.declines:
        return {
            "advice_code": None,
            "network_advice_code": None,
            "network_decline_code": None,
            "network_status": "approved_by_network",
            "reason": None,
            "risk_level": "normal",
            "risk_score": 20,
            "seller_message": "Payment complete.",
            "type": "authorized",
        }
    return {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "declined_by_network",
        "reason": card.decline_code or card.code,
        "risk_level": "normal",
        "risk_score": 20,
        "seller_message": "The bank did not return any further details with this decline.",
        "type": "issuer_declined",
    }
