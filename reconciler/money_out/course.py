"""The course of an instruction of ours: begun, approved, called off, sent, settled.

It is the same for payouts, refunds and reversals; what is peculiar to a kind is its `Course`. The
status follows the sending until Stripe's object is there, and that from then on; the books follow
the status. Must not decide whether an instruction may be given: that is its use case's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from reconciler.context import Context
from reconciler.domain.approvals import Waiting
from reconciler.domain.audit import SERVICE
from reconciler.domain.positions import Position
from reconciler.domain.refusals import Refusal
from reconciler.domain.sending import Status
from reconciler.gateway.client import Gateway
from reconciler.money_out import approvals, claims
from reconciler.money_out.claims import Claim
from reconciler.money_out.sending import Handling, Heard, Order, Search, Sending, prepare
from reconciler.money_out.sending import send as send_attempt
from reconciler.money_out.standing import stand
from reconciler.oversight.audit import Action, Actor, Audit, record
from reconciler.store import instructions, objects, sendings
from reconciler.store.database import Row, Session
from reconciler.store.instructions import Table
from reconciler.store.objects import Fetch

FOLLOWED = {
    Status.READY: (("pending", "sending", "unknown"), "pending"),
    Status.SENDING: (("pending",), "sending"),
    Status.UNKNOWN: (("pending", "sending", "unknown"), "unknown"),
    Status.REFUSED: (("pending", "sending", "unknown"), "failed"),
}
"""For a sending's status, from which ones the instruction goes to which. What is unknown stays so
while it is sent again; what was accepted is followed where its object is bound to it."""


@dataclass(frozen=True, slots=True)
class Course:
    """What is peculiar to a kind of instruction: its table, what is sent to Stripe for it and where
    that would be listed, the object at Stripe that it is done to, with the account that owns it,
    and the columns that the audit log tells."""

    kind: str
    table: Table
    order: Callable[[Mapping[str, Any]], Order]
    search: Callable[[Sending], Search]
    done_to: Callable[[Mapping[str, Any]], tuple[str, str]]
    told: tuple[str, ...]

    @property
    def handling(self) -> Handling:
        """What the fate of its sendings does to an instruction."""
        return Handling(self.kind, partial(_follow, self), self.search)


@dataclass(frozen=True, slots=True)
class Reserving(Course):
    """A kind whose money is put aside when it is decided. It may have to wait for a second person,
    and can be called off until it is sent. `position` says what stands in the books for it, while
    it counts and when it no longer does; `waiting` what a second person decides on, and
    `hindrance` why it cannot be made any more though it waits; `too_late` why it cannot be called
    off."""

    position: Callable[[Mapping[str, Any], bool], Position]
    waiting: Callable[[Mapping[str, Any]], Waiting]
    hindrance: Callable[[Session, Row], Awaitable[Refusal | None]]
    too_late: Callable[[Mapping[str, Any]], Refusal | None]
    unknown: Callable[[str], Refusal]


@dataclass(frozen=True, slots=True)
class By:
    """At whose word an instruction is given, what the audit log calls that, for which request, and
    why."""

    action: Action
    actor: Actor = SERVICE
    claim: Claim | None = None
    reason: str = ""


async def begin(
    session: Session, context: Context, course: Course, what: Mapping[str, Any], by: By
) -> Sending:
    """A new instruction, and the attempt that is to be sent as soon as this is committed."""
    row = await _given(session, context, course, {**what, "status": "sending"}, by)
    return await prepare(session, context, course.order(row), first=True)


async def wait(
    session: Session,
    context: Context,
    course: Reserving,
    what: Mapping[str, Any],
    by: By,
    *,
    reasons: Sequence[str],
) -> None:
    """A new instruction that waits for a second person, its money put aside."""
    row = await _given(session, context, course, {**what, "status": "awaiting_approval"}, by)
    await approvals.ask(session, context, course.waiting(row), by.actor.key_id, reasons)


async def _given(
    session: Session, context: Context, course: Course, what: Mapping[str, Any], by: By
) -> dict[str, Any]:
    now = context.now()
    row = {
        **what,
        course.table.made: "",
        "failure_code": "",
        "failure_message": "",
        "request_key": by.claim.id if by.claim else "",
        "created_at": now,
        "updated_at": now,
    }
    await instructions.insert(session, course.table, row)
    await _stand(session, course, row, True, now)
    await claims.decided(session, by.claim, row["id"])
    record(session, _audited(by.actor, by.action, course, row, reason=by.reason), now)
    return row


def _audited(
    actor: Actor,
    action: Action,
    course: Course,
    row: Mapping[str, Any],
    *,
    before: str = "",
    reason: str = "",
) -> Audit:
    told = {name: row[name] for name in course.told}
    return Audit(actor, action, row["id"], {"status": before} if before else None, told, reason)


async def _stand(
    session: Session, course: Course, row: Mapping[str, Any], counts: bool, now: int
) -> None:
    """The instruction's own position is in the books: its money is put aside, or comes back."""
    if isinstance(course, Reserving):
        await stand(session, course.position(row, counts), now)


async def current(context: Context, course: Course, id: str) -> Row:
    async with context.database.read(brief=True) as session:
        row = await instructions.get(session, course.table, id)
    assert row is not None
    return row


async def send(context: Context, stripe: Gateway, course: Course, id: str) -> Row:
    """The instruction as it stands, sent if it was ready to be. Any other is left to whoever is
    about it."""
    async with context.database.read(brief=True) as session:
        attempts = await sendings.attempts(session, course.kind, id)
    ready = [a for a in attempts if a.status is Status.READY]
    if ready and stripe.not_now() is None:
        await send_attempt(context, stripe, ready[0], course.handling)
    return await current(context, course, id)


async def release(session: Session, context: Context, course: Reserving, id: str) -> bool:
    """Whether the instruction waited for a second person and now may be sent."""
    row = await instructions.move(
        session,
        course.table,
        id,
        expected=("awaiting_approval",),
        status="pending",
        now=context.now(),
    )
    if row is None:
        return False
    await prepare(session, context, course.order(row), begin=False)
    return True


async def call_off(
    session: Session,
    course: Reserving,
    id: str,
    now: int,
    *,
    expected: str = "awaiting_approval",
    code: str,
    message: str = "",
) -> Row | None:
    """The instruction, cancelled and its money back where it was; None if it was not there."""
    row = await instructions.move(
        session,
        course.table,
        id,
        expected=(expected,),
        status="cancelled",
        now=now,
        failure_code=code,
        failure_message=message,
    )
    if row is not None:
        await _stand(session, course, row, False, now)
    return row


async def cancel(
    context: Context,
    course: Reserving,
    id: str,
    *,
    actor: Actor = SERVICE,
    claim: Claim | None = None,
    reason: str = "",
) -> Row | Refusal:
    """The instruction, called off before anything of it reached Stripe; or why that is too late."""
    if claim is not None and claim.instruction:
        return await current(context, course, id)
    now = context.now()
    async with context.write_books(brief=True) as session:
        row = await instructions.get(session, course.table, id)
        if row is None:
            return course.unknown(id)
        before = row["status"]
        refusal = course.too_late(row)
        if refusal is None and before == "pending":
            held = await _withheld(session, course, id, now)
            refusal = None if held else course.too_late({**row, "status": "sending"})
        if refusal is not None:
            return refusal
        gone = await call_off(session, course, id, now, expected=before, code="cancelled")
        assert gone is not None, "what is not sent changes only under the lock of the books"
        await approvals.withdrawn(session, id, actor.key_id, now)
        await claims.decided(session, claim, id)
        cancelled = Action(f"{course.kind}.cancelled")
        record(session, _audited(actor, cancelled, course, gone, before=before, reason=reason), now)
    return gone


async def _withheld(session: Session, course: Course, id: str, now: int) -> bool:
    """Whether the attempt that waits to be sent now never will be."""
    for attempt in await sendings.attempts(session, course.kind, id):
        if attempt.status is Status.READY:
            never = Status.REFUSED
            return bool(await sendings.moved(session, attempt, never, now, code="cancelled"))
    return False


async def _follow(
    course: Course, context: Context, session: Session, sending: Sending, _: Heard
) -> None:
    """The instruction stands as its sending does. What was made has been followed already."""
    if sending.status not in FOLLOWED:
        return
    now, id = context.now(), sending.instruction
    expected, status = FOLLOWED[sending.status]
    begun, refused = sending.status is Status.SENDING, sending.status is Status.REFUSED
    known = await instructions.get(session, course.table, id) if refused else None
    row = await instructions.move(
        session,
        course.table,
        id,
        expected=expected,
        status=status,
        now=now,
        failure_code="" if begun else sending.code,
        failure_message="" if begun else sending.message,
    )
    if known is not None and row is not None:
        await _stand(session, course, row, False, now)
        settled = Action(f"{course.kind}.settled")
        before = known["status"]
        record(session, _audited(SERVICE, settled, course, row, before=before), now)
        await _doubt(session, course, row, now)


async def _doubt(session: Session, course: Course, row: Row, now: int) -> None:
    """What Stripe refuses was expected to be possible, so what we know is not so any more: it is
    read again."""
    id, account = course.done_to(row)
    await objects.want(session, [Fetch(id, account, "refused_command", now, now)], now)
