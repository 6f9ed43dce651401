"""List events at Stripe and remember which exist, without taking in what they say.

A check may do this, for it repairs nothing: it lets a verdict tell an event that was never made
from one that was made and never came. `recover` goes on from here and takes in what is missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import msgspec

from reconciler.context import Context
from reconciler.domain import subscriptions
from reconciler.domain.snapshot import PLATFORM
from reconciler.gateway.client import Gateway, Page, Window
from reconciler.gateway.fields import Json
from reconciler.intake.envelopes import LONGEST_NAME, open_envelope
from reconciler.intake.walk import MARGIN_SECONDS, PAGES, Coverage, Keep, walk
from reconciler.store import listed_events, mirror
from reconciler.store.database import Session
from reconciler.store.inbox import Delivery
from reconciler.store.listed_events import Listed, Reach
from reconciler.store.mirror import Walk

STREAM = "events_listed"
KEPT_BY_STRIPE_SECONDS = 30 * 86400


async def list_events(
    context: Context, stripe: Gateway, account: str = PLATFORM, pages: int = PAGES
) -> Coverage:
    """What this account's list shows beyond what was read of it before is remembered."""
    async with context.write() as session:
        reach = await listed_events.reach(session, account)
        begun = await mirror.walk(session, STREAM, account)
        if begun.window_to and begun.window_to <= reach.read_to:
            # The sweep has meanwhile read what this walk was cut short in.
            await mirror.save_walk(session, Walk(STREAM, account, frontier=reach.read_to))

    async def keep(session: Session, rows: Sequence[Json]) -> int:
        return await note(session, rows, account, context.now())

    start = reach.read_to - MARGIN_SECONDS
    return await walk_events(context, stripe, STREAM, keep, account, start=start, pages=pages)


async def walk_events(
    context: Context,
    stripe: Gateway,
    stream: str,
    keep: Keep[Json],
    account: str,
    *,
    start: int = 0,
    pages: int = PAGES,
) -> Coverage:
    """The list is walked from `start`, or from where Stripe's memory begins, and how far it has now
    been read is kept, or what stopped it."""
    start = max(start, context.now() - KEPT_BY_STRIPE_SECONDS)

    async def read_page(window: Window, cursor: str) -> Page[Json]:
        return await stripe.events(window, cursor, account)

    coverage = await walk(
        context, stream, read_page, keep, account=account, start=start, pages=pages
    )
    async with context.write() as session:
        before = await listed_events.reach(session, account)
        after = _reached(before, coverage, context.now(), failed=coverage.pages < pages)
        await listed_events.save_reach(session, after)
    return coverage


def _reached(before: Reach, walked: Coverage, now: int, *, failed: bool) -> Reach:
    """The stretch that was read without a hole, longer by one walk; or from the walk's beginning on
    if that lies behind a hole."""
    if not walked.complete:
        failures = before.failures + 1 if failed else 0
        return replace(before, attempted_at=now, failures=failures, error=walked.error)
    joins = before.read_to > 0 and walked.covered_from <= before.read_to
    begins = min(before.read_from, walked.covered_from) if joins else walked.covered_from
    ends = max(before.read_to, walked.covered_to)
    return Reach(before.stripe_account, begins, ends, attempted_at=now)


async def note(session: Session, rows: Sequence[Json], account: str, now: int) -> int:
    """The events in these rows of a list exist: how many of them the books could follow."""
    listed = [
        Listed(
            one.event_id,
            one.stripe_account,
            one.type,
            one.object_id,
            one.created,
            one.api_version,
            _waiting(row),
            _request(row),
            now,
        )
        for row, one in zip(rows, _opened(rows, account, now), strict=True)
        if _followed(one, account)
    ]
    await listed_events.note(session, listed)
    return len(listed)


def envelopes(rows: Sequence[Json], account: str, now: int) -> list[Delivery]:
    """The events in these rows, as if they had been delivered. Of a connected account's own life
    only what the books can follow."""
    return [one for one in _opened(rows, account, now) if _followed(one, account)]


def _opened(rows: Sequence[Json], account: str, now: int) -> list[Delivery]:
    """Whose list it is in says whose event it is, also where the event itself does not."""
    whose = rows if account == PLATFORM else [{**row, "account": account} for row in rows]
    return [open_envelope(msgspec.json.encode(row), "recovered", now) for row in whose]


def _followed(event: Delivery, account: str) -> bool:
    return account == PLATFORM or event.type in subscriptions.OF_USE


def _waiting(row: Json) -> int:
    """How many endpoints have not taken it."""
    count = row.get("pending_webhooks")
    return count if type(count) is int and 0 <= count < 2**31 else 0


def _request(row: Json) -> str:
    """The request that caused it; empty if none did. Until 2017 it was named without an object."""
    request = row.get("request")
    id = request.get("id") if isinstance(request, Mapping) else request
    return id if isinstance(id, str) and len(id) <= LONGEST_NAME and "\x00" not in id else ""
