"""Older versions of the API: how what is served now looked before it was changed.

Objects are kept in the newest shape. Each change says from which version on it holds, and how to
undo it in a view; a view asked for in an older version has all later changes undone, newest first.
https://docs.stripe.com/changelog
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from reconciler.simulator.kernel.views import embedded, listed
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


def _with_nothing(*names: str) -> Undo:
    """Fields that were there once, and are empty in all that is simulated."""

    def undo(world: World, view: Json) -> None:
        for name in names:
            view.setdefault(name, None)

    return undo


CHANGES: tuple[Change, ...] = (
    Change("2025-03-31", "payment_intent", _with_nothing("invoice")),
    Change("2025-03-31", "charge", _with_nothing("invoice")),
    Change("2022-11-15", "charge", _with_refunds),
    Change("2022-11-15", "payment_intent", _with_charges),
)
"""Newest first."""
