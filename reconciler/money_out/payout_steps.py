"""What happens to a payout after it was decided: released, cancelled, sent, settled.

The payout's status follows its sending; the books follow the status. Must not decide whether a
payout may be made: that is `pay_out`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.context import Context
from reconciler.domain.audit import SERVICE
from reconciler.domain.books import Instruction, decided_payout
from reconciler.domain.payouts import cancel_refusal
from reconciler.domain.refusals import Refusal
from reconciler.domain.sending import Status
from reconciler.gateway.client import Gateway
from reconciler.gateway.snapshots import PAYOUT_METADATA
from reconciler.money_out import approvals, claims
from reconciler.money_out.bind import PAYOUT
from reconciler.money_out.claims import Claim
from reconciler.money_out.sending import Handling, Heard, Order, Search, Sending, prepare
from reconciler.money_out.sending import send as send_attempt
from reconciler.money_out.standing import stand
from reconciler.oversight.audit import Action, Actor, Audit, record
from reconciler.store import payouts, sendings
from reconciler.store.database import Row, Session


def order(row: Mapping[str, Any]) -> Order:
    parameters = {
        "amount": row["amount"],
        "currency": row["currency"],
        "destination": row["destination"],
        "transfer_group": row["id"],
        "metadata": {PAYOUT_METADATA: row["id"], "merchant_id": row["merchant"]},
    }
    return Order(PAYOUT, row["id"], "/v1/transfers", parameters, row["amount"], row["currency"])


def audit(actor: Actor, action: Action, row: Mapping[str, Any], before: str = "") -> Audit:
    what = {name: row[name] for name in ("merchant", "amount", "currency", "destination", "status")}
    return Audit(actor, action, row["id"], {"status": before} if before else None, what)


async def post(session: Session, row: Mapping[str, Any], *, counts: bool, now: int) -> None:
    """Post the payout's own position: its money leaves the merchant, or comes back."""
    payout = Instruction(row["id"], row["merchant"], row["amount"], row["currency"], "")
    await stand(session, decided_payout(payout, counts=counts, at=row["created_at"]), now)


async def current(context: Context, id: str) -> Row:
    async with context.database.read() as session:
        row = await payouts.get(session, id)
    assert row is not None
    return row


async def send(context: Context, stripe: Gateway | None, id: str) -> None:
    """Send a payout that is ready to be sent. Any other is left to whoever is about it."""
    async with context.database.read() as session:
        attempts = await sendings.attempts(session, PAYOUT, id)
    ready = [a for a in attempts if a.status is Status.READY]
    if ready and stripe is not None and stripe.not_now() is None:
        await send_attempt(context, stripe, ready[0], HANDLING)


async def release_approved(session: Session, context: Context, id: str) -> bool:
    """Whether the payout waited for a second person and now may be sent."""
    now = context.now()
    expected = ("awaiting_approval",)
    if not await payouts.move(session, id, expected=expected, status="pending", now=now):
        return False
    row = await payouts.get(session, id)
    assert row is not None
    await prepare(session, context, order(row), begin=False)
    return True


async def decline(session: Session, context: Context, id: str, code: str, message: str) -> bool:
    """Whether the payout waited for a second person and is now cancelled, its money given back."""
    return await _call_off(session, context, id, ("awaiting_approval",), code, message)


async def _call_off(
    session: Session,
    context: Context,
    id: str,
    expected: tuple[str, ...],
    code: str,
    message: str,
) -> bool:
    now = context.now()
    moved = await payouts.move(
        session,
        id,
        expected=expected,
        status="cancelled",
        now=now,
        failure_code=code,
        failure_message=message,
    )
    row = await payouts.get(session, id)
    if moved and row is not None:
        await post(session, row, counts=False, now=now)
    return moved


async def cancel(
    context: Context, id: str, *, actor: Actor = SERVICE, claim: Claim | None = None
) -> Row | Refusal:
    """The payout, called off before anything of it reached Stripe; or why that is too late."""
    if claim is not None and claim.instruction:
        return await current(context, id)
    now = context.now()
    async with context.write_books() as session:
        row = await payouts.get(session, id)
        if row is None:
            return Refusal("unknown_payout", f"There is no payout {id[:80]!r}.")
        refusal = cancel_refusal(id, row["status"])
        if refusal is None and row["status"] == "pending":
            refusal = await _take_back(session, id, now)
        if refusal is not None:
            return refusal
        await _call_off(session, context, id, (row["status"],), "cancelled", "")
        await approvals.withdrawn(session, id, actor.key_id, now)
        await claims.decided(session, claim, id)
        after = {**row, "status": "cancelled"}
        record(session, audit(actor, Action.PAYOUT_CANCELLED, after, row["status"]), now)
    return await current(context, id)


async def _take_back(session: Session, id: str, now: int) -> Refusal | None:
    """The attempt that waits to be sent never will be; or why not."""
    for attempt in await sendings.attempts(session, PAYOUT, id):
        if attempt.status is Status.REFUSED:
            continue
        if attempt.status is Status.READY and await sendings.moved(
            session, attempt, Status.REFUSED, now, code="cancelled"
        ):
            return None
        return cancel_refusal(id, "sending")
    return None


STATUS = {Status.READY: "pending", Status.UNKNOWN: "unknown", Status.REFUSED: "failed"}
BEFORE = ("pending", "sending", "unknown")


async def _follow(context: Context, session: Session, sending: Sending, _: Heard) -> None:
    """The payout stands as its sending does. A transfer that was made has completed it already."""
    now = context.now()
    if sending.status is Status.SENDING:
        await payouts.move(
            session, sending.instruction, expected=("pending",), status="sending", now=now
        )
    if sending.status not in STATUS:
        return
    moved = await payouts.move(
        session,
        sending.instruction,
        expected=BEFORE,
        status=STATUS[sending.status],
        now=now,
        failure_code=sending.code,
        failure_message=sending.message,
    )
    if moved and sending.status is Status.REFUSED:
        row = await payouts.get(session, sending.instruction)
        assert row is not None
        await post(session, row, counts=False, now=now)
        record(session, audit(SERVICE, Action.PAYOUT_SETTLED, row, "sending"), now)


def _search(sending: Sending) -> Search:
    return Search("/v1/transfers", {"transfer_group": sending.instruction}, PAYOUT_METADATA)


HANDLING = Handling(PAYOUT, _follow, _search)
