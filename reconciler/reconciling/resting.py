"""What a check rests on beside what it reads at Stripe just now, and how old that is.

Must not judge: `report` says which of it is a hole.
"""

from __future__ import annotations

from reconciler.domain.snapshot import PLATFORM
from reconciler.domain.windows import WEBHOOK_SECONDS
from reconciler.intake import recover
from reconciler.reconciling.look import Rest
from reconciler.store import mirror, resting
from reconciler.store.database import Session

TAKEN_IN_SECONDS = 3 * 86400
"""Stripe tries to deliver an event for three days; after that only the sweep of its list brings
what is missing. https://docs.stripe.com/webhooks#automatic-retries"""

LATE_RUNS = 50


async def rests(session: Session, stripe_account: str) -> tuple[Rest, ...]:
    """What the look at this account rests on; the inbox and the jobs belong to the platform's."""
    swept = await mirror.walk(session, recover.STREAM, stripe_account)
    events = Rest("events_taken_in", stripe_account, swept.frontier, 0, TAKEN_IN_SECONDS)
    if stripe_account != PLATFORM:
        return (events,)
    unapplied, unread = await resting.unapplied(session), await resting.unread(session)
    jobs = [(job, await resting.job_finished(session, job, LATE_RUNS)) for job in JOBS]
    return (
        events,
        Rest(
            "events_not_applied", PLATFORM, unapplied["oldest"], unapplied["count"], WEBHOOK_SECONDS
        ),
        Rest("objects_to_read", PLATFORM, unread["oldest"], unread["count"]),
        *(Rest(job, PLATFORM, finished) for job, finished in jobs),
    )


JOBS = ("self_check", "full_audit", "read_legs")
"""Jobs that look at what a check takes for granted."""
