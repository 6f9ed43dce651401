"""Balance transactions: the only way money moves on a simulated balance.

Each is posted once and never changes, except that its status turns available when its day comes.
Running totals per currency are kept beside them; `audit.py` proves that they agree. Only those of
the payments balance count in `available` and `pending`; what is held elsewhere has pots of its own.
"""

from dataclasses import dataclass

from reconciler.simulator.kernel import calendar
from reconciler.simulator.kernel.money import Settled, settle
from reconciler.simulator.kernel.world import Book, Call, Json, World
from reconciler.simulator.objects.balance import balances
from reconciler.simulator.objects.notices import events

_PAYMENTS = "payments"
_ARRIVALS = ("charge", "payment", "topup", "connect_collection_transfer")


@dataclass(frozen=True)
class Movement:
    """A balance transaction to be: signed, in the currency of the balance.

    `fee_details` say what the fee consists of; without them it is all Stripe's.
    """

    type: str
    category: str
    money: Settled
    source: str | None = None
    fee: int = 0
    description: str | None = None
    available_on: int = 0
    fee_details: tuple[Json, ...] = ()
    source_type: str = "card"
    balance_type: str = _PAYMENTS


def post(call: Call, movement: Movement) -> Json:
    """The movement is on the balance: pending if its day is still to come."""
    world, book, money = call.world, call.book, movement.money
    fee_details = _fee_details(movement)
    fee = sum(detail["amount"] for detail in fee_details)
    available_on = max(movement.available_on, call.now)
    pending = available_on > call.now
    row: Json = {
        "id": world.ids.new("txn"),
        "object": "balance_transaction",
        "amount": money.amount,
        "available_on": available_on,
        "balance_type": movement.balance_type,
        "created": call.now,
        "currency": money.currency,
        "description": movement.description,
        "exchange_rate": money.exchange_rate,
        "fee": fee,
        "fee_details": fee_details,
        "net": money.amount - fee,
        "reporting_category": movement.category,
        "source": movement.source,
        "status": "pending" if pending else "available",
        "type": movement.type,
    }
    if movement.source_type != "card":
        row["_source_type"] = movement.source_type
    world.put(book, "balance_transaction", row)
    world.journal.note("money", book.id, (row["id"], movement.source, call.request))
    count(call, row)
    return row


def undo(call: Call, original: Json, type_: str, category: str) -> Json:
    """The exact opposite of an earlier movement, at once available."""
    movement = Movement(
        type_,
        category,
        Settled(-original["amount"], original["currency"]),
        original["source"],
        fee_details=tuple(
            {**detail, "amount": -detail["amount"]} for detail in original["fee_details"]
        ),
        source_type=original.get("_source_type", "card"),
    )
    row = post(call, movement)
    row["exchange_rate"] = original["exchange_rate"]
    return row


def total(book: Book, currency: str) -> dict[str, int]:
    return book.totals.setdefault(currency, {"available": 0, "pending": 0})


def available(book: Book, currency: str, source_type: str | None = None) -> int:
    """What can be spent now, of one kind of source if that is named."""
    amount = book.totals.get(currency, {}).get("available", 0)
    from_banks = book.bank_totals.get(currency, {}).get("available", 0)
    if source_type is None:
        return amount
    return {"bank_account": from_banks, "card": amount - from_banks}.get(source_type, 0)


def owned(book: Book, currency: str) -> int:
    """Available and pending together."""
    return sum(book.totals.get(currency, {}).values())


def settled_amount(
    call: Call, amount: int, currency: str, on_behalf_of: str | None = None
) -> Settled:
    """The amount on this account's balance; what is taken for another settles as it would there."""
    there = call.world.books.get(on_behalf_of or "")
    if there is not None:
        return settle(call.settings, there, amount, currency, home=False)
    return settle(call.settings, call.book, amount, currency, call.on_platform)


def settles_on(
    call: Call, kind: str = "card", currency: str | None = None, account: Json | None = None
) -> int:
    """00:00 of the day when money paid now by this kind of method becomes available.

    `account` is whose rules hold: that of `on_behalf_of`, or the one that is charged.
    """
    owner = account or call.book.account
    days = settlement_days(call, kind, currency or "", owner)
    return calendar.after(call.now, days, owner["country"])


def settlement_days(call: Call, kind: str, currency: str, account: Json) -> int:
    """Business days from payment to availability."""
    days, country = call.settings.settlement_days_by, account["country"]
    own = call.world.books[account["id"]].settlement_override
    if own is not None and kind == "card":
        return own
    names = [f"{kind}/{currency}", f"{kind}/{country}", kind, currency, country]
    if kind == "card":
        names.remove(kind)
    return next((days[name] for name in names if name in days), call.settings.settlement_days)


def _fee_details(movement: Movement) -> list[Json]:
    if movement.fee_details:
        return [{**detail, "currency": movement.money.currency} for detail in movement.fee_details]
    if not movement.fee:
        return []
    disputed = movement.type == "adjustment"
    return [
        {
            "amount": movement.fee,
            "application": None,
            "currency": movement.money.currency,
            "description": "Dispute fee" if disputed else "Stripe processing fees",
            "type": "stripe_fee",
        }
    ]


def count(call: Call, row: Json) -> None:
    """Take a new row into the totals that it belongs to."""
    book, currency = call.book, row["currency"]
    if row["balance_type"] != _PAYMENTS:
        pots = book.pots.setdefault(row["balance_type"], {})
        pots[currency] = pots.get(currency, 0) + row["net"]
        return
    _add(book, row, row["status"])
    if not call.on_platform and (owned(book, currency) < 0 or currency in book.reserved):
        call.world.clock.at(call.now, "reserve_covers", account=book.id, currency=currency)
    if row["status"] == "pending":
        _await_settlement(call.world, book, row)
        return
    book.unpaid.setdefault(currency, []).append(row["id"])
    if row["net"] > 0:
        _funds_grew(call)
        if row["type"] in _ARRIVALS and not book.grown:
            book.grown = True
            call.world.clock.at(call.now, "balance_grew", account=book.id)


def _add(book: Book, row: Json, side: str, sign: int = 1) -> None:
    net, currency = sign * row["net"], row["currency"]
    total(book, currency)[side] += net
    if row.get("_source_type") == "bank_account":
        nothing = {"available": 0, "pending": 0}
        book.bank_totals.setdefault(currency, nothing)[side] += net


# Settlement: pending money becomes available when its day comes.


def _await_settlement(world: World, book: Book, row: Json) -> None:
    day = row["available_on"]
    waiting = book.unsettled.get(str(day))
    if waiting is None:
        waiting = book.unsettled[str(day)] = []
        world.clock.at(day, "settle", account=book.id, day=day)
    waiting.append(row["id"])


def settle_day(world: World, account: str, day: int) -> None:
    """Everything that becomes available at this moment does, with one `balance.available`."""
    book = world.books[account]
    call = Call(world, book)
    shelf = book.shelf("balance_transaction")
    rows = [shelf[row_id] for row_id in book.unsettled.pop(str(day), [])]
    for row in rows:
        row["status"] = "available"
        _add(book, row, "pending", -1)
        _add(book, row, "available")
        book.unpaid.setdefault(row["currency"], []).append(row["id"])
    if any(row["net"] > 0 for row in rows):
        _funds_grew(call)
        tell(world, account)


def tell(world: World, account: str) -> None:
    """`balance.available`: something was added to what can be spent."""
    call = Call(world, world.books[account])
    call.book.grown = False
    if not call.book.deleted:
        events.emit(call, "balance.available", balances.balance(call))


def _funds_grew(call: Call) -> None:
    """Refunds that wait for funds may proceed."""
    if call.book.shelves.get("refund_waiting"):
        call.world.clock.at(call.now, "refunds_proceed", account=call.book.id)
