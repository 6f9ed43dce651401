"""Balance transactions: the only way money moves on a simulated balance.

Each is posted once and never changes, except that its status turns available when its day comes.
Running totals per currency are kept beside them; `audit.py` proves that they agree.
"""

from dataclasses import dataclass

from reconciler.simulator.kernel.money import Settled, settle
from reconciler.simulator.kernel.pages import page
from reconciler.simulator.kernel.refusals import refused
from reconciler.simulator.kernel.world import Book, Call, Json, World
from reconciler.simulator.objects import events


@dataclass(frozen=True)
class Movement:
    """A balance transaction to be: signed, in the currency of the balance."""

    type: str
    category: str
    money: Settled
    source: str | None = None
    fee: int = 0
    description: str | None = None
    available_on: int = 0


def post(call: Call, movement: Movement) -> Json:
    """The movement is on the balance: pending if its day is still to come."""
    world, book, money = call.world, call.book, movement.money
    available_on = max(movement.available_on, call.now)
    pending = available_on > call.now
    row: Json = {
        "id": world.ids.new("txn"),
        "object": "balance_transaction",
        "amount": money.amount,
        "available_on": available_on,
        "balance_type": "payments",
        "created": call.now,
        "currency": money.currency,
        "description": movement.description,
        "exchange_rate": money.exchange_rate,
        "fee": movement.fee,
        "fee_details": _fee_details(movement),
        "net": money.amount - movement.fee,
        "reporting_category": movement.category,
        "source": movement.source,
        "status": "pending" if pending else "available",
        "type": movement.type,
    }
    world.put(book, "balance_transaction", row)
    total(book, money.currency)[row["status"]] += row["net"]
    if pending:
        _await_settlement(world, book, row)
    return row


def undo(call: Call, original: Json, type_: str, category: str) -> Json:
    """The exact opposite of an earlier movement, at once available."""
    money = Settled(-original["amount"], original["currency"])
    fee = -original["fee"]
    row = post(call, Movement(type_, category, money, original["source"], fee))
    row["exchange_rate"] = original["exchange_rate"]
    return row


def total(book: Book, currency: str) -> dict[str, int]:
    return book.totals.setdefault(currency, {"available": 0, "pending": 0})


def available(book: Book, currency: str) -> int:
    return book.totals.get(currency, {}).get("available", 0)


def owned(book: Book, currency: str) -> int:
    """Available and pending together."""
    return sum(book.totals.get(currency, {}).values())


def settled_amount(call: Call, amount: int, currency: str) -> Settled:
    return settle(call.settings, call.book, amount, currency)


def _fee_details(movement: Movement) -> list[Json]:
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


# Settlement: pending money becomes available when its day comes.


def _await_settlement(world: World, book: Book, row: Json) -> None:
    day = row["available_on"]
    if day not in book.unsettled:
        book.unsettled[day] = []
        world.clock.at(day, "settle", account=book.id, day=day)
    book.unsettled[day].append(row["id"])


def settle_day(world: World, account: str, day: int) -> None:
    """Everything that becomes available at this moment does, with one `balance.available`."""
    book = world.books[account]
    shelf = book.shelf("balance_transaction")
    for row_id in book.unsettled.pop(day, []):
        row = shelf[row_id]
        row["status"] = "available"
        total(book, row["currency"])["pending"] -= row["net"]
        total(book, row["currency"])["available"] += row["net"]
    call = Call(world, book)
    events.emit(call, "balance.available", balance(call))


# What can be asked.


def balance(call: Call) -> Json:
    """Stripe's two figures per currency. A currency never used is absent."""
    sides: Json = {"object": "balance", "available": [], "livemode": False, "pending": []}
    currencies = sorted({call.book.account["default_currency"], *call.book.totals})
    for side in ("available", "pending"):
        for currency in currencies:
            amount = call.book.totals.get(currency, {}).get(side, 0)
            parts = {"card": amount}
            sides[side].append({"amount": amount, "currency": currency, "source_types": parts})
    if call.on_platform:
        default = call.book.account["default_currency"]
        sides["connect_reserved"] = [{"amount": 0, "currency": default}]
    return sides


def retrieve(call: Call) -> Json:
    return call.book.get("balance_transaction", call.path["id"])


def listing(call: Call) -> Json:
    shelf = call.book.shelf("balance_transaction")
    payout = call.form.text("payout")
    if payout is None:
        return page(call, shelf, equal=("currency", "source", "type"))
    if not call.book.get("payout", payout, "payout")["automatic"]:
        message = "Balance transaction history can only be filtered on automatic payouts."
        raise refused(message, param="payout")
    ids = call.book.children.get(f"{payout}/balance_transactions", [])
    composition = {row_id: shelf[row_id] for row_id in ids}
    return page(call, composition, equal=("currency", "source", "type"))
