"""Settle what is not known: what was sent to Stripe and not answered, and what waits to be sent.

Runs every few seconds. The same request is repeated while Stripe surely knows its key; what came of
an older one is proven by Stripe's own list. Must never make a new request for what may have
happened.
"""

from __future__ import annotations

import asyncio
from collections import deque

import structlog

from reconciler.context import Context
from reconciler.domain import sending as rules
from reconciler.domain.sending import PROVEN_ABSENT, Status, Step
from reconciler.gateway.client import Gateway
from reconciler.gateway.fields import Unreadable
from reconciler.gateway.finding import Incomplete, find
from reconciler.gateway.outcomes import StripeUnavailable
from reconciler.invoicing import customers, follow_debits
from reconciler.money_out.pay_out import PAYOUTS
from reconciler.money_out.refund import REFUNDS
from reconciler.money_out.reverse import REVERSALS
from reconciler.money_out.sending import Handling, Heard, Sending, accept, left_behind, send
from reconciler.onboarding import open_account
from reconciler.store import sendings
from reconciler.store.database import DatabaseUnavailable
from reconciler.store.leases import LostLease

log = structlog.get_logger()

HANDLINGS: dict[str, Handling] = {
    handling.kind: handling
    for handling in (
        PAYOUTS.handling,
        REFUNDS.handling,
        REVERSALS.handling,
        open_account.HANDLING,
        customers.HANDLING,
        follow_debits.HANDLING,
    )
}
"""What each kind of instruction does with the fate of its sendings."""

AT_ONCE = 200
WORKERS = 4


async def resolve_outcomes(context: Context, stripe: Gateway) -> int:
    """Everything that is due is looked after, the oldest first: how much was. While Stripe does not
    answer anybody, nothing is asked for."""
    async with context.database.read() as session:
        due = deque(await sendings.due(session, context.now(), AT_ONCE))
    found = len(due)

    async def work() -> None:
        while due and stripe.not_now() is None:
            known = due.popleft()
            try:
                await settle(context, stripe, known)
            except (DatabaseUnavailable, LostLease):
                raise
            except Exception:  # one that cannot be settled must not hold up the others
                log.exception("resolve.failed", kind=known.kind, instruction=known.instruction)

    await asyncio.gather(*(work() for _ in range(min(WORKERS, found))))
    return found - len(due)


async def settle(context: Context, stripe: Gateway, known: Sending) -> None:
    """Do what may be done about one attempt now."""
    handling = HANDLINGS.get(known.kind)
    if handling is None:
        log.error("resolve.unknown_kind", kind=known.kind, instruction=known.instruction)
        return
    if rules.left_by_a_crash(known.progress, context.now()):
        known = await left_behind(context, known, handling)
    step = rules.step(known.progress, context.now())
    cautious = step is Step.REPEAT and rules.look_first(known.progress, context.now())
    if cautious and await _look(context, stripe, known, handling):
        return
    if step in (Step.SEND, Step.REPEAT):
        known = await send(context, stripe, known, handling)
    unproven = step is Step.LOOK or (step is Step.REPEAT and known.status is Status.UNKNOWN)
    if unproven and not await _look(context, stripe, known, handling):
        await _later(context, known)


async def _look(context: Context, stripe: Gateway, known: Sending, handling: Handling) -> bool:
    """Whether Stripe lists what was asked for. Being listed is proof; not being listed is, once
    Stripe can no longer act on the request. False: it is not listed, and that proves nothing yet;
    True: it is settled, or nothing can be told now."""
    read_at = context.now()
    try:
        body = await handling.prove(stripe, known) if handling.prove else None
        if body is None:
            search = handling.search(known)
            body = await find(stripe, search, known.instruction, known.stripe_account)
    except (StripeUnavailable, Unreadable, Incomplete) as error:
        log.warning("resolve.not_listed", instruction=known.instruction, error=str(error))
        await _later(context, known)
        return True
    if body is not None:
        done = await accept(context, stripe, known, body, read_at, handling)
        if done is None:
            await _later(context, known)
        return True
    if not rules.absence_is_proof(known.progress, read_at):
        return False
    await _absent(context, known, handling)
    return True


async def _later(context: Context, known: Sending) -> None:
    now = context.now()
    async with context.write(brief=True) as session:
        await sendings.moved(
            session,
            known,
            known.status,
            now,
            code=known.code,
            message=known.message,
            next_attempt_at=max(known.next_attempt_at, now + rules.wait_seconds(known.sends)),
        )


async def _absent(context: Context, known: Sending, handling: Handling) -> None:
    """Stripe has nothing of it and never will: nothing was made."""
    async with context.write_books(brief=True) as session:
        moved = await sendings.moved(
            session,
            known,
            Status.REFUSED,
            context.now(),
            code=PROVEN_ABSENT,
            message="Stripe's complete list shows that nothing was made; ask again",
        )
        if moved is not None:
            await handling.follow(context, session, moved, Heard())
