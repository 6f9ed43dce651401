"""A second person decides: what waits is released and sent, or its money goes back.

The decision, what it does to the instruction and its audit row are one transaction, under the lock
of the books: two who decide at once come one after the other, and a crash leaves all or nothing.
Must not decide what has to wait: that is `policy`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from reconciler.context import Context
from reconciler.domain.approvals import ApprovalStatus, Waiting, refused
from reconciler.domain.refusals import Refusal
from reconciler.gateway.client import Gateway
from reconciler.money_out import claims, payout_steps, refund_steps
from reconciler.money_out.claims import Claim
from reconciler.oversight.audit import Action, Actor, Audit, record
from reconciler.store import approvals, merchants, payouts, refund_requests
from reconciler.store.database import Session

EXPIRED_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Command:
    """What a kind of instruction lets a decision do with it. `waiting` reads it as it now stands;
    `hindrance` says why it cannot be made any more; `release` and `give_back` say whether it was
    waiting; `send` is called outside."""

    waiting: Callable[[Session, str], Awaitable[Waiting | None]]
    hindrance: Callable[[Session, Waiting], Awaitable[Refusal | None]]
    release: Callable[[Session, Context, str], Awaitable[bool]]
    give_back: Callable[[Session, Context, str, str, str], Awaitable[bool]]
    send: Callable[[Context, Gateway, str], Awaitable[None]]


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
    command = COMMANDS[kind]
    if claim is None or claim.instruction != id:
        refusal = await _decided(context, kind, id, said, ApprovalStatus.APPROVED, claim)
        if refusal is not None:
            return refusal
    await command.send(context, stripe, id)
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
    command, now = COMMANDS[kind], context.now()
    approved = status is ApprovalStatus.APPROVED
    async with context.write_books() as session:
        row = await approvals.locked(session, id)
        what = await command.waiting(session, id)
        if what is None:
            return Refusal(f"unknown_{kind}", f"There is no {kind} {id[:80]!r}.")
        if row is None or row["kind"] != kind:
            return Refusal("not_waiting", f"The {kind} {id} waits for nobody's approval.")
        digest = said.digest if approved else None
        asked = approvals.request_of(row, what)
        refusal = refused(asked, by=said.actor.key_id, digest=digest, now=now)
        if refusal is None and approved:
            refusal = await command.hindrance(session, what)
        if refusal is not None:
            return refusal
        await approvals.decide(session, id, status, said.actor.key_id, said.note, now)
        if approved:
            moved = await command.release(session, context, id)
        else:
            message = f"declined by {said.actor.name}" + (f": {said.note}" if said.note else "")
            moved = await command.give_back(session, context, id, "declined", message)
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
    command, now = COMMANDS[kind], context.now()
    async with context.write_books() as session:
        what = await command.waiting(session, id)
        if not await approvals.decide(session, id, ApprovalStatus.EXPIRED, "", "", now):
            return False
        message = "nobody approved it in time; ask for a new one"
        await command.give_back(session, context, id, "approval_expired", message)
        after = {"amount": what.amount, "currency": what.currency} if what else None
        actor = Actor.job("expire_approvals")
        record(session, Audit(actor, Action.APPROVAL_EXPIRED, id, after=after), now)
    return True


async def _payout(session: Session, id: str) -> Waiting | None:
    row = await payouts.get(session, id)
    if row is None:
        return None
    return Waiting(
        id, "payout", row["merchant"], row["destination"], row["amount"], row["currency"]
    )


async def _account_kept(session: Session, what: Waiting) -> Refusal | None:
    """Money goes to the account that the merchant has, not to one that it had."""
    known = await merchants.get(session, what.merchant)
    if known is not None and known["stripe_account"] == what.destination:
        return None
    return Refusal(
        "destination_changed",
        f"Merchant {what.merchant} is no longer connected as {what.destination}; decline this"
        " payout and ask for a new one.",
    )


async def _refund(session: Session, id: str) -> Waiting | None:
    row = await refund_requests.get(session, id)
    if row is None:
        return None
    back_to = row["charge"] or row["payment"]
    return Waiting(id, "refund", row["merchant"], back_to, row["amount"], row["currency"])


async def _nothing(_: Session, __: Waiting) -> Refusal | None:
    return None


COMMANDS: Mapping[str, Command] = {
    "payout": Command(
        _payout,
        _account_kept,
        payout_steps.release_approved,
        payout_steps.decline,
        payout_steps.send,
    ),
    "refund": Command(
        _refund,
        _nothing,
        refund_steps.release_approved,
        refund_steps.decline,
        refund_steps.send,
    ),
}
"""By kind of instruction."""
