"""How stored objects look from outside: notes removed, embedded lists filled in.

Serving never changes what is stored; everything handed out is a copy.
"""

from typing import Any

from reconciler.simulator.kernel.world import Book, Json

_EMBEDDED_ROWS = 10
_NESTED = (dict, list)


def copied(value: Any) -> Any:
    """A deep copy without the simulator's own notes."""
    # Plain values are told apart here, not one call deeper: most of what is copied is plain.
    if isinstance(value, dict):
        return {
            name: copied(below) if type(below) in _NESTED else below
            for name, below in value.items()
            if name[:1] != "_"
        }
    if isinstance(value, list):
        return [copied(below) if type(below) in _NESTED else below for below in value]
    return value


def served(book: Book, thing: Json) -> Json:
    """The object as Stripe would show it now."""
    view: Json = copied(thing)
    complete = _COMPLETIONS.get(thing.get("object", ""))
    if complete is not None:
        view.update(complete(book, thing))
        first: Json = {name: view.pop(name) for name in ("id", "object") if name in view}
        view = {**first, **dict(sorted(view.items()))}
    return view


def _with_reversals(book: Book, transfer: Json) -> Json:
    rows = book.belonging(transfer["id"], "reversals", "transfer_reversal")
    return {"reversals": embedded(book, f"/v1/transfers/{transfer['id']}/reversals", rows)}


def _with_what_was_charged(book: Book, charge: Json) -> Json:
    """Older fields of a charge: every version still serves them."""
    disputes = book.children.get(f"{charge['id']}/disputes")
    return {
        "destination": (charge["transfer_data"] or {}).get("destination"),
        "dispute": disputes[-1] if disputes else None,
        "order": None,
        "source": copied(charge.get("_source")),
    }


def _with_movements(book: Book, dispute: Json) -> Json:
    rows = book.belonging(dispute["id"], "balance_transactions", "balance_transaction")
    return {"balance_transactions": [copied(row) for row in rows]}


def _with_price(book: Book, item: Json) -> Json:
    return {"price": copied(book.get("price", item["price"]))}


def _with_items(book: Book, subscription: Json) -> Json:
    """In the order they were agreed on."""
    rows = book.belonging(subscription["id"], "items", "subscription_item")
    url = f"/v1/subscription_items?subscription={subscription['id']}"
    return {"items": embedded(book, url, rows[::-1])}


def _with_rows(book: Book, page: Json) -> Json:
    return {"data": [served(book, row) for row in page["data"]]}


def _with_fee_refunds(book: Book, fee: Json) -> Json:
    rows = book.belonging(fee["id"], "refunds", "fee_refund")
    return {"refunds": embedded(book, f"/v1/application_fees/{fee['id']}/refunds", rows)}


# What an object embeds, and so is filled in when it is served.
_COMPLETIONS = {
    "application_fee": _with_fee_refunds,
    "charge": _with_what_was_charged,
    "dispute": _with_movements,
    "item": _with_price,
    "list": _with_rows,
    "search_result": _with_rows,
    "subscription": _with_items,
    "subscription_item": _with_price,
    "transfer": _with_reversals,
}


PARTS: dict[str, dict[str, Json]] = {
    "customer": {
        "invoice_credit_balance": {},
        "tax": {
            "automatic_tax": "unrecognized_location",
            "ip_address": None,
            "location": None,
            "provider": "stripe",
        },
    },
}
"""What else an object carries only when asked to, and is the same for all that is simulated."""

LISTS: dict[str, dict[str, tuple[str, str, str]]] = {
    "charge": {"refunds": ("refunds", "refund", "/v1/charges/{id}/refunds")},
    "checkout.session": {
        "line_items": ("line_items", "item", "/v1/checkout/sessions/{id}/line_items")
    },
    "customer": {
        "sources": ("sources", "customer_source", "/v1/customers/{id}/sources"),
        "subscriptions": ("subscriptions", "subscription", "/v1/customers/{id}/subscriptions"),
        "tax_ids": ("tax_ids", "tax_id", "/v1/customers/{id}/tax_ids"),
    },
}
"""Lists that an object carries only when asked to: relation, kind and address."""


def listed(book: Book, view: Json, name: str) -> Json:
    """A list of this object's children, of those that it carries only when asked to."""
    relation, kind, url = LISTS[view["object"]][name]
    rows = book.belonging(view["id"], relation, kind)
    return embedded(book, url.format(id=view["id"]), rows)


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
