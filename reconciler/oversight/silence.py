"""Silence that is longer than usual, by each Stripe account's own history of events.

What counts is what Stripe's list shows of the types that we need, not what webhooks bring: silence
in the list means that nothing happened, or that Stripe says nothing of it. The rule is in
`domain.delivery`.
"""

from __future__ import annotations

from reconciler.domain import subscriptions
from reconciler.domain.delivery import LEAST, SHORTEST_SILENCE_SECONDS, WEEKS, Silence
from reconciler.domain.snapshot import PLATFORM
from reconciler.store import deliveries, listed_events
from reconciler.store.database import Session
from reconciler.store.listed_events import Reach

WEEK = 7 * 86400


async def silences(session: Session) -> list[Silence]:
    """The accounts that are silent for longer than is usual with them."""
    reaches = (await listed_events.reaches(session)).values()
    found = [await silence(session, reach) for reach in reaches if reach.read_to]
    return [one for one in found if one.unusual]


async def silence(session: Session, reach: Reach) -> Silence:
    """How long one account has been silent, and what is usual there, as far as it matters: weeks
    beyond the second in which too little happened are not counted."""
    account, until = reach.stripe_account, reach.read_to
    types = subscriptions.NEEDED["platform" if account == PLATFORM else "connect"]
    last = await deliveries.last_listed(session, account, types)
    if not last or until - last < SHORTEST_SILENCE_SECONDS:
        return Silence(account, last, until, (), ())
    before: list[int] = []
    for week in range(1, WEEKS + 1):
        back = week * WEEK
        some = await deliveries.count(session, account, types, last - back, until - back, LEAST)
        before.append(some)
        if sum(events < LEAST for events in before) > 1:
            return Silence(account, last, until, tuple(before), ())
    start = last - WEEKS * WEEK
    longest = await deliveries.longest_silences(session, account, types, start, last)
    return Silence(account, last, until, tuple(before), longest)
