"""Send one thing to Stripe, once: store it, call, write down what is known. For every command.

What is sent is stored whole before the first call, under a key of its own. What one call proves is
decided in `domain.sending`; what follows for the instruction is its own use case's, given as a
`Handling` and done in the same transaction. Must never send a second time, other than with the
same key and parameters, what may have happened.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from reconciler.context import Context
from reconciler.domain import sending as rules
from reconciler.domain.sending import NO_ANSWER, Ending, Status
from reconciler.domain.snapshot import PLATFORM, Snapshot
from reconciler.gateway.client import Gateway
from reconciler.gateway.fields import Json, Unreadable
from reconciler.gateway.finding import Search
from reconciler.gateway.outcomes import Outcome
from reconciler.intake.absorb import Arrival, Misnamed, absorb
from reconciler.store import sendings
from reconciler.store.database import Session
from reconciler.store.sendings import Sending

__all__ = ["Handling", "Heard", "Order", "Search", "Sending", "prepare", "send"]

log = structlog.get_logger()

UNREADABLE = "unreadable_answer"


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be made at Stripe, for which instruction of ours: always a POST. `amount` in
    minor units is what is at stake."""

    kind: str
    instruction: str
    path: str
    parameters: Mapping[str, Any]
    amount: int = 0
    currency: str = ""
    stripe_account: str = PLATFORM


@dataclass(frozen=True, slots=True)
class Heard:
    """What Stripe said last: the object that it made, or its error."""

    body: Json = field(default_factory=dict)
    error: Json = field(default_factory=dict)


Follow = Callable[[Context, Session, Sending, Heard], Awaitable[None]]
Prove = Callable[[Gateway, Sending], Awaitable[Json | None]]


@dataclass(frozen=True, slots=True)
class Handling:
    """What a kind of instruction does with the fate of its sendings. `follow` runs in the
    transaction that records a new status, after what Stripe showed was absorbed; `search` says
    where the object would be listed. What changes an object that is there already is in no list:
    `prove` reads it, and gives it back if it shows that the change was made."""

    kind: str
    follow: Follow
    search: Callable[[Sending], Search]
    prove: Prove | None = None


async def prepare(
    session: Session, context: Context, order: Order, *, begin: bool = True, first: bool = False
) -> Sending:
    """A new attempt, stored in the caller's transaction: to be sent as soon as it is committed, or,
    without `begin`, by whoever comes first. `first` says that the instruction was never tried.

    Raises the database's unique violation while another attempt may have had its effect.
    """
    now = context.now()
    before = [] if first else await sendings.attempts(session, order.kind, order.instruction)
    attempt = before[0].attempt + 1 if before else 1
    new = Sending(
        id=context.new_id("snd"),
        kind=order.kind,
        instruction=order.instruction,
        attempt=attempt,
        path=order.path,
        parameters=order.parameters,
        idempotency_key=rules.key(order.kind, order.instruction, attempt),
        stripe_account=order.stripe_account,
        amount=order.amount,
        currency=order.currency,
        status=Status.SENDING if begin else Status.READY,
        first_sent_at=now if begin else 0,
        last_sent_at=now if begin else 0,
        sends=1 if begin else 0,
        next_attempt_at=now,
        stripe_object="",
        code="",
        message="",
        created_at=now,
        updated_at=now,
    )
    await sendings.insert(session, new)
    return new


async def send(context: Context, stripe: Gateway, known: Sending, handling: Handling) -> Sending:
    """One call for an attempt, and the attempt as it then stands.

    One whose status is `sending` was just prepared by the caller, whose call this is. Of any other
    the call begins here, unless it has begun elsewhere.
    """
    begun: Sending | None = known
    if known.status is not Status.SENDING:
        begun = await _begin(context, known, handling)
    if begun is None:
        return await _now(context, known)
    repeated = known.status is Status.UNKNOWN
    lost_at = begun.last_sent_at + rules.STUCK_SECONDS
    outcome = await stripe.post(
        begun.path,
        begun.parameters,
        begun.idempotency_key,
        begun.stripe_account,
        # A process that was frozen may come to itself when others have long settled this, and
        # Stripe has forgotten the key.
        still=lambda: context.now() < lost_at,
    )
    done = await record(context, stripe, begun, outcome, handling, repeated=repeated)
    log.info(
        "sending.called",
        kind=begun.kind,
        instruction=begun.instruction,
        attempt=begun.attempt,
        sends=begun.sends,
        status=done.status.value,
        code=done.code,
    )
    return done


async def _begin(context: Context, known: Sending, handling: Handling) -> Sending | None:
    async with context.write(brief=True) as session:
        begun = await sendings.begin(session, known, context.now())
        if begun is not None:
            await handling.follow(context, session, begun, Heard())
    return begun


async def _now(context: Context, known: Sending) -> Sending:
    async with context.database.read(brief=True) as session:
        found = await sendings.get(session, known.id)
    assert found is not None
    return found


async def record(
    context: Context,
    stripe: Gateway,
    begun: Sending,
    outcome: Outcome,
    handling: Handling,
    *,
    repeated: bool,
) -> Sending:
    """Write down what one call proved, and what follows from it, in one transaction."""
    if outcome.ending is Ending.ACCEPTED:
        # A repeated request is answered with what Stripe said at first, however old that is: what
        # was heard of the object since must not be outranked by it.
        done = await accept(context, stripe, begun, outcome.body, begun.first_sent_at, handling)
        if done is not None:
            return done
        outcome = replace(outcome, ending=Ending.UNKNOWN)
    status = rules.after_answer(outcome.ending, outcome.http_status, repeated=repeated)
    made = _snapshots(stripe, outcome.error.get("payment_intent"), begun)
    now = context.now()
    wait = 0 if status is Status.REFUSED else rules.wait_seconds(begun.sends)
    async with context.write_books(brief=True) as session:
        moved = await sendings.moved(
            session,
            begun,
            status,
            now,
            code=outcome.refusal.code or UNREADABLE,
            message=outcome.refusal.message or "Stripe's answer is unreadable",
            stripe_object=made[0].id if made else "",
            next_attempt_at=now + wait,
        )
        if moved is not None:
            arrivals = [Arrival(snapshot, begun.id) for snapshot in made]
            await absorb(session, context.policy, arrivals, now)
            await handling.follow(context, session, moved, Heard(error=outcome.error))
    return moved or await _now(context, begun)


async def accept(
    context: Context,
    stripe: Gateway,
    known: Sending,
    body: Json,
    read_at: int,
    handling: Handling,
) -> Sending | None:
    """The attempt was accepted with this object, which becomes part of the records; None if the
    object cannot be read, which proves nothing."""
    now = context.now()
    try:
        found = stripe.read_answer(body, read_at, known.stripe_account)
        async with context.write_books(brief=True) as session:
            await absorb(session, context.policy, [Arrival(s, known.id) for s in found], now)
            # What was absorbed has settled it, if it was followed; it is handled either way.
            done = await sendings.get(session, known.id)
            assert done is not None
            if done.status not in (Status.ACCEPTED, Status.REFUSED):
                done = await sendings.accepted(session, known.id, str(body["id"]), now) or done
            if done.status is Status.ACCEPTED:
                await handling.follow(context, session, done, Heard(body=body))
    except (Unreadable, Misnamed) as error:
        log.error("sending.unreadable", sending=known.id, error=str(error))
        return None
    return done


def _snapshots(stripe: Gateway, body: Any, begun: Sending) -> list[Snapshot]:
    """What an error shows of an object that was made all the same; nothing if it is unreadable."""
    if not isinstance(body, Mapping):
        return []
    try:
        return stripe.read_answer(body, begun.first_sent_at, begun.stripe_account)
    except Unreadable:
        return []


async def left_behind(context: Context, known: Sending, handling: Handling) -> Sending:
    """An attempt that a crash left while it was being sent is unknown: it may have happened."""
    async with context.write_books(brief=True) as session:
        moved = await sendings.moved(
            session,
            known,
            Status.UNKNOWN,
            context.now(),
            code=NO_ANSWER,
            message="the service stopped before Stripe answered",
        )
        if moved is not None:
            await handling.follow(context, session, moved, Heard())
    return moved or await _now(context, known)
