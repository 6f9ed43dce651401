"""The geometry of a waterfall: the books' balance, each difference, Stripe's balance, as bars.

Pure, and in integers throughout: amounts in minor units, places in units of the drawing. Must not
know colours, words of the page or markup: the template draws what this places.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

WIDTH = 280
"""Of the part where bars are; the amounts stand to its right, clear of them."""

ROW = 46
THINNEST = 2
"""A difference of one cent beside thousands is still a bar that can be seen."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One row. `shape` is total, up, down or level; `end` is where the running total stands."""

    label: str
    amount: int
    shape: str
    timing: bool
    top: int
    left: int
    width: int
    end: int


@dataclass(frozen=True, slots=True)
class Waterfall:
    """A drawing. `cut` says that the axis does not begin at zero: the totals are cut short."""

    bars: tuple[Bar, ...]
    height: int
    cut: bool
    zero: int


def waterfall(bridge: Mapping[str, Any]) -> Waterfall:
    """One currency's bridge, as a run holds it, drawn from the books down to Stripe."""
    steps = [(d["label"], d["amount"], d["timing"]) for d in bridge["differences"]]
    if bridge["unexplained"]:
        steps.append(("unexplained", bridge["unexplained"], False))
    running = [bridge["books"]]
    for _, amount, _ in steps:
        running.append(running[-1] + amount)
    low, high, cut = _axis([*running, bridge["stripe"]])

    def place(value: int) -> int:
        return (value - low) * WIDTH // (high - low)

    zero = min(max(place(0), 0), WIDTH)
    bars = [_total("The books say", bridge["books"], 0, zero, place)]
    for number, (label, amount, timing) in enumerate(steps, start=1):
        start, end = place(running[number - 1]), place(running[number])
        shape = "up" if amount > 0 else "down" if amount < 0 else "level"
        width = max(abs(end - start), THINNEST)
        left = min(start, end, WIDTH - width)
        bars.append(Bar(label, amount, shape, timing, number * ROW, left, width, end))
    bars.append(_total("Stripe says", bridge["stripe"], len(bars) * ROW, zero, place))
    return Waterfall(tuple(bars), len(bars) * ROW, cut, zero)


def _axis(values: list[int]) -> tuple[int, int, bool]:
    """The ends of the axis. It holds zero where the differences would still be seen beside it."""
    low, high = min(values), max(values)
    span = high - low
    if span == 0 or 5 * span >= max(abs(low), abs(high)) or low <= 0 <= high:
        return min(low, 0), max(high, 0, low + 1), False
    near, far = max(span // 2, 1), span // 8 + 1
    return (low - near, high + far, True) if low > 0 else (low - far, high + near, True)


def _total(label: str, amount: int, top: int, zero: int, place: Callable[[int], int]) -> Bar:
    end = place(amount)
    width = max(abs(end - zero), THINNEST)
    left = min(zero, end, WIDTH - width)
    return Bar(label, amount, "total", False, top, left, width, end)
