"""Proof that the simulated books are right: every total derived again from what it totals.

It reads everything and changes nothing. An empty list means that a difference found by anyone else
is not the simulator's. What single families of objects promise is proved in `audit_objects.py`.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import product

from reconciler.simulator.kernel.shelf import Shelf
from reconciler.simulator.kernel.world import Book, Json, World
from reconciler.simulator.outside.proof import audit_objects

_SIDES = ("available", "pending")
_CONNECT = "connect_reserved"

# Sums of net, by currency and side, or by currency and pot.
Sums = Counter[tuple[str, str]]


def audit(world: World) -> list[str]:
    """Every disagreement, as a sentence."""
    found: list[str] = []
    checks = (_money, *audit_objects.CHECKS)
    for book in world.books.values():
        for check in checks:
            found.extend(f"{book.id}: {sentence}" for sentence in check(world, book))
    found.extend(_connect_reserves(world))
    return found


def _money(world: World, book: Book) -> Iterator[str]:
    """Each movement is sound, and per currency they sum to what the balance says."""
    paid, from_banks, elsewhere = Sums(), Sums(), Sums()
    now = world.clock.now()
    for row in _rows(book).values():
        currency, net = row["currency"], row["net"]
        if row["balance_type"] == "payments":
            paid[currency, row["status"]] += net
        else:
            elsewhere[currency, row["balance_type"]] += net
        if "_source_type" in row and row["_source_type"] == "bank_account":
            from_banks[currency, row["status"]] += net
        if _is_unsound(world, row, now):
            yield from _faults(world, row, now)
    yield from _compared(book.totals, paid, "")
    yield from _compared(book.bank_totals, from_banks, " from banks")
    yield from _pots(book, elsewhere)
    yield from _unpaid(book)


def _rows(book: Book) -> Shelf:
    return book.shelf("balance_transaction")


def _is_unsound(world: World, row: Json, now: int) -> bool:
    """A quick look; what exactly is wrong is said by `_faults`."""
    details = row["fee_details"]
    return (
        row["net"] != row["amount"] - row["fee"]
        or (row["available_on"] <= now) != (row["status"] == "available")
        or (row["source"] is not None and row["source"] not in world.index)
        or row["fee"] != (sum(detail["amount"] for detail in details) if details else 0)
    )


def _faults(world: World, row: Json, now: int) -> Iterator[str]:
    due = "available" if row["available_on"] <= now else "pending"
    if row["net"] != row["amount"] - row["fee"]:
        yield f"{row['id']} has a net that is not amount minus fee"
    if row["fee"] != sum(detail["amount"] for detail in row["fee_details"]):
        yield f"{row['id']} has a fee that is not the sum of its details"
    if row["status"] != due:
        yield f"{row['id']} should be {due}"
    if row["source"] is not None and row["source"] not in world.index:
        yield f"{row['id']} has a source that does not exist"


def _compared(said: dict[str, dict[str, int]], sums: Sums, which: str) -> Iterator[str]:
    currencies = sorted({*said, *(currency for currency, _ in sums)})
    for currency, side in product(currencies, _SIDES):
        amount = said.get(currency, {}).get(side, 0)
        if amount != sums[currency, side]:
            found = sums[currency, side]
            yield f"{side} {currency}{which} is {amount}, its rows sum to {found}"


def _pots(book: Book, sums: Sums) -> Iterator[str]:
    """What is held outside the payments balance is what its own rows sum to, and never less."""
    for name in {*book.pots, *(pot for _, pot in sums)} - {_CONNECT}:
        said = book.pots.get(name, {})
        for currency in sorted({*said, *(each for each, pot in sums if pot == name)}):
            amount = said.get(currency, 0)
            if amount != sums[currency, name]:
                yield f"{name} {currency} is {amount}, its rows sum to {sums[currency, name]}"
            if amount < 0:
                yield f"{name} {currency} is below zero"


def _unpaid(book: Book) -> Iterator[str]:
    """What is available is what no automatic payout consists of yet, each row once."""
    shelf = _rows(book)
    for currency in sorted({*book.unpaid, *book.totals}):
        ids = book.unpaid.get(currency, [])
        available = book.totals.get(currency, {}).get("available", 0)
        left = sum(shelf[row_id]["net"] for row_id in ids)
        if left != available:
            yield f"available {currency} is {available}, what is not paid out yet is {left}"
        if len(set(ids)) != len(ids):
            yield f"{currency} has movements that wait twice for a payout"


def _connect_reserves(world: World) -> Iterator[str]:
    """The platform holds what its connected accounts owe, of its own money."""
    home, held = world.home, Counter[str]()
    for book in world.books.values():
        for currency, owed in book.reserved.items():
            held[owed["currency"]] += owed["held"]
            below = max(0, -sum(book.totals.get(currency, {}).values()))
            if owed["owed"] != below:
                yield f"{book.id} owes {below} {currency}, and {owed['owed']} is reserved for it"
    taken = Counter[str]()
    for row in _rows(home).values():
        if row["type"] == "reserve_transaction":
            taken[row["currency"]] -= row["net"]
    pot = home.pots.get(_CONNECT, {})
    for currency in sorted({*pot, *held, *taken}):
        if not pot.get(currency, 0) == held[currency] == taken[currency]:
            yield (
                f"{pot.get(currency, 0)} {currency} is reserved for connected accounts, of which "
                f"{held[currency]} is owed and {taken[currency]} was taken"
            )
