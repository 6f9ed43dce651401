"""The geometry of a chart of deliveries: columns of hours, each stacked by what became of events.

Pure, and in integers throughout: places in units of the drawing. Must not know colours, words of
the page or markup: the template draws what this places.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH = 960
HEIGHT = 150
COLUMNS = 96
HOUR = 3600
DAY = 86400
THINNEST = 3
"""One event that did not come, beside thousands that did, can still be seen."""

STACK = ("delivered", "imported", "under_way", "healed", "missing")
"""From the bottom up."""

LOUD = frozenset({"healed", "missing"})


@dataclass(frozen=True, slots=True)
class Part:
    """One layer of a column."""

    fate: str
    top: int
    height: int


@dataclass(frozen=True, slots=True)
class Column:
    """So many hours from `start` on (epoch seconds), with how many events ended how."""

    start: int
    left: int
    width: int
    counts: Mapping[str, int]
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing. `most` is what the tallest column holds; `days` are the places of midnights (UTC),
    with their moments; `hours` is how many make a column."""

    columns: tuple[Column, ...]
    most: int
    hours: int
    days: tuple[tuple[int, int], ...]


def chart(rows: Sequence[Mapping[str, Any]], since: int, until: int) -> Chart:
    """Rows of one hour each (`hour` in epoch seconds, and events by fate), drawn over a stretch."""
    begin = since // HOUR * HOUR
    hours = max(1, -(-(until - begin) // (HOUR * COLUMNS)))
    step = hours * HOUR
    number = max(1, -(-(until - begin) // step))
    sums: list[dict[str, int]] = [dict.fromkeys(STACK, 0) for _ in range(number)]
    for row in rows:
        place = (row["hour"] - begin) // step
        if 0 <= place < number:
            for fate in STACK:
                sums[place][fate] += row[fate]
    most = max((sum(counts.values()) for counts in sums), default=0)
    width = WIDTH // number
    columns = tuple(
        Column(
            begin + n * step, n * WIDTH // number, max(width - 1, 1), counts, _parts(counts, most)
        )
        for n, counts in enumerate(sums)
        if any(counts.values())
    )
    first = -(-begin // DAY) * DAY
    midnights = range(first, until, DAY * max(1, (until - begin) // (DAY * 10)))
    days = tuple(((day - begin) * WIDTH // (number * step), day) for day in midnights)
    return Chart(columns, most, hours, days)


def _parts(counts: Mapping[str, int], most: int) -> tuple[Part, ...]:
    """What must be seen is at least so thick; what lies under it gives way."""
    heights = {fate: counts[fate] * HEIGHT // most for fate in STACK}
    for fate in STACK:
        if counts[fate]:
            heights[fate] = max(heights[fate], THINNEST if fate in LOUD else 1)
    spare = sum(heights.values()) - HEIGHT
    if spare > 0:
        tallest = max(heights, key=lambda fate: heights[fate])
        heights[tallest] -= spare
    parts, top = [], HEIGHT
    for fate in STACK:
        if heights[fate] > 0:
            top -= heights[fate]
            parts.append(Part(fate, top, heights[fate]))
    return tuple(parts)
