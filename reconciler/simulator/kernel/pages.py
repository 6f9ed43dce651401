"""Lists, as Stripe pages them: newest first, by object id, in both directions.

Within one second the order is that of creation. A cursor need not match the filters, but it must
exist. What is inserted while somebody walks a list is neither seen twice nor pushes anything out.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice

from reconciler.simulator.kernel import refusals
from reconciler.simulator.kernel.shelf import Shelf
from reconciler.simulator.kernel.world import Call, Json

_BOUNDS: dict[str, Callable[[int, int], bool]] = {
    "gt": lambda value, bound: value > bound,
    "gte": lambda value, bound: value >= bound,
    "lt": lambda value, bound: value < bound,
    "lte": lambda value, bound: value <= bound,
}
PAGING = ("limit", "starting_after", "ending_before", "expand")

Keep = Callable[[Json], bool]


def page(
    call: Call,
    shelf: Mapping[str, Json],
    *,
    equal: tuple[str, ...] = (),
    windows: tuple[str, ...] = ("created",),
    keep: Keep | None = None,
    within: list[str] | None = None,
) -> Json:
    """One page of a shelf: rows that match every filter given in the form.

    `within` names the only objects to be considered, oldest first.
    """
    matches = _filter(call, equal, windows, keep)
    limit = _limit(call)
    after, before = call.form.text("starting_after"), call.form.text("ending_before")
    if after and before:
        raise refusals.malformed("starting_after", "You may only use one of the two cursors.")
    rows = _rows(call, _shelf(shelf), equal, windows, within)
    found = list(islice(filter(matches, rows), limit + 1))
    data = found[:limit]
    if before:
        data.reverse()
    return {"object": "list", "data": data, "has_more": len(found) > limit}


def _shelf(rows: Mapping[str, Json]) -> Shelf:
    return rows if isinstance(rows, Shelf) else Shelf(rows)


def _rows(
    call: Call,
    shelf: Shelf,
    equal: tuple[str, ...],
    windows: tuple[str, ...],
    within: list[str] | None,
) -> Iterator[Json]:
    """What may match, nearest to the cursor first: newest first unless walking back."""
    after, before = call.form.text("starting_after"), call.form.text("ending_before")
    low, high = shelf.span(call.form.window("created") if "created" in windows else {})
    if after:
        high = min(high, _place(shelf, after, "starting_after"))
    if before:
        low = max(low, _place(shelf, before, "ending_before") + 1)
    places = _places(call, shelf, equal, within)
    return shelf.walk(low, high, newest_first=not before, places=places)


def _places(
    call: Call, shelf: Shelf, equal: tuple[str, ...], within: list[str] | None
) -> Sequence[int] | None:
    """The shortest of the ways that lead past everything asked for; None where none is short."""
    ways: list[Sequence[int]] = [] if within is None else [shelf.places(within)]
    for name in equal:
        wanted = call.form.text(name)
        if wanted and name in shelf.indexed:
            ways.append(shelf.having(name, wanted))
    return min(ways, key=len, default=None)


def _place(shelf: Shelf, cursor: str, param: str) -> int:
    if cursor not in shelf:
        kinds = (row["object"] for row in shelf.values())
        raise refusals.no_such(next(kinds, "object"), cursor, param)
    return shelf.place(cursor)


def _limit(call: Call) -> int:
    limit = call.form.integer("limit")
    if limit is None:
        return 10
    if not 1 <= limit <= 100:
        raise refusals.malformed("limit", "Limit must be between 1 and 100.")
    return limit


def _filter(
    call: Call, equal: tuple[str, ...], windows: tuple[str, ...], keep: Keep | None
) -> Keep:
    wanted = {name: call.form.text(name) for name in equal if call.form.text(name)}
    bounds = [
        (name, _BOUNDS[bound], value)
        for name in windows
        for bound, value in call.form.window(name).items()
    ]

    def matches(row: Json) -> bool:
        if row["id"] in call.hidden or any(row.get(name) != wanted[name] for name in wanted):
            return False
        if not all(holds(row[name], value) for name, holds, value in bounds):
            return False
        return keep is None or keep(row)

    return matches
