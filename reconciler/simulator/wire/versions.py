"""Older versions of the API: how what is served now looked before it was changed.

Objects are kept in the newest shape. Each change says from which version on it holds, and how to
undo it in a view; a view asked for in an older version has all later changes undone, newest first.
https://docs.stripe.com/changelog
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from reconciler.simulator.kernel.views import copied, embedded, listed
from reconciler.simulator.kernel.world import Json, World

Undo = Callable[[World, Json], None]


class Change(NamedTuple):
    since: str
    resource: str
    undo: Undo


def render(world: World, view: Any, version: str) -> None:
    """Make a view, and every object in it, look as it did in this version; in place."""
    later = [change for change in CHANGES if version < change.since]
    if later:
        _undo(world, view, later)


def _undo(world: World, view: Any, later: list[Change]) -> None:
    if isinstance(view, list):
        for row in view:
            _undo(world, row, later)
        return
    if not isinstance(view, dict):
        return
    for below in list(view.values()):
        if isinstance(below, (dict, list)):
            _undo(world, below, later)
    for change in later:
        if change.resource == view.get("object"):
            change.undo(world, view)


def _with_charges(world: World, intent: Json) -> None:
    """The attempts of a payment were part of it."""
    book = world.books[world.index[intent["id"]][0]]
    rows = book.belonging(intent["id"], "charges", "charge")
    url = f"/v1/charges?payment_intent={intent['id']}"
    intent["charges"] = embedded(book, url, rows)
    _undo(world, intent["charges"], [c for c in CHANGES if c.resource == "charge"])


def _with_refunds(world: World, charge: Json) -> None:
    charge.setdefault(
        "refunds", listed(world.books[world.index[charge["id"]][0]], charge, "refunds")
    )


def _with_lists(world: World, customer: Json) -> None:
    """What a customer has was part of it."""
    if customer.get("deleted"):
        return
    book = world.books[world.index[customer["id"]][0]]
    for name in ("sources", "subscriptions", "tax_ids"):
        customer.setdefault(name, listed(book, customer, name))


def _with_balance_twice(world: World, customer: Json) -> None:
    if not customer.get("deleted"):
        customer.setdefault("account_balance", customer["balance"])
        customer.setdefault("default_currency", customer["currency"])


def _with_shorter_ui_mode(world: World, session: Json) -> None:
    shorter = {"elements": "custom", "embedded_page": "embedded", "hosted_page": "hosted"}
    session["ui_mode"] = shorter.get(session["ui_mode"], session["ui_mode"])


def _with_coupon(world: World, view: Json) -> None:
    """A discount, and a promotion code, had the whole coupon in it."""
    named = view.pop("source", None) or view.pop("promotion", None) or {}
    found = world.find(str(named.get("coupon")))
    view["coupon"] = copied(found[1]) if found else None


def _with_period(world: World, subscription: Json) -> None:
    """All items turned together, and the subscription said when."""
    first = subscription["items"]["data"][0]
    for name in ("current_period_end", "current_period_start"):
        subscription[name] = first[name]


def _with_nothing(*names: str) -> Undo:
    """Fields that were there once, and are empty in all that is simulated."""

    def undo(world: World, view: Json) -> None:
        for name in names:
            view.setdefault(name, None)

    return undo


CHANGES: tuple[Change, ...] = (
    Change("2026-03-25", "checkout.session", _with_shorter_ui_mode),
    Change("2025-09-30", "discount", _with_coupon),
    Change("2025-09-30", "promotion_code", _with_coupon),
    Change("2025-03-31", "subscription", _with_period),
    Change("2025-03-31", "payment_intent", _with_nothing("invoice")),
    Change("2025-03-31", "charge", _with_nothing("invoice")),
    Change("2022-11-15", "charge", _with_refunds),
    Change("2022-11-15", "payment_intent", _with_charges),
    Change("2020-08-27", "customer", _with_lists),
    Change("2019-10-17", "customer", _with_balance_twice),
    Change("2019-10-17", "customer", _with_nothing("tax_info", "tax_info_verification")),
)
"""Newest first."""
