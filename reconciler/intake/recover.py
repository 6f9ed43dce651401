"""Recover events that Stripe has and we were never sent: the second net under the webhooks.

Walks Stripe's own event lists (30 days), the platform's and those of every connected account that
we hold or ever held, remembers what they show, and puts what is missing into the inbox, as if it
had been delivered. `delivery_success` is not asked for: another team's broken endpoint would
pollute it. https://docs.stripe.com/webhooks/process-undelivered-events
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from reconciler.context import Context
from reconciler.domain.snapshot import PLATFORM
from reconciler.gateway.budget import Priority
from reconciler.gateway.client import Gateway
from reconciler.gateway.fields import Json
from reconciler.intake.list_events import envelopes, note, walk_events
from reconciler.intake.walk import PAGES, Coverage
from reconciler.store import inbox, listed_events
from reconciler.store.database import Session

log = structlog.get_logger()

STREAM = "events"

ACCOUNTS = 50
"""Connected accounts whose turn comes in one run: with one run a minute, three thousand an hour."""

ACCOUNT_PAGES = 20
"""Of one connected account's list in one run; the rest is left to its next turn."""

ACCOUNT_EVERY_SECONDS = 300
"""No connected account's list is read more often."""

LONGEST_PAUSE_SECONDS = 86400
"""A list that cannot be read, as of a merchant who has left, is tried once a day in the end."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What one run over connected accounts did. `waiting` are those whose turn did not come."""

    accounts: int = 0
    rows: int = 0
    new: int = 0
    failed: int = 0
    waiting: int = 0


async def recover_events(
    context: Context, stripe: Gateway, account: str = PLATFORM, pages: int = PAGES
) -> Coverage:
    """Every event that Stripe lists is in the inbox; `new` in the coverage counts the missing."""

    async def keep(session: Session, rows: Sequence[Json]) -> int:
        return await _keep(context, session, rows, account)

    door = stripe.at(Priority.SWEEP)
    coverage = await walk_events(context, door, STREAM, keep, account, pages=pages)
    if coverage.new:
        log.warning("events.recovered", account=account, events=coverage.new, listed=coverage.rows)
    return coverage


async def recover_connected(context: Context, stripe: Gateway, accounts: int = ACCOUNTS) -> Swept:
    """`recover_events` for the connected accounts that were longest not attended to, so many of
    them, retired ones included. What Stripe does not answer for one does not hold up the others."""
    now = context.now()
    async with context.database.read() as session:
        held = await listed_events.accounts_held(session)
    due = [row["stripe_account"] for row in held if _due(row["attempted_at"], row["failures"], now)]
    done = Swept(waiting=max(0, len(due) - accounts))
    for account in due[:accounts]:
        coverage = await recover_events(context, stripe, account, ACCOUNT_PAGES)
        done = Swept(
            done.accounts + 1,
            done.rows + coverage.rows,
            done.new + coverage.new,
            done.failed + (coverage.pages < ACCOUNT_PAGES and not coverage.complete),
            done.waiting,
        )
    return done


def _due(attempted_at: int, failures: int, now: int) -> bool:
    pause: int = ACCOUNT_EVERY_SECONDS << min(failures, 20)
    return now >= attempted_at + min(pause, LONGEST_PAUSE_SECONDS)


async def _keep(context: Context, session: Session, rows: Sequence[Json], account: str) -> int:
    found = {one.event_id: one for one in envelopes(rows, account, context.now())}
    await note(session, rows, account, context.now())
    missing = sorted(found.keys() - await inbox.known(session, found.keys()))
    await inbox.insert(session, [found[id] for id in missing])
    return len(missing)
