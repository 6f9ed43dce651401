"""Take a payout back, in whole or in part: one Stripe transfer reversal for each instruction.

The merchant gets the money back in the books when the reversal is seen, not before: until then it
is at the merchant's. Must not call Stripe inside a transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog

from reconciler.context import Context
from reconciler.domain.audit import SERVICE
from reconciler.domain.payouts import amount_refusal, reverse_refusal
from reconciler.domain.refusals import Refusal
from reconciler.domain.sending import Status
from reconciler.gateway.client import OBJECT_ID, Gateway
from reconciler.gateway.snapshots import REVERSAL_METADATA
from reconciler.money_out import claims
from reconciler.money_out.bind import REVERSAL
from reconciler.money_out.claims import Claim
from reconciler.money_out.sending import Handling, Heard, Order, Search, Sending, prepare
from reconciler.money_out.sending import send as send_attempt
from reconciler.oversight.audit import Action, Actor, Audit, record
from reconciler.store import payouts, reversals
from reconciler.store.database import Row, Session

log = structlog.get_logger()


async def reverse(
    context: Context,
    stripe: Gateway,
    payout: str,
    amount: int | None,
    *,
    actor: Actor = SERVICE,
    claim: Claim | None = None,
) -> Row | Refusal:
    """The reversal after one attempt, or why it was not begun; all that is left, without an
    amount."""
    if claim is not None and claim.instruction:
        return await current(context, claim.instruction)
    refusal = stripe.not_now()
    if refusal:
        return refusal
    async with context.write_books() as session:
        row = await payouts.get(session, payout)
        if row is None:
            return Refusal("unknown_payout", f"There is no payout {payout[:80]!r}.")
        under_way = await reversals.under_way(session, payout)
        left = row["amount"] - row["amount_reversed"] - under_way
        money = left if amount is None else amount
        refusal = reverse_refusal(payout, row["status"], amount, left, row["currency"])
        refusal = refusal or amount_refusal("reversal", money, row["currency"])
        if refusal is not None:
            return refusal
        attempt = await begin(session, context, row, money, actor=actor, claim=claim)
    await send_attempt(context, stripe, attempt, HANDLING)
    return await current(context, attempt.instruction)


async def begin(
    session: Session,
    context: Context,
    payout: Row,
    amount: int,
    *,
    refund_request: str = "",
    actor: Actor = SERVICE,
    claim: Claim | None = None,
) -> Sending:
    """An instruction to take so much of a payout back, to be sent as soon as it is committed."""
    now = context.now()
    row = {
        "id": context.new_id("rvs"),
        "payout": payout["id"],
        "refund_request": refund_request,
        "merchant": payout["merchant"],
        "transfer_id": payout["transfer_id"],
        "amount": amount,
        "currency": payout["currency"],
        "status": "sending",
        "reversal_id": "",
        "failure_code": "",
        "failure_message": "",
        "request_key": claim.id if claim else "",
        "created_at": now,
        "updated_at": now,
    }
    await reversals.insert(session, row)
    attempt = await prepare(session, context, _order(row), first=True)
    await claims.decided(session, claim, row["id"])
    what = {name: row[name] for name in ("payout", "amount", "currency", "refund_request")}
    action = Action.REFUND_RECOVERED if refund_request else Action.PAYOUT_REVERSED
    record(session, Audit(actor, action, row["id"], None, what), now)
    return attempt


def _order(row: Mapping[str, Any]) -> Order:
    parameters = {"amount": row["amount"], "metadata": {REVERSAL_METADATA: row["id"]}}
    path = _path(row["transfer_id"])
    return Order(REVERSAL, row["id"], path, parameters, row["amount"], row["currency"])


def _path(transfer: str) -> str:
    assert OBJECT_ID.fullmatch(transfer), "an id of Stripe's goes into a path"
    return f"/v1/transfers/{transfer}/reversals"


async def current(context: Context, id: str) -> Row:
    async with context.database.read() as session:
        row = await reversals.get(session, id)
    assert row is not None
    return row


STATUS = {Status.READY: "pending", Status.UNKNOWN: "unknown", Status.REFUSED: "failed"}
BEFORE = ("pending", "sending", "unknown")


async def _follow(context: Context, session: Session, sending: Sending, _: Heard) -> None:
    """The instruction stands as its sending does. A reversal that was made has completed it."""
    now, id = context.now(), sending.instruction
    if sending.status is Status.SENDING:
        await reversals.move(session, id, expected=("pending",), status="sending", now=now)
    if sending.status not in STATUS:
        return
    await reversals.move(
        session,
        id,
        expected=BEFORE,
        status=STATUS[sending.status],
        now=now,
        failure_code=sending.code,
        failure_message=sending.message,
    )


def _search(sending: Sending) -> Search:
    return Search(sending.path, {}, REVERSAL_METADATA)


HANDLING = Handling(REVERSAL, _follow, _search)
