"""How stored objects look from outside: notes removed, embedded lists filled in, ids expanded.

Serving never changes what is stored; everything handed out is a copy.
"""

from typing import Any

from reconciler.simulator.kernel import refusals
from reconciler.simulator.kernel.world import Book, Json, World

_EMBEDDED_ROWS = 10
_DEEPEST = 4

# Which fields of which object hold an id that can be opened.
_EXPANDABLE: dict[str, frozenset[str]] = {
    "balance_transaction": frozenset({"source"}),
    "charge": frozenset(
        {
            "balance_transaction",
            "customer",
            "failure_balance_transaction",
            "payment_intent",
            "refunds",
            "source_transfer",
            "transfer",
        }
    ),
    "dispute": frozenset({"charge", "payment_intent"}),
    "payment_intent": frozenset({"customer", "latest_charge", "payment_method"}),
    "payment_method": frozenset({"customer"}),
    "payout": frozenset({"balance_transaction", "destination", "failure_balance_transaction"}),
    "refund": frozenset(
        {
            "balance_transaction",
            "charge",
            "failure_balance_transaction",
            "payment_intent",
            "source_transfer_reversal",
            "transfer_reversal",
        }
    ),
    "topup": frozenset({"balance_transaction"}),
    "transfer": frozenset(
        {"balance_transaction", "destination", "destination_payment", "source_transaction"}
    ),
    "transfer_reversal": frozenset(
        {"balance_transaction", "destination_payment_refund", "source_refund", "transfer"}
    ),
}


def copied(value: Any) -> Any:
    """A deep copy without the simulator's own notes."""
    if isinstance(value, dict):
        return {name: copied(below) for name, below in value.items() if name[:1] != "_"}
    if isinstance(value, list):
        return [copied(below) for below in value]
    return value


def served(book: Book, thing: Json) -> Json:
    """The object as Stripe would show it now."""
    view: Json = copied(thing)
    complete = _COMPLETIONS.get(thing.get("object", ""))
    if complete is not None:
        view.update(complete(book, thing))
    return view


def _with_reversals(book: Book, transfer: Json) -> Json:
    rows = book.belonging(transfer["id"], "reversals", "transfer_reversal")
    return {"reversals": embedded(book, f"/v1/transfers/{transfer['id']}/reversals", rows)}


def _with_movements(book: Book, dispute: Json) -> Json:
    rows = book.belonging(dispute["id"], "balance_transactions", "balance_transaction")
    return {"balance_transactions": [copied(row) for row in rows]}


def _with_rows(book: Book, page: Json) -> Json:
    return {"data": [served(book, row) for row in page["data"]]}


# What an object embeds, and so is filled in when it is served.
_COMPLETIONS = {"transfer": _with_reversals, "dispute": _with_movements, "list": _with_rows}


def embedded(book: Book, url: str, rows: list[Json]) -> Json:
    """The newest rows of a list, inside another object."""
    newest = rows[::-1][:_EMBEDDED_ROWS]
    return {
        "object": "list",
        "data": [served(book, row) for row in newest],
        "has_more": len(rows) > _EMBEDDED_ROWS,
        "total_count": len(rows),
        "url": url,
    }


def expand(world: World, view: Json, paths: list[str]) -> None:
    """Open the ids that these paths lead to, in place."""
    for path in paths:
        steps = path.split(".")
        depth = len(steps) - 1 if steps[0] == "data" else len(steps)
        if depth > _DEEPEST:
            raise refusals.too_deep(path)
        _open(world, view, steps, path)


def _open(world: World, view: Any, steps: list[str], path: str) -> None:
    if not steps or not isinstance(view, dict):
        return
    name, rest = steps[0], steps[1:]
    if view.get("object") == "list" and name == "data":
        for row in view["data"]:
            _open(world, row, rest, path)
        return
    value = view.get(name)
    if name in _EXPANDABLE.get(view.get("object", ""), ()):
        value = view[name] = _opened(world, view, name)
    elif name not in view or not isinstance(value, (dict, list)):
        raise refusals.not_expandable(path)
    for below in value if isinstance(value, list) else [value]:
        _open(world, below, rest, path)


def _opened(world: World, view: Json, name: str) -> Any:
    if name == "refunds":
        return _refunds(world, view["id"])
    value = view.get(name)
    found = world.find(value) if isinstance(value, str) else None
    return value if found is None else served(*found)


def _refunds(world: World, charge: str) -> Json:
    book = world.books[world.index[charge][0]]
    rows = book.belonging(charge, "refunds", "refund")
    return embedded(book, f"/v1/charges/{charge}/refunds", rows)


def check_expansion(kind: str, paths: list[str]) -> None:
    """Refuse a first step that cannot be opened, before anything is done."""
    known = _EXPANDABLE.get(kind)
    for path in paths:
        first = path.split(".")[0]
        if known is not None and first != "data" and first not in known:
            raise refusals.not_expandable(path)
