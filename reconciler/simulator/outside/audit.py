"""Proof that the simulated books are right: every total derived again from what it totals.

It reads everything and changes nothing. An empty list means that a difference found by anyone else
is not the simulator's.
"""

from collections import defaultdict
from collections.abc import Iterator
from itertools import product

from reconciler.simulator.kernel.world import Book, Json, World

_RETURNED = ("failed", "canceled")
_MONEY = ("available", "pending")


def audit(world: World) -> list[str]:
    """Every disagreement, as a sentence."""
    found: list[str] = []
    for book in world.books.values():
        for check in (_balances, _rows, _charges, _transfers, _payouts, _disputes):
            found.extend(f"{book.id}: {sentence}" for sentence in check(world, book))
    return found


def _rows_of(book: Book) -> dict[str, Json]:
    return book.shelf("balance_transaction")


def _balances(world: World, book: Book) -> Iterator[str]:
    """Per currency, what the balance says is what its balance transactions sum to."""
    sums: dict[tuple[str, str], int] = defaultdict(int)
    for row in _rows_of(book).values():
        sums[row["currency"], row["status"]] += row["net"]
    currencies = sorted({*book.totals, *(currency for currency, _ in sums)})
    for currency, side in product(currencies, _MONEY):
        said = book.totals.get(currency, {}).get(side, 0)
        if said != sums[currency, side]:
            yield f"{side} {currency} is {said}, its rows sum to {sums[currency, side]}"


def _rows(world: World, book: Book) -> Iterator[str]:
    for row in _rows_of(book).values():
        due = "available" if row["available_on"] <= world.clock.now() else "pending"
        if row["net"] != row["amount"] - row["fee"]:
            yield f"{row['id']} has a net that is not amount minus fee"
        if row["fee"] != sum(detail["amount"] for detail in row["fee_details"]):
            yield f"{row['id']} has a fee that is not the sum of its details"
        if row["status"] != due:
            yield f"{row['id']} should be {due}"
        if row["source"] is not None and row["source"] not in world.index:
            yield f"{row['id']} has a source that does not exist"


def _charges(world: World, book: Book) -> Iterator[str]:
    """Of what was captured, refunded is what its living refunds sum to."""
    for charge in book.shelf("charge").values():
        made = book.belonging(charge["id"], "refunds", "refund")
        alive = sum(refund["amount"] for refund in made if refund["status"] not in _RETURNED)
        if charge["captured"] and charge["amount_refunded"] != alive:
            yield f"{charge['id']} says {charge['amount_refunded']} refunded, not {alive}"
        if charge["captured"] and alive > charge["amount_captured"]:
            yield f"{charge['id']} is refunded beyond what was captured"


def _transfers(world: World, book: Book) -> Iterator[str]:
    """What left one balance arrived on the other, and so with what came back."""
    for transfer in book.shelf("transfer").values():
        reversals = book.belonging(transfer["id"], "reversals", "transfer_reversal")
        reversed_ = sum(reversal["amount"] for reversal in reversals)
        if transfer["amount_reversed"] != reversed_:
            yield f"{transfer['id']} says {transfer['amount_reversed']} reversed, not {reversed_}"
        target = world.books[transfer["destination"]]
        payment = target.shelf("charge")[transfer["destination_payment"]]
        if payment["amount"] != transfer["amount"] or payment["amount_refunded"] != reversed_:
            yield f"{transfer['id']} does not agree with {payment['id']}"
        yield from _mirrored(book, transfer, target, payment)


def _mirrored(book: Book, transfer: Json, target: Book, payment: Json) -> Iterator[str]:
    sent = _rows_of(book)[transfer["balance_transaction"]]
    arrived = _rows_of(target)[payment["balance_transaction"]]
    if sent["currency"] == arrived["currency"] and sent["amount"] + arrived["amount"]:
        yield f"{transfer['id']} took {sent['amount']} and brought {arrived['amount']}"


def _payouts(world: World, book: Book) -> Iterator[str]:
    """An automatic payout is what it consists of; a returned one took nothing."""
    known: set[str] = set()
    for payout in book.shelf("payout").values():
        rows = book.belonging(payout["id"], "balance_transactions", "balance_transaction")
        if rows and sum(row["net"] for row in rows):
            yield f"{payout['id']} does not consist of its balance transactions"
        if not known.isdisjoint(row["id"] for row in rows):
            yield f"{payout['id']} consists of what an earlier payout paid already"
        known.update(row["id"] for row in rows)
        moved = [payout["balance_transaction"], payout["failure_balance_transaction"]]
        net = sum(_rows_of(book)[row]["net"] for row in moved if row)
        if net != (0 if payout["status"] in _RETURNED else -payout["amount"]):
            yield f"{payout['id']} is {payout['status']} and moved {net}"


def _disputes(world: World, book: Book) -> Iterator[str]:
    """A lost or open dispute took its amount once, a won one gave it back, an inquiry nothing."""
    for dispute in book.shelf("dispute").values():
        rows = book.belonging(dispute["id"], "balance_transactions", "balance_transaction")
        inquiry = dispute["status"].startswith("warning_")
        expected = 0 if inquiry else 2 if dispute["status"] == "won" else 1
        if len(rows) != expected:
            yield f"{dispute['id']} is {dispute['status']} with {len(rows)} balance transactions"
        if expected != 1 and sum(row["amount"] for row in rows):
            yield f"{dispute['id']} is {dispute['status']} and still moved money"
