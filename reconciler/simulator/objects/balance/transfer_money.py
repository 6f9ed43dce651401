"""What a transfer moves: one balance transaction on each side, and the same for what comes back.

On the connected side a transfer arrives as a payment of no card, and leaves again as its refund.
The source of a movement back is the transfer itself, not the reversal, as at Stripe.
"""

from reconciler.simulator.kernel.money import Settled
from reconciler.simulator.kernel.world import Book, Call, Json
from reconciler.simulator.objects.balance import ledger
from reconciler.simulator.objects.balance.ledger import Movement
from reconciler.simulator.objects.payments import application_fees, charges


def send(call: Call, transfer: Json, available_on: int, fee: int = 0) -> None:
    """The money leaves the platform and arrives, less the platform's own fee, at the other end."""
    movement = Movement(
        "transfer",
        "transfer",
        _as_held(call, -transfer["amount"], transfer["currency"]),
        transfer["id"],
        description=transfer["description"],
        available_on=available_on,
        source_type=transfer["source_type"],
    )
    transfer["balance_transaction"] = ledger.post(call, movement)["id"]
    _arrive(call.at(call.world.books[transfer["destination"]]), transfer, available_on, fee)


def _arrive(call: Call, transfer: Json, available_on: int, fee: int) -> None:
    payment = charges.blank(
        call, call.world.ids.new("py"), transfer["amount"], transfer["currency"]
    )
    payment.update(
        application=application_fees.application(call.world),
        application_fee_amount=fee or None,
        source_transfer=transfer["id"],
        _source={"id": call.world.platform, "object": "account"},
    )
    call.world.put(call.book, "charge", payment)
    details: tuple[Json, ...] = ()
    if fee:
        settled = ledger.settled_amount(call, fee, transfer["currency"])
        details = (application_fees.detail(call, settled.amount),)
    movement = Movement(
        "payment",
        "charge",
        ledger.settled_amount(call, transfer["amount"], transfer["currency"]),
        payment["id"],
        available_on=available_on,
        fee_details=details,
    )
    payment["balance_transaction"] = ledger.post(call, movement)["id"]
    transfer["destination_payment"] = payment["id"]


def come_back(call: Call, transfer: Json, reversal: Json) -> None:
    """The money of a reversal leaves the connected account and arrives on the platform."""
    days = call.settings.reversal_settlement_days
    movement = Movement(
        "transfer_refund",
        "transfer_reversal",
        _as_held(call, reversal["amount"], reversal["currency"]),
        transfer["id"],
        description="REFUND FOR TRANSFER",
        available_on=call.world.clock.midnight(days) if days else 0,
        source_type=transfer["source_type"],
    )
    reversal["balance_transaction"] = ledger.post(call, movement)["id"]
    _leave(call.at(call.world.books[transfer["destination"]]), transfer, reversal)


def _as_held(call: Call, amount: int, currency: str) -> Settled:
    """As it is, where the balance has this currency, if only from payments for others."""
    if currency in call.book.totals:
        return Settled(amount, currency)
    return ledger.settled_amount(call, amount, currency)


def _leave(call: Call, transfer: Json, reversal: Json) -> None:
    payment = call.book.get("charge", transfer["destination_payment"])
    refund: Json = {
        "id": call.world.ids.new("pyr"),
        "object": "refund",
        "amount": reversal["amount"],
        "balance_transaction": None,
        "charge": payment["id"],
        "created": call.now,
        "currency": reversal["currency"],
        "customer": None,
        "customer_account": None,
        "metadata": {},
        "payment_intent": None,
        "payment_method": None,
        "reason": None,
        "receipt_number": None,
        "source_transfer_reversal": reversal["id"],
        "status": "succeeded",
        "transfer_reversal": reversal["id"],
    }
    call.world.put(call.book, "refund", refund)
    call.book.belong(payment["id"], "refunds", refund["id"])
    named = f" ({payment['description']})" if payment["description"] else ""
    movement = Movement(
        "payment_refund",
        "refund",
        ledger.settled_amount(call, -refund["amount"], refund["currency"]),
        refund["id"],
        description=f"REFUND FOR PAYMENT{named}",
        available_on=charges.available_on(call.book, payment),
    )
    refund["balance_transaction"] = ledger.post(call, movement)["id"]
    payment.update(charges.after_refund(payment, refund["amount"]))
    reversal["destination_payment_refund"] = refund["id"]


def can_give_back(target: Book, call: Call, transfer: Json, amount: int) -> bool:
    """Whether the connected account owns what a reversal would take from it."""
    money = ledger.settled_amount(call.at(target), amount, transfer["currency"])
    return ledger.owned(target, money.currency) >= money.amount
