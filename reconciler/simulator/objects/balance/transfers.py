"""Transfers: from the platform's balance to a connected account's, and back by reversal.

A transfer has no status: it is done when it is created. What it moves is in `transfer_money.py`.
"""

from fractions import Fraction

from reconciler.simulator.kernel.form import merged
from reconciler.simulator.kernel.money import Settled, half_up
from reconciler.simulator.kernel.pages import page
from reconciler.simulator.kernel.refusals import Refusal, insufficient_funds, no_such, refused
from reconciler.simulator.kernel.world import Book, Call, Json
from reconciler.simulator.objects.balance import ledger, transfer_money
from reconciler.simulator.objects.notices import events
from reconciler.simulator.objects.payments import application_fees, charges

_ABLE = ("transfers", "crypto_transfers", "legacy_payments")


def create(call: Call) -> Json:
    form = call.form
    amount, currency = form.needed_amount(), form.needed("currency").lower()
    destination, metadata = form.needed("destination"), form.metadata()
    source_type = form.choice("source_type", ("bank_account", "card", "fpx")) or "card"
    target = call.world.books.get(destination)
    if target is None or target.deleted or target is call.book or not call.on_platform:
        raise no_such("destination", destination, "destination")
    origin = _origin(call)
    refusal = _refusal(call, target, amount, currency, origin)
    if refusal is None and origin is None:
        money = ledger.settled_amount(call, amount, currency)
        if ledger.available(call.book, money.currency, source_type) < money.amount:
            refusal = insufficient_funds()
    if refusal is not None:
        raise refusal
    transfer = _blank(call, amount, currency, destination)
    transfer.update(
        description=form.text("description"),
        metadata=metadata,
        source_transaction=origin["id"] if origin else None,
        source_type=source_type,
        transfer_group=form.text("transfer_group") or _group(origin),
    )
    return _make(call, transfer, origin)


def of_charge(call: Call, charge: Json, amount: int, fee: int = 0) -> Json:
    """The transfer that a destination charge makes by itself; `call` is the platform's."""
    wanted: Json = charge["transfer_data"]
    money = Settled(amount, charge["currency"])
    if not fee and wanted["amount"] is None:
        # All of it goes on as it settled.
        money = charges.settled(call, charge, amount) if charge["on_behalf_of"] else money
    transfer = _blank(call, money.amount, money.currency, wanted["destination"])
    transfer.update(
        description=wanted.get("description"),
        metadata=dict(wanted.get("metadata") or {}),
        source_transaction=charge["id"],
        transfer_group=charge["transfer_group"] or _group(charge),
        _automatic=True,
    )
    return _make(call, transfer, charge, fee)


def _make(call: Call, transfer: Json, origin: Json | None, fee: int = 0) -> Json:
    call.world.put(call.book, "transfer", transfer)
    available_on = 0
    if origin is not None:
        call.book.belong(origin["id"], "transfers", transfer["id"])
        available_on = charges.available_on(call.book, origin)
        if origin["balance_transaction"] is None:
            available_on = ledger.settles_on(call, currency=transfer["currency"])
    transfer_money.send(call, transfer, available_on, fee)
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
    if call.form.flag("refund_application_fee"):
        _refund_fee(call, transfer, amount or left)
    return take_back(call, transfer, amount or left, metadata=metadata)


def take_back(
    call: Call,
    transfer: Json,
    amount: int,
    source_refund: str | None = None,
    metadata: dict[str, str] | None = None,
) -> Json:
    """Reverse so much of a transfer, whether or not the connected account still has it.

    Of what is already reversed nothing can be taken back again.
    """
    left = transfer["amount"] - transfer["amount_reversed"]
    if amount > left:
        raise _too_much(amount, left)
    reversal: Json = {
        "id": call.world.ids.new("trr"),
        "object": "transfer_reversal",
        "amount": amount,
        "balance_transaction": None,
        "created": call.now,
        "currency": transfer["currency"],
        "destination_payment_refund": None,
        "metadata": metadata or {},
        "source_refund": source_refund,
        "transfer": transfer["id"],
    }
    call.world.put(call.book, "transfer_reversal", reversal)
    call.book.belong(transfer["id"], "reversals", reversal["id"])
    transfer_money.come_back(call, transfer, reversal)
    reversed_ = transfer["amount_reversed"] + amount
    changes = {"amount_reversed": reversed_, "reversed": reversed_ == transfer["amount"]}
    events.amend(call, transfer, changes, "transfer.reversed")
    return reversal


def _refund_fee(call: Call, transfer: Json, amount: int) -> None:
    """The application fee of the payment that arrived goes back in the same proportion."""
    there = call.world.books[transfer["destination"]]
    payment = there.get("charge", transfer["destination_payment"])
    if not payment["application_fee"]:
        raise refused(
            "This transfer has no application fee to refund.", param="refund_application_fee"
        )
    fee = call.book.get("application_fee", payment["application_fee"])
    left = fee["amount"] - fee["amount_refunded"]
    share = half_up(Fraction(fee["amount"] * amount, transfer["amount"]))
    if transfer["amount_reversed"] + amount == transfer["amount"]:
        share = left
    if min(share, left):
        application_fees.refund_fee(call, fee, min(share, left))


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


def update_reversal(call: Call) -> Json:
    reversal = retrieve_reversal(call)
    reversal["metadata"] = merged(reversal["metadata"], call.form.metadata())
    return reversal


def list_reversals(call: Call) -> Json:
    transfer = call.book.get("transfer", call.path["id"])
    ids = call.book.children.get(f"{transfer['id']}/reversals", [])
    return page(call, call.book.shelf("transfer_reversal"), within=ids)


def destination_payment(call: Call, charge: str) -> tuple[Call, Json] | None:
    """What a transfer of this platform became in another account, which it may see and describe."""
    found = call.world.find(charge)
    if found is None or not call.on_platform or not found[1].get("source_transfer"):
        return None
    return call.at(found[0]), found[1]


# What refuses.


def _origin(call: Call) -> Json | None:
    """The charge whose money is passed on, when the transfer names one."""
    named = call.form.text("source_transaction")
    if named is None:
        return None
    charge = call.book.get("charge", named, "source_transaction")
    if charge["status"] == "failed" or not charge["captured"]:
        raise refused(
            f"Charge {charge['id']} was not captured, so it cannot be the source of a transfer.",
            param="source_transaction",
        )
    kind = call.form.text("source_type")
    if kind is not None and kind != "card":
        raise refused(
            "`source_type` cannot be combined with `source_transaction`.",
            "transfer_source_balance_parameters_mismatch",
            "source_type",
        )
    return charge


def _refusal(
    call: Call, target: Book, amount: int, currency: str, origin: Json | None
) -> Refusal | None:
    if not any(target.account["capabilities"].get(name) == "active" for name in _ABLE):
        return refused(
            "Your destination account needs to have at least one of the following capabilities "
            f"enabled: {', '.join(_ABLE)}",
            "insufficient_capabilities_for_transfer",
        )
    if origin is None:
        return None
    row = call.book.shelf("balance_transaction").get(origin["balance_transaction"] or "")
    if row is not None and row["currency"] != currency:
        return refused(
            "The currency of source_transaction's balance transaction "
            f"({row['currency']}) must be the same as the transfer currency ({currency})",
            param="currency",
        )
    whole = row["amount"] if row else origin["amount"]
    return _beyond_origin(call, origin, whole, amount)


def _beyond_origin(call: Call, origin: Json, whole: int, amount: int) -> Refusal | None:
    """No more can be passed on than the charge brought and still has."""
    has = charges.refundable(origin)
    source = whole if has == origin["amount"] else whole * has // origin["amount"]
    earlier = call.book.belonging(origin["id"], "transfers", "transfer")
    passed_on = sum(transfer["amount"] - transfer["amount_reversed"] for transfer in earlier)
    promised = origin["transfer_data"]
    if promised is not None and not origin.get("transfer"):
        passed_on += promised["amount"] or has
    if passed_on + amount <= source:
        return None
    return refused(
        "Transfers using this transaction as a source must not exceed the source amount of "
        f"{source}. (There is already {passed_on} transferred.)",
        param="amount",
    )


def _reversal_refusal(call: Call, transfer: Json, amount: int | None, left: int) -> Refusal | None:
    if left == 0:
        return refused("This transfer has already been fully reversed.", param="amount")
    if amount is not None and amount > left:
        return _too_much(amount, left)
    target = call.world.books[transfer["destination"]]
    if transfer.get("_automatic"):
        return None
    able = transfer_money.can_give_back(target, call, transfer, amount or left)
    return None if able else insufficient_funds()


def _too_much(amount: int, left: int) -> Refusal:
    return refused(
        f"Reversal amount ({amount}) is greater than the unreversed amount of the transfer "
        f"({left})",
        param="amount",
    )


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
        "description": None,
        "destination": destination,
        "destination_payment": None,
        "livemode": False,
        "metadata": {},
        "reversed": False,
        "source_transaction": None,
        "source_type": "card",
        "transfer_group": None,
    }
