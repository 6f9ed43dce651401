"""Read what each transfer became on the connected account, and keep whether it is what was sent.

A part at a time: transfers of the last weeks that are new, or of which more came back; and those
with something wrong, again and again until it is right. Nothing is posted and no record changes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import structlog

from reconciler.context import Context
from reconciler.domain.legs import TAKES_TIME, YOUNG_SECONDS, Arrived, Problem, Sent, problem
from reconciler.domain.lifecycle import Kind
from reconciler.domain.snapshot import PLATFORM, Snapshot
from reconciler.gateway.client import Gateway
from reconciler.gateway.fields import Unreadable
from reconciler.gateway.legs import NotReadable, arrived
from reconciler.gateway.outcomes import Missing, StripeUnavailable
from reconciler.reconciling.compare_transfers import LOOK_BACK_SECONDS, keep_compared
from reconciler.store import legs
from reconciler.store.legs import Wanted

log = structlog.get_logger()

AT_ONCE = 100
FAILURES = 3
"""After so many in a row that Stripe does not answer, the rest waits for the next run."""

SOON_SECONDS = 300
AGAIN_SECONDS = 3600
LONGEST_PAUSE_SECONDS = 86400


@dataclass(frozen=True, slots=True)
class Done:
    """What one run did: how many legs it read, how many of them are wrong, how many not read."""

    read: int = 0
    wrong: int = 0
    failed: int = 0


async def read_legs(context: Context, stripe: Gateway, limit: int = AT_ONCE) -> Done:
    """Read so many of the legs whose turn it is, the longest waiting first."""
    now = context.now()
    since = now - LOOK_BACK_SECONDS
    async with context.database.read() as session:
        due = await legs.wanted(session, since, now, limit)
        orphans = await legs.without_transfer(session, since, limit)
    found = [
        Wanted(Sent(o["transfer_id"], 0, 0, o["currency"]), o["stripe_account"], o["created"],
               o["id"])
        for o in orphans
    ]  # fmt: skip
    done, in_a_row = Done(), 0
    for leg in [*due, *found][:limit]:
        try:
            wrong = await _read(context, stripe, leg)
        except (StripeUnavailable, Unreadable) as error:
            await _postpone(context, leg, str(error))
            done, in_a_row = replace(done, failed=done.failed + 1), in_a_row + 1
            if in_a_row == FAILURES:
                break
            continue
        done, in_a_row = replace(done, read=done.read + 1, wrong=done.wrong + wrong), 0
    return done


async def _read(context: Context, stripe: Gateway, leg: Wanted) -> bool:
    """Read one leg and keep it; whether something is wrong with it. Raises StripeUnavailable,
    Unreadable."""
    if not leg.payment or not leg.sent.amount:
        leg = await _told_by_the_transfer(context, stripe, leg)
    error = ""
    try:
        there = await _there(stripe, leg)
        found = _judged(leg, there)
        if found in TAKES_TIME:  # the transfer was listed some time ago: it may have moved on
            leg = await _told_by_the_transfer(context, stripe, leg)
            found = _judged(leg, there)
    except NotReadable as refused:
        there, found, error = None, Problem.NOT_READABLE, str(refused)
    now = context.now()
    async with context.write() as session:
        next_read_at = _next(leg, there, found, now)
        await legs.save(session, leg, there, found, now=now, error=error, next_read_at=next_read_at)
    return found is not None


async def _there(stripe: Gateway, leg: Wanted) -> Arrived | None:
    if not leg.payment:
        return None
    there = await arrived(stripe, leg.payment, leg.stripe_account)
    return None if isinstance(there, Missing) else there


def _judged(leg: Wanted, there: Arrived | None) -> Problem | None:
    if not leg.sent.amount:
        return Problem.NO_TRANSFER
    return problem(leg.sent, there)


async def _told_by_the_transfer(context: Context, stripe: Gateway, leg: Wanted) -> Wanted:
    """The leg as its transfer tells of it now; as it was if Stripe has no such transfer."""
    read = await stripe.retrieve(leg.sent.transfer, PLATFORM, context.now())
    found: list[Snapshot] = [] if isinstance(read, Missing) else read
    transfers = [s for s in found if s.kind is Kind.TRANSFER]
    if not transfers:
        return leg
    async with context.write() as session:
        await keep_compared(session, transfers, context.now())
    told = transfers[0]
    sent = Sent(told.id, told.amount, int(told.detail["amount_reversed"]), told.currency)
    payment = str(told.detail["destination_payment"]) or leg.payment
    account = str(told.detail["destination"]) or leg.stripe_account
    return replace(leg, sent=sent, payment=payment, stripe_account=account, created=told.created)


def _next(leg: Wanted, there: Arrived | None, found: Problem | None, now: int) -> int:
    """When the leg is read again: never, once both sides agree and its movement is known."""
    if found in TAKES_TIME and now < leg.created + YOUNG_SECONDS:
        return now + SOON_SECONDS
    if found is None and there is not None and there.movement:
        return 0
    return now + min(AGAIN_SECONDS << min(leg.attempts, 8), LONGEST_PAUSE_SECONDS)


async def _postpone(context: Context, leg: Wanted, error: str) -> None:
    log.warning("leg.not_read", transfer=leg.sent.transfer, error=error[:200])
    pause = min(SOON_SECONDS << min(leg.attempts, 8), LONGEST_PAUSE_SECONDS)
    now = context.now()
    async with context.write() as session:
        await legs.postponed(session, leg, error, now + pause, now)
