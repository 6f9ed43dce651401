"""Connect transfers: platform balance to a connected account, and back by reversal.

A transfer has no status: it is done when it is created. It is one movement on each of two balances,
and so is each reversal.
"""

from reconciler.simulator.kernel.form import merged
from reconciler.simulator.kernel.pages import page
from reconciler.simulator.kernel.refusals import Refusal, insufficient_funds, no_such, refused
from reconciler.simulator.kernel.world import Book, Call, Json
from reconciler.simulator.objects import charges, events, ledger
from reconciler.simulator.objects.ledger import Movement


def create(call: Call) -> Json:
    form, book = call.form, call.book
    amount, currency = form.needed_amount(), form.needed("currency").lower()
    destination, metadata = form.needed("destination"), form.metadata()
    target = call.world.books.get(destination)
    if target is None or target.deleted or target is book:
        raise no_such("destination", destination, "destination")
    origin = _origin(call, amount)
    refusal = _refusal(call, target, amount, currency, origin)
    if refusal is not None:
        raise refusal
    transfer = _blank(call, amount, currency, destination)
    transfer.update(
        description=form.text("description"),
        metadata=metadata,
        source_transaction=origin["id"] if origin else None,
        transfer_group=form.text("transfer_group") or _group(origin),
    )
    call.world.put(book, "transfer", transfer)
    if origin:
        book.belong(origin["id"], "transfers", transfer["id"])
    available_on = charges.available_on(book, origin) if origin else 0
    _send(call, transfer, available_on)
    _arrive(call.at(target), transfer, available_on)
    events.emit(call, "transfer.created", transfer)
    return transfer


def reverse(call: Call) -> Json:
    """Take a transfer back, or part of it."""
    transfer = call.book.get("transfer", call.path["id"])
    left = transfer["amount"] - transfer["amount_reversed"]
    amount, metadata = call.form.amount(), call.form.metadata()
    refusal = _reversal_refusal(call, transfer, amount, left)
    if refusal is not None:
        raise refusal
    reversal: Json = {
        "id": call.world.ids.new("trr"),
        "object": "transfer_reversal",
        "amount": amount or left,
        "balance_transaction": None,
        "created": call.now,
        "currency": transfer["currency"],
        "destination_payment_refund": None,
        "metadata": metadata,
        "source_refund": None,
        "transfer": transfer["id"],
    }
    call.world.put(call.book, "transfer_reversal", reversal)
    call.book.belong(transfer["id"], "reversals", reversal["id"])
    _come_back(call, transfer, reversal)
    _leave(call.at(call.world.books[transfer["destination"]]), transfer, reversal)
    reversed_ = transfer["amount_reversed"] + reversal["amount"]
    changes = {"amount_reversed": reversed_, "reversed": reversed_ == transfer["amount"]}
    events.amend(call, transfer, changes, "transfer.reversed")
    return reversal


def update(call: Call) -> Json:
    transfer = call.book.get("transfer", call.path["id"])
    changes: Json = {"metadata": merged(transfer["metadata"], call.form.metadata())}
    if "description" in call.form:
        changes["description"] = call.form.text("description")
    events.amend(call, transfer, changes, "transfer.updated")
    return transfer


def retrieve(call: Call) -> Json:
    return call.book.get("transfer", call.path["id"])


def listing(call: Call) -> Json:
    equal = ("destination", "transfer_group")
    return page(call, call.book.shelf("transfer"), equal=equal)


def retrieve_reversal(call: Call) -> Json:
    reversal = call.book.get("transfer_reversal", call.path["reversal"])
    if reversal["transfer"] != call.path["id"]:
        raise no_such("transfer_reversal", reversal["id"])
    return reversal


def list_reversals(call: Call) -> Json:
    transfer = call.book.get("transfer", call.path["id"])
    rows = call.book.belonging(transfer["id"], "reversals", "transfer_reversal")
    return page(call, {row["id"]: row for row in rows})


# What refuses.


def _origin(call: Call, amount: int) -> Json | None:
    """The charge whose money is passed on, when the transfer names one."""
    named = call.form.text("source_transaction")
    if named is None:
        return None
    charge = call.book.get("charge", named, "source_transaction")
    earlier = call.book.belonging(charge["id"], "transfers", "transfer")
    passed_on = sum(transfer["amount"] for transfer in earlier)
    if passed_on + amount > charge["amount_captured"]:
        raise refused(
            "Transfers using this transaction as a source must not exceed the source amount of "
            f"{charge['amount_captured']}. (There is already {passed_on} transferred.)",
            param="amount",
        )
    return charge


def _refusal(
    call: Call, target: Book, amount: int, currency: str, origin: Json | None
) -> Refusal | None:
    if target.account["capabilities"].get("transfers") != "active":
        return refused(
            "Your destination account needs to have at least one of the following capabilities "
            "enabled: transfers, crypto_transfers, legacy_payments",
            "insufficient_capabilities_for_transfer",
        )
    money = ledger.settled_amount(call, amount, currency)
    if origin is None:
        short = ledger.available(call.book, money.currency) < money.amount
        return insufficient_funds() if short else None
    row = call.book.shelf("balance_transaction").get(origin["balance_transaction"] or "")
    if row is not None and row["currency"] != currency:
        return refused(
            "The currency of source_transaction's balance transaction "
            f"({row['currency']}) must be the same as the transfer currency ({currency})",
            param="currency",
        )
    return None


def _reversal_refusal(call: Call, transfer: Json, amount: int | None, left: int) -> Refusal | None:
    if left == 0:
        return refused("This transfer has already been fully reversed.", param="amount")
    if amount is not None and amount > left:
        return refused(
            f"Reversal amount ({amount}) is greater than the unreversed amount of the transfer "
            f"({left})",
            param="amount",
        )
    target = call.at(call.world.books[transfer["destination"]])
    money = ledger.settled_amount(target, amount or left, transfer["currency"])
    if ledger.owned(target.book, money.currency) < money.amount:
        return insufficient_funds()
    return None


# What moves.


def _send(call: Call, transfer: Json, available_on: int) -> None:
    money = ledger.settled_amount(call, -transfer["amount"], transfer["currency"])
    movement = Movement(
        "transfer",
        "transfer",
        money,
        transfer["id"],
        description=transfer["description"],
        available_on=available_on,
    )
    transfer["balance_transaction"] = ledger.post(call, movement)["id"]


def _arrive(call: Call, transfer: Json, available_on: int) -> None:
    """On the other side, a payment of no card."""
    payment = charges.blank(
        call, call.world.ids.new("py"), transfer["amount"], transfer["currency"]
    )
    payment["source_transfer"] = transfer["id"]
    call.world.put(call.book, "charge", payment)
    money = ledger.settled_amount(call, transfer["amount"], transfer["currency"])
    movement = Movement("payment", "charge", money, payment["id"], available_on=available_on)
    payment["balance_transaction"] = ledger.post(call, movement)["id"]
    transfer["destination_payment"] = payment["id"]


def _come_back(call: Call, transfer: Json, reversal: Json) -> None:
    """The balance transaction's source is the transfer, not the reversal, as at Stripe."""
    money = ledger.settled_amount(call, reversal["amount"], reversal["currency"])
    days = call.settings.reversal_settlement_days
    available_on = call.world.clock.midnight(days) if days else 0
    movement = Movement(
        "transfer_refund",
        "transfer_reversal",
        money,
        transfer["id"],
        description="REFUND FOR TRANSFER",
        available_on=available_on,
    )
    reversal["balance_transaction"] = ledger.post(call, movement)["id"]


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
        "metadata": {},
        "payment_intent": None,
        "reason": None,
        "receipt_number": None,
        "source_transfer_reversal": reversal["id"],
        "status": "succeeded",
        "transfer_reversal": None,
    }
    call.world.put(call.book, "refund", refund)
    call.book.belong(payment["id"], "refunds", refund["id"])
    money = ledger.settled_amount(call, -refund["amount"], refund["currency"])
    available_on = charges.available_on(call.book, payment)
    movement = Movement("payment_refund", "refund", money, refund["id"], available_on=available_on)
    refund["balance_transaction"] = ledger.post(call, movement)["id"]
    payment.update(charges.after_refund(payment, refund["amount"]))
    reversal["destination_payment_refund"] = refund["id"]


def _group(origin: Json | None) -> str | None:
    if origin is None:
        return None
    group: str | None = origin["transfer_group"]
    return group or f"group_{origin['payment_intent'] or origin['id']}"


def _blank(call: Call, amount: int, currency: str, destination: str) -> Json:
    return {
        "id": call.world.ids.new("tr"),
        "object": "transfer",
        "amount": amount,
        "amount_reversed": 0,
        "balance_transaction": None,
        "created": call.now,
        "currency": currency,
        "destination": destination,
        "destination_payment": None,
        "livemode": False,
        "reversed": False,
        "source_type": "card",
    }
