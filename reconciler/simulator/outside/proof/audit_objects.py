"""What single families of objects promise about money, proved again from their parts.

Refunds, transfers, application fees, payouts, disputes and top-ups: their caps, and that what moved
is what they say. It reads everything and changes nothing.
"""

from collections.abc import Callable, Iterator

from reconciler.simulator.kernel.world import Book, Json, World
from reconciler.simulator.objects.connect import requirements

_RETURNED = ("failed", "canceled")


def _rows_of(book: Book) -> dict[str, Json]:
    return book.shelf("balance_transaction")


def _net(book: Book, *ids: str | None) -> int:
    rows = _rows_of(book)
    return sum(rows[row_id]["net"] for row_id in ids if row_id)


def _gross(book: Book, *ids: str | None) -> int:
    rows = _rows_of(book)
    return sum(rows[row_id]["amount"] for row_id in ids if row_id)


def _charges(world: World, book: Book) -> Iterator[str]:
    """Of what was captured, refunded is what its living refunds sum to."""
    children, refunds = book.children, book.shelf("refund")
    for charge in book.shelf("charge").values():
        ids = children.get(f"{charge['id']}/refunds")
        if ids is None and not charge["amount_refunded"]:
            continue
        if not charge["captured"]:
            continue
        made = [refunds[refund] for refund in ids or ()]
        alive = sum(refund["amount"] for refund in made if refund["status"] not in _RETURNED)
        if charge["amount_refunded"] != alive:
            yield f"{charge['id']} says {charge['amount_refunded']} refunded, not {alive}"
        if alive > charge["amount_captured"] + charge.get("_released", 0):
            yield f"{charge['id']} is refunded beyond what was captured"


def _payments(world: World, book: Book) -> Iterator[str]:
    """A payment received what its charge captured, and holds only while it waits for a capture."""
    charges = book.shelf("charge")
    for intent in book.shelf("payment_intent").values():
        status, charge = intent["status"], charges.get(intent["latest_charge"] or "")
        captured = charge["amount_captured"] if charge else 0
        if status == "succeeded" and intent["amount_received"] != captured:
            yield f"{intent['id']} received {intent['amount_received']}, its charge {captured}"
        if (intent["amount_capturable"] > 0) != (status == "requires_capture"):
            yield f"{intent['id']} is {status} and holds {intent['amount_capturable']}"


def _cash(world: World, book: Book) -> Iterator[str]:
    """What customers hold in cash is what was sent less what was applied, and never less."""
    held: dict[tuple[str, str], int] = {}
    for entry in book.shelf("customer_cash_balance_transaction").values():
        key = (entry["customer"], entry["currency"])
        held[key] = held.get(key, 0) + entry["net_amount"]
        if entry["ending_balance"] != held[key] or held[key] < 0:
            yield f"{entry['id']} does not end at the {held[key]} that its customer holds"


def _refunds(world: World, book: Book) -> Iterator[str]:
    """A refund that came back moved nothing in the end."""
    for refund in book.shelf("refund").values():
        back = refund.get("failure_balance_transaction")
        if back and _net(book, refund["balance_transaction"], back):
            yield f"{refund['id']} came back and still moved money"
        if back and refund["status"] not in _RETURNED:
            yield f"{refund['id']} came back and is {refund['status']}"
        waits = refund.get("pending_reason") in ("charge_pending", "insufficient_funds")
        if waits and refund["balance_transaction"]:
            yield f"{refund['id']} waits for money and has taken some"
        queued = refund["id"] in book.shelf("refund_waiting")
        if queued != (refund.get("pending_reason") == "insufficient_funds"):
            yield f"{refund['id']} does not know whether it waits for money"


def _transfers(world: World, book: Book) -> Iterator[str]:
    """What left one balance arrived on the other, and so with what came back."""
    passed_on: dict[str, int] = {}
    for transfer in book.shelf("transfer").values():
        reversals = book.belonging(transfer["id"], "reversals", "transfer_reversal")
        reversed_ = sum(reversal["amount"] for reversal in reversals)
        if transfer["amount_reversed"] != reversed_:
            yield f"{transfer['id']} says {transfer['amount_reversed']} reversed, not {reversed_}"
        if reversed_ > transfer["amount"]:
            yield f"{transfer['id']} is reversed beyond its amount"
        if transfer["reversed"] != (reversed_ == transfer["amount"]):
            yield f"{transfer['id']} does not know whether it is reversed"
        target = world.books[transfer["destination"]]
        payment = target.shelf("charge")[transfer["destination_payment"]]
        if payment["amount"] != transfer["amount"] or payment["amount_refunded"] != reversed_:
            yield f"{transfer['id']} does not agree with {payment['id']}"
        yield from _mirrored(book, transfer, target, payment)
        for reversal in reversals:
            yield from _came_back(book, reversal, target)
        origin = transfer["source_transaction"]
        if origin is not None:
            passed_on[origin] = passed_on.get(origin, 0) + transfer["amount"] - reversed_
    yield from _origins(book, passed_on)


def _mirrored(book: Book, transfer: Json, target: Book, payment: Json) -> Iterator[str]:
    sent = _rows_of(book)[transfer["balance_transaction"]]
    arrived = _rows_of(target)[payment["balance_transaction"]]
    if sent["currency"] == arrived["currency"] and sent["amount"] + arrived["amount"]:
        yield f"{transfer['id']} took {sent['amount']} and brought {arrived['amount']}"


def _came_back(book: Book, reversal: Json, target: Book) -> Iterator[str]:
    back = _rows_of(book)[reversal["balance_transaction"]]
    refund = target.shelf("refund")[reversal["destination_payment_refund"]]
    left = _rows_of(target)[refund["balance_transaction"]]
    if back["currency"] == left["currency"] and back["amount"] + left["amount"]:
        yield f"{reversal['id']} took {left['amount']} and brought {back['amount']}"


def _origins(book: Book, passed_on: dict[str, int]) -> Iterator[str]:
    """No charge is passed on beyond what it brought, in the currency in which it was booked."""
    for origin, amount in passed_on.items():
        charge = book.shelf("charge")[origin]
        booked = charge["balance_transaction"]
        brought = _rows_of(book)[booked]["amount"] if booked else charge["amount"]
        if amount > max(brought, charge["amount"]):
            yield f"{origin} is passed on beyond what it brought"


def _application_fees(world: World, book: Book) -> Iterator[str]:
    """A fee gives back no more than it took, and moved what is left of it."""
    for fee in book.shelf("application_fee").values():
        refunds = book.belonging(fee["id"], "refunds", "fee_refund")
        given_back = sum(refund["amount"] for refund in refunds)
        if fee["amount_refunded"] != given_back or given_back > fee["amount"]:
            yield f"{fee['id']} says {fee['amount_refunded']} of {fee['amount']} refunded, not so"
        rows = [fee["balance_transaction"], *(each["balance_transaction"] for each in refunds)]
        moved = [_rows_of(book)[row] for row in rows if row]
        same = all(row["currency"] == fee["currency"] for row in moved)
        if same and sum(row["net"] for row in moved) != fee["amount"] - given_back:
            yield f"{fee['id']} did not move what is left of it"


def _payouts(world: World, book: Book) -> Iterator[str]:
    """An automatic payout is what it consists of; a returned one took nothing."""
    known: set[str] = set()
    rows, children = _rows_of(book), book.children
    for payout in book.shelf("payout").values():
        ids = children.get(f"{payout['id']}/balance_transactions", [])
        if payout["automatic"] != bool(ids) or sum(rows[row]["net"] for row in ids):
            yield f"{payout['id']} does not consist of its balance transactions"
        if not known.isdisjoint(ids):
            yield f"{payout['id']} consists of what an earlier payout paid already"
        known.update(ids)
        moved = _gross(book, payout["balance_transaction"], payout["failure_balance_transaction"])
        if moved != (0 if payout["status"] in _RETURNED else -payout["amount"]):
            yield f"{payout['id']} is {payout['status']} and moved {moved}"
        back = payout["reversed_by"]
        if back and book.shelf("payout")[back]["amount"] != -payout["amount"]:
            yield f"{payout['id']} was reversed by {back} for another amount"
    for currency, waiting in book.unpaid.items():
        if not known.isdisjoint(waiting):
            yield f"some {currency} was paid out and still waits for a payout"


def _disputes(world: World, book: Book) -> Iterator[str]:
    """A lost or open dispute took its amount once, a won one gave it back, an inquiry nothing."""
    for dispute in book.shelf("dispute").values():
        rows = book.belonging(dispute["id"], "balance_transactions", "balance_transaction")
        quiet = dispute["status"].startswith("warning_") or dispute["status"] == "prevented"
        expected = 0 if quiet else 2 if dispute["status"] == "won" else 1
        if len(rows) != expected:
            yield f"{dispute['id']} is {dispute['status']} with {len(rows)} balance transactions"
        if expected != 1 and sum(row["amount"] for row in rows):
            yield f"{dispute['id']} is {dispute['status']} and still moved money"


def _topups(world: World, book: Book) -> Iterator[str]:
    """A top-up brought its amount exactly when it succeeded."""
    rows = _rows_of(book)
    for topup in book.shelf("topup").values():
        row = topup["balance_transaction"]
        came = topup["status"] in ("succeeded", "reversed")
        if came != bool(row) or (row and rows[row]["amount"] != topup["amount"]):
            yield f"{topup['id']} is {topup['status']} and its money says otherwise"


def _checkouts(world: World, book: Book) -> Iterator[str]:
    """A session is what its items come to, and paid when its payment is."""
    items, intents = book.shelf("item"), book.shelf("payment_intent")
    for session in book.shelf("checkout.session").values():
        if session["mode"] == "setup":
            continue
        ids = book.children[f"{session['id']}/line_items"]
        due = sum(items[item]["amount_total"] for item in ids)
        if session["amount_total"] != due:
            yield f"{session['id']} asks for {session['amount_total']}, its items for {due}"
        if session["payment_intent"] is None:
            continue
        taken = intents[session["payment_intent"]]["status"] == "succeeded"
        if taken != (session["payment_status"] == "paid"):
            yield f"{session['id']} does not know whether it is paid"


def _standings(world: World, book: Book) -> Iterator[str]:
    """What a merchant may do follows from what is known; each currency has one way out at most."""
    if book.deleted or book.account["_requested"] is None:
        return
    for name, value in requirements.standing(book, world.clock.now()).items():
        if book.account[name] != value:
            yield f"{name} is {book.account[name]}, and should be {value}"
    own = requirements.external_accounts(book)
    ways = [thing["currency"] for thing in own if thing["default_for_currency"]]
    for currency in sorted({currency for currency in ways if ways.count(currency) > 1}):
        yield f"there are several default external accounts for {currency}"


CHECKS: tuple[Callable[[World, Book], Iterator[str]], ...] = (
    _checkouts,
    _charges,
    _payments,
    _cash,
    _refunds,
    _transfers,
    _application_fees,
    _payouts,
    _disputes,
    _topups,
    _standings,
)
