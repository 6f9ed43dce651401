"""A second person decides: what waits is released and sent, or its money goes back.

The decision, what it does to the instruction and its audit row are one transaction, under the lock
of the books: two who decide at once come one after the other, and a crash leaves all or nothing.
Must not decide what has to wait: that is `policy`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from reconciler.context import Context
from reconciler.domain.approvals import ApprovalStatus, Waiting, refused
from reconciler.domain.refusals import Refusal
from reconciler.gateway.client import Gateway
from reconciler.money_out import claims
from reconciler.money_out.claims import Claim
from reconciler.money_out.course import Reserving, call_off, release, send
from reconciler.money_out.pay_out import PAYOUTS
from reconciler.money_out.refund import REFUNDS
from reconciler.oversight.audit import Action, Actor, Audit, record
from reconciler.reconciling.repairing.adjusting import ADJUSTMENTS
from reconciler.store import approvals, instructions
from reconciler.store.database import Row, Session

EXPIRED_AT_ONCE = 200


class Waits(Protocol):
    """A kind of decision that may have to wait for a second person."""

    async def read(self, session: Session, id: str) -> Row | None:
        """What waits, as it now stands."""

    def waiting(self, row: Mapping[str, Any]) -> Waiting:
        """What a second person decides on."""

    def unknown(self, id: str) -> Refusal: ...

    async def hindrance(self, session: Session, row: Row) -> Refusal | None:
        """Why it cannot be done any more though it waits."""

    async def released(self, session: Session, context: Context, id: str) -> bool:
        """Whether it waited, and now is let go."""

    async def called_off(
        self, session: Session, id: str, now: int, *, code: str, message: str
    ) -> Row | None:
        """It waits no more, and its money is where it was; None if it did not wait."""

    async def follow(self, context: Context, stripe: Gateway, id: str) -> None:
        """What comes of its being let go, outside the transaction."""


@dataclass(frozen=True, slots=True)
class Instructed:
    """An instruction that is sent to Stripe once it is approved."""

    course: Reserving

    async def read(self, session: Session, id: str) -> Row | None:
        return await instructions.get(session, self.course.table, id)

    def waiting(self, row: Mapping[str, Any]) -> Waiting:
        return self.course.waiting(row)

    def unknown(self, id: str) -> Refusal:
        return self.course.unknown(id)

    async def hindrance(self, session: Session, row: Row) -> Refusal | None:
        return await self.course.hindrance(session, row)

    async def released(self, session: Session, context: Context, id: str) -> bool:
        return await release(session, context, self.course, id)

    async def called_off(
        self, session: Session, id: str, now: int, *, code: str, message: str
    ) -> Row | None:
        return await call_off(session, self.course, id, now, code=code, message=message)

    async def follow(self, context: Context, stripe: Gateway, id: str) -> None:
        await send(context, stripe, self.course, id)


KINDS: Mapping[str, Waits] = {
    PAYOUTS.kind: Instructed(PAYOUTS),
    REFUNDS.kind: Instructed(REFUNDS),
    ADJUSTMENTS.kind: ADJUSTMENTS,
}
"""What may wait for a second person, by its kind."""


@dataclass(frozen=True, slots=True)
class Said:
    """Who decides, the digest of what they saw, and why."""

    actor: Actor
    digest: str = ""
    note: str = ""


async def approve(
    context: Context, stripe: Gateway, kind: str, id: str, said: Said, claim: Claim | None
) -> Refusal | None:
    """The instruction is released and sent; or why not. What was decided by an earlier attempt of
    the same request is not decided again."""
    if claim is None or claim.instruction != id:
        refusal = await _decided(context, kind, id, said, ApprovalStatus.APPROVED, claim)
        if refusal is not None:
            return refusal
    await KINDS[kind].follow(context, stripe, id)
    return None


async def decline(
    context: Context, kind: str, id: str, said: Said, claim: Claim | None
) -> Refusal | None:
    """The instruction is cancelled and its money back where it was; or why not."""
    if claim is not None and claim.instruction == id:
        return None
    return await _decided(context, kind, id, said, ApprovalStatus.DECLINED, claim)


async def _decided(
    context: Context, kind: str, id: str, said: Said, status: ApprovalStatus, claim: Claim | None
) -> Refusal | None:
    waits, now = KINDS[kind], context.now()
    approved = status is ApprovalStatus.APPROVED
    async with context.write_books(brief=True) as session:
        row = await approvals.locked(session, id)
        instruction = await waits.read(session, id)
        if instruction is None:
            return waits.unknown(id)
        if row is None or row["kind"] != kind:
            return Refusal("not_waiting", f"The {kind} {id} waits for nobody's approval.")
        what = waits.waiting(instruction)
        digest = said.digest if approved else None
        asked = approvals.request_of(row, what)
        refusal = refused(asked, by=said.actor.key_id, digest=digest, now=now)
        if refusal is None and approved:
            refusal = await waits.hindrance(session, instruction)
        if refusal is not None:
            return refusal
        await approvals.decide(session, id, status, said.actor.key_id, said.note, now)
        if approved:
            moved = await waits.released(session, context, id)
        else:
            message = f"declined by {said.actor.name}" + (f": {said.note}" if said.note else "")
            gone = await waits.called_off(session, id, now, code="declined", message=message)
            moved = gone is not None
        if not moved:
            raise RuntimeError(f"the {kind} {id} waits for approval, and its row says otherwise")
        await claims.decided(session, claim, id)
        record(session, _audited(said, kind, status, what), now)
    return None


def _audited(said: Said, kind: str, status: ApprovalStatus, what: Waiting) -> Audit:
    words = {ApprovalStatus.APPROVED: "approved", ApprovalStatus.DECLINED: "rejected"}
    return Audit(
        said.actor,
        Action(f"{kind}.{words[status]}"),
        what.instruction,
        before={"status": "awaiting_approval"},
        after={
            "approval": status.value,
            "amount": what.amount,
            "currency": what.currency,
            "destination": what.destination,
            "terms": list(what.terms),
            "digest": what.digest,
        },
        reason=said.note,
    )


async def expire(context: Context) -> int:
    """What nobody decided on in time is declined, and its money given back: how many."""
    async with context.database.read() as session:
        due = await approvals.overdue(session, context.now(), EXPIRED_AT_ONCE)
    expired = 0
    for row in due:
        expired += await _expired(context, row["kind"], row["instruction"])
    return expired


async def _expired(context: Context, kind: str, id: str) -> bool:
    waits, now = KINDS[kind], context.now()
    async with context.write_books() as session:
        if not await approvals.decide(session, id, ApprovalStatus.EXPIRED, "", "", now):
            return False
        message = "nobody approved it in time; ask for a new one"
        gone = await waits.called_off(session, id, now, code="approval_expired", message=message)
        after = {"amount": gone["amount"], "currency": gone["currency"]} if gone else None
        actor = Actor.job("expire_approvals")
        record(session, Audit(actor, Action.APPROVAL_EXPIRED, id, after=after), now)
    return True
