"""Lists, as Stripe pages them: newest first, by object id, in both directions.

Within one second the order is that of creation. A cursor need not match the filters, but it must
exist.
"""

from collections.abc import Callable, Iterator
from itertools import dropwhile, islice

from reconciler.simulator.kernel import refusals
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
    shelf: dict[str, Json],
    *,
    equal: tuple[str, ...] = (),
    windows: tuple[str, ...] = ("created",),
    keep: Keep | None = None,
) -> Json:
    """One page of a shelf: rows that match every filter given in the form."""
    matches = _filter(call, equal, windows, keep)
    limit = _limit(call)
    after, before = call.form.text("starting_after"), call.form.text("ending_before")
    if after and before:
        raise refusals.malformed("starting_after", "You may only use one of the two cursors.")
    if before:
        rows = list(islice(filter(matches, _newer(shelf, before)), limit + 1))
        data = rows[:limit][::-1]
    else:
        rows = list(islice(filter(matches, _older(shelf, after)), limit + 1))
        data = rows[:limit]
    return {"object": "list", "data": data, "has_more": len(rows) > limit}


def _older(shelf: dict[str, Json], cursor: str | None) -> Iterator[Json]:
    newest_first = reversed(shelf.values())
    if cursor is None:
        return iter(newest_first)
    _must_exist(shelf, cursor, "starting_after")
    return islice(dropwhile(lambda row: row["id"] != cursor, newest_first), 1, None)


def _newer(shelf: dict[str, Json], cursor: str) -> Iterator[Json]:
    """From the cursor upwards, nearest first."""
    _must_exist(shelf, cursor, "ending_before")
    above: list[Json] = []
    for row in reversed(shelf.values()):
        if row["id"] == cursor:
            break
        above.append(row)
    return reversed(above)


def _must_exist(shelf: dict[str, Json], cursor: str, param: str) -> None:
    if cursor not in shelf:
        kinds = (row["object"] for row in shelf.values())
        raise refusals.no_such(next(kinds, "object"), cursor, param)


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
