"""Read from Stripe what snapshots alone could not decide, and absorb the answer.

Works through the list that `apply` keeps: ties within one second, steps backwards, other API
versions, thin notifications, payments that a refund belongs to. Must not compare or report.
"""

from __future__ import annotations

from collections.abc import Awaitable

import structlog

from reconciler.context import Context
from reconciler.domain.snapshot import Snapshot
from reconciler.gateway.client import Gateway
from reconciler.gateway.fields import Unreadable
from reconciler.gateway.outcomes import Missing, StripeUnavailable
from reconciler.intake import generation_failures
from reconciler.intake.absorb import Arrival, absorb
from reconciler.invoicing import read_cards
from reconciler.onboarding.account_access import lost
from reconciler.store import objects
from reconciler.store.database import DatabaseUnavailable, Row
from reconciler.store.leases import LostLease

log = structlog.get_logger()

BATCH = 50
LONGEST_WAIT_SECONDS = 3600


async def reread_due(context: Context, limit: int = BATCH) -> int:
    """Read what is due and absorb it; how many objects were settled. Without a key, none are."""
    if context.stripe is None:
        return 0
    async with context.database.read() as session:
        due = await objects.due_fetches(session, context.now(), limit)
    settled = 0
    for row in due:
        settled += await _reread(context, context.stripe, row)
    return settled


async def _reread(context: Context, stripe: Gateway, row: Row) -> int:
    object_id, read_at = row["object_id"], context.now()
    if read_cards.reads(object_id):
        reading = read_cards.read_card_object(context, stripe, object_id)
        return await _read_apart(context, row, reading)
    if generation_failures.reads(object_id):
        account = row["stripe_account"]
        reading = generation_failures.read_failure(context, stripe, object_id, account)
        return await _read_apart(context, row, reading)
    try:
        found = await stripe.retrieve(object_id, row["stripe_account"], read_at, row["family"])
    except (StripeUnavailable, Unreadable) as error:
        await _postpone(context, row, str(error))
        return 0
    if isinstance(found, Missing) and object_id.startswith("acct_"):
        await lost(context, object_id)  # Stripe's answer is the proof: there is no more to read
        return 1
    if isinstance(found, Missing):
        await _postpone(context, row, found.message)
        return 0
    try:
        await absorb_read(context, found, read_at)
    except (DatabaseUnavailable, LostLease):
        raise
    except Exception as error:  # a defect of ours must not hold up the others
        log.exception("object.absorb_failed", object_id=object_id)
        await _postpone(context, row, f"{type(error).__name__}: {error}")
        return 0
    async with context.database.read() as session:
        still = await objects.is_wanted(session, object_id)
    if still:  # by an event from later than our clock, say: not at once again
        await _postpone(context, row, "read, and still in doubt")
    return int(not still)


async def _read_apart(context: Context, row: Row, reading: Awaitable[None]) -> int:
    """What is no record of ours is read by whoever knows it."""
    try:
        await reading
    except (StripeUnavailable, Unreadable) as error:
        await _postpone(context, row, str(error))
        return 0
    async with context.database.read() as session:
        still = await objects.is_wanted(session, row["object_id"])
    if still:
        await _postpone(context, row, "read, and still in doubt")
    return int(not still)


async def absorb_read(context: Context, found: list[Snapshot], read_at: int) -> None:
    """What was read from Stripe at `read_at` is in the records and the books."""
    cause = f"read at {read_at}"
    async with context.write_books() as session:
        arrivals = [Arrival(snapshot, cause) for snapshot in found]
        await absorb(session, context.policy, arrivals, context.now())
        # Read again at our version, the object leaves no doubt, even if nothing in it changed.
        await objects.settled(session, {s.id: s.as_of for s in found})


async def _postpone(context: Context, row: Row, message: str) -> None:
    delay = min(LONGEST_WAIT_SECONDS, 30 * 2 ** min(row["attempts"], 10))
    async with context.write() as session:
        await objects.fetch_failed(session, row["object_id"], message[:500], context.now() + delay)
    log.warning("object.reread_failed", object_id=row["object_id"], error=message[:200])
