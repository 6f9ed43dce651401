"""The geometry of the chart of deliveries."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from handlers.delivery_chart import COLUMNS, HEIGHT, HOUR, STACK, WIDTH, chart

BEGIN = 1_790_000_000


def row(hour: int, **fates: int) -> dict[str, Any]:
    return {"hour": (BEGIN // HOUR + hour) * HOUR, **dict.fromkeys(STACK, 0), **fates}


ROWS = st.lists(
    st.builds(
        row,
        st.integers(0, 30 * 24 - 1),
        delivered=st.integers(0, 100_000),
        healed=st.integers(0, 50),
        missing=st.integers(0, 3),
    ),
    max_size=30,
)


@given(ROWS, st.integers(1, 30))
def test_everything_is_inside_and_nothing_is_lost(rows: list[dict[str, Any]], days: int) -> None:
    until = BEGIN + days * 24 * HOUR
    drawn = chart(rows, BEGIN, until)
    inside = [r for r in rows if r["hour"] < until]
    for fate in STACK:
        shown = sum(column.counts[fate] for column in drawn.columns)
        assert sum(r[fate] for r in rows) >= shown >= sum(r[fate] for r in inside)
    assert len(drawn.columns) <= COLUMNS
    for column in drawn.columns:
        assert column.left >= 0
        assert column.left + column.width <= WIDTH
        assert all(part.top >= 0 and part.top + part.height <= HEIGHT for part in column.parts)
        below = HEIGHT
        for part in column.parts:
            assert part.top + part.height == below
            below = part.top
        assert {part.fate for part in column.parts} == {f for f in STACK if column.counts[f]}


def test_one_event_that_did_not_come_can_be_seen_beside_thousands_that_did() -> None:
    [column] = chart([row(0, delivered=90_000, missing=1)], BEGIN, BEGIN + 24 * HOUR).columns
    [missing] = [part for part in column.parts if part.fate == "missing"]
    assert missing.height >= 3
    assert missing.top == 0


def test_nothing_makes_no_drawing() -> None:
    assert chart([], BEGIN, BEGIN + HOUR).columns == ()
