"""Walk one of Stripe's lists without gaps: in windows, page by page, resumable.

A window is covered only when its last page has been kept; a walk that was cut short goes on at its
cursor. Every walk starts a margin before where the last one ended, because Stripe may show an
object later than it says it was created. Never stops at the first row it knows: a hole below the
newest row would stay for ever. Must not know what the rows mean.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from reconciler.context import Context
from reconciler.domain.snapshot import PLATFORM
from reconciler.gateway.client import Page, Window
from reconciler.gateway.fields import Unreadable
from reconciler.gateway.outcomes import StripeUnavailable
from reconciler.store import mirror
from reconciler.store.database import Session
from reconciler.store.mirror import Walk

T = TypeVar("T")

ReadPage = Callable[[Window, str], Awaitable[Page[T]]]
Keep = Callable[[Session, Sequence[T]], Awaitable[int]]
"""Stores a page's rows in the given transaction; how many were new."""

MARGIN_SECONDS = 3600
PAGES = 200


@dataclass(frozen=True, slots=True)
class Coverage:
    """What a walk covered. `complete` only if it reached the end of its window."""

    stream: str
    stripe_account: str
    covered_from: int
    covered_to: int
    pages: int
    rows: int
    new: int
    complete: bool
    error: str = ""

    def as_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


async def walk(
    context: Context,
    stream: str,
    read_page: ReadPage[T],
    keep: Keep[T],
    *,
    account: str = PLATFORM,
    start: int = 0,
    margin: int = MARGIN_SECONDS,
    pages: int = PAGES,
) -> Coverage:
    """Everything in the list created since the last walk, or what could be read of it.

    `start` is where a first walk begins; `pages` is how many may be read before the rest is left
    to the next call. What Stripe or an unreadable row stopped is named in the coverage, not raised.
    """
    async with context.database.read() as session:
        state = await mirror.walk(session, stream, account)
    until = context.now()
    state = _opened(state, start, margin, until)
    seen = new = used = 0
    first = state.window_from
    while used < pages:
        try:
            page = await read_page(Window(state.window_from, state.window_to), state.cursor)
        except (StripeUnavailable, Unreadable) as error:
            return Coverage(
                stream, account, first, state.frontier, used, seen, new, False, str(error)
            )
        used += 1
        seen += len(page.rows)
        state = _after(state, page, context.now())
        async with context.write_books() as session:
            new += await keep(session, page.rows)
            await mirror.save_walk(session, state)
        if state.window_to:
            continue
        if state.frontier >= until:
            return Coverage(stream, account, first, state.frontier, used, seen, new, True)
        state = _opened(state, start, margin, until)
    return Coverage(
        stream, account, first, state.frontier, used, seen, new, False, f"stopped at {used} pages"
    )


def _opened(state: Walk, start: int, margin: int, until: int) -> Walk:
    """The walk with a window: the one that is open still, or the next."""
    if state.window_to:
        return state
    return replace(
        state,
        window_from=max(start, state.frontier - margin),
        window_to=until,
        cursor="",
        started_at=until,
    )


def _after(state: Walk, page: Page[Any], now: int) -> Walk:
    seen = state.rows_seen + len(page.rows)
    if page.next:
        return replace(state, cursor=page.next, rows_seen=seen)
    return replace(
        state,
        frontier=state.window_to,
        window_to=0,
        cursor="",
        rows_seen=seen,
        finished_at=now,
    )
