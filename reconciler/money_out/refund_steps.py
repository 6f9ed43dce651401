"""What happens to a refund of ours after it was decided: released, cancelled, sent, settled.

Until Stripe has made a refund, the request's status follows its sending; from then on it follows
Stripe's refund, by whatever path that is heard of. Must not decide whether a payment may be
refunded: that is `refund`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.context import Context
from reconciler.domain.audit import SERVICE
from reconciler.domain.books import RefundRequest, decided_refund
from reconciler.domain.refunds import cancel_refusal
from reconciler.domain.refusals import Refusal
from reconciler.domain.sending import Status
from reconciler.gateway.client import Gateway
from reconciler.gateway.snapshots import REFUND_METADATA
from reconciler.money_out import approvals, claims
from reconciler.money_out.bind import REFUND
from reconciler.money_out.claims import Claim
from reconciler.money_out.sending import Handling, Heard, Order, Search, Sending, prepare
from reconciler.money_out.sending import send as send_attempt
from reconciler.money_out.standing import stand
from reconciler.oversight.audit import Action, Actor, Audit, record
from reconciler.store import refund_requests, sendings
from reconciler.store.database import Row, Session


def order(row: Mapping[str, Any]) -> Order:
    """What is sent for a refund: always with its amount, which to Stripe means all if left out."""
    parameters = {
        **_subject(row),
        "amount": row["amount"],
        "metadata": {REFUND_METADATA: row["id"]},
        **({"reason": row["reason"]} if row["reason"] else {}),
    }
    return Order(REFUND, row["id"], "/v1/refunds", parameters, row["amount"], row["currency"])


def _subject(row: Mapping[str, Any]) -> dict[str, str]:
    if row["charge"]:
        return {"charge": row["charge"]}
    return {"payment_intent": row["payment"]}


def audit(actor: Actor, action: Action, row: Mapping[str, Any], before: str = "") -> Audit:
    names = ("payment", "merchant", "amount", "currency", "reason", "status")
    after = {name: row[name] for name in names}
    return Audit(actor, action, row["id"], {"status": before} if before else None, after)


async def post(session: Session, row: Mapping[str, Any], *, counts: bool, now: int) -> None:
    """Post the request's own position: its money leaves whoever bears it, or comes back."""
    request = RefundRequest(
        row["id"], row["merchant"], row["account"], row["amount"], row["currency"], ""
    )
    await stand(session, decided_refund(request, counts=counts, at=row["created_at"]), now)


async def current(context: Context, id: str) -> Row:
    async with context.database.read() as session:
        row = await refund_requests.get(session, id)
    assert row is not None
    return row


async def send(context: Context, stripe: Gateway | None, id: str) -> None:
    """Send a refund that is ready to be sent. Any other is left to whoever is about it."""
    async with context.database.read() as session:
        attempts = await sendings.attempts(session, REFUND, id)
    ready = [a for a in attempts if a.status is Status.READY]
    if ready and stripe is not None and stripe.not_now() is None:
        await send_attempt(context, stripe, ready[0], HANDLING)


async def release_approved(session: Session, context: Context, id: str) -> bool:
    """Whether the refund waited for a second person and now may be sent."""
    now = context.now()
    expected = ("awaiting_approval",)
    if not await refund_requests.move(session, id, expected=expected, status="pending", now=now):
        return False
    row = await refund_requests.get(session, id)
    assert row is not None
    await prepare(session, context, order(row), begin=False)
    return True


async def decline(session: Session, context: Context, id: str, code: str, message: str) -> bool:
    """Whether the refund waited for a second person and is now cancelled, its money given back."""
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
    moved = await refund_requests.move(
        session,
        id,
        expected=expected,
        status="cancelled",
        now=now,
        failure_code=code,
        failure_message=message,
    )
    row = await refund_requests.get(session, id)
    if moved and row is not None:
        await post(session, row, counts=False, now=now)
    return moved


async def cancel(
    context: Context, id: str, *, actor: Actor = SERVICE, claim: Claim | None = None
) -> Row | Refusal:
    """The refund, called off before anything of it reached Stripe; or why that is too late."""
    if claim is not None and claim.instruction:
        return await current(context, id)
    now = context.now()
    async with context.write_books() as session:
        row = await refund_requests.get(session, id)
        if row is None:
            return Refusal("unknown_refund", f"There is no refund {id[:80]!r} of ours.")
        refusal = cancel_refusal(id, row["status"], row["refund_id"])
        if refusal is None and row["status"] == "pending":
            refusal = await _take_back(session, row, now)
        if refusal is not None:
            return refusal
        await _call_off(session, context, id, (row["status"],), "cancelled", "")
        await approvals.withdrawn(session, id, actor.key_id, now)
        await claims.decided(session, claim, id)
        after = {**row, "status": "cancelled"}
        record(session, audit(actor, Action.REFUND_CANCELLED, after, row["status"]), now)
    return await current(context, id)


async def _take_back(session: Session, row: Row, now: int) -> Refusal | None:
    """The attempt that waits to be sent never will be; or why not."""
    for attempt in await sendings.attempts(session, REFUND, row["id"]):
        if attempt.status is Status.REFUSED:
            continue
        if attempt.status is Status.READY and await sendings.moved(
            session, attempt, Status.REFUSED, now, code="cancelled"
        ):
            return None
        return cancel_refusal(row["id"], "sending", "")
    return None


STATUS = {Status.READY: "pending", Status.UNKNOWN: "unknown", Status.REFUSED: "failed"}
BEFORE = ("pending", "sending", "unknown")


async def _follow(context: Context, session: Session, sending: Sending, _: Heard) -> None:
    """The request stands as its sending does. A refund that was made is followed already."""
    now = context.now()
    id = sending.instruction
    if sending.status is Status.SENDING:
        await refund_requests.move(session, id, expected=("pending",), status="sending", now=now)
    if sending.status not in STATUS:
        return
    moved = await refund_requests.move(
        session,
        id,
        expected=BEFORE,
        status=STATUS[sending.status],
        now=now,
        failure_code=sending.code,
        failure_message=sending.message,
    )
    if moved and sending.status is Status.REFUSED:
        row = await refund_requests.get(session, id)
        assert row is not None
        await post(session, row, counts=False, now=now)
        record(session, audit(SERVICE, Action.REFUND_SETTLED, row, "sending"), now)


def _search(sending: Sending) -> Search:
    sent = sending.parameters
    subject = {key: sent[key] for key in ("payment_intent", "charge") if key in sent}
    return Search("/v1/refunds", subject, REFUND_METADATA)


HANDLING = Handling(REFUND, _follow, _search)
