"""Give a payment back: decide in one transaction, then have one Stripe refund made for it.

The amount leaves whoever the payment belongs to at once and stays reserved until Stripe's refund
says what became of it. Must not call Stripe inside a transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import structlog

from reconciler.context import Context
from reconciler.domain.audit import SERVICE
from reconciler.domain.books import Family, owner_of
from reconciler.domain.payments import Payment, payment
from reconciler.domain.payouts import amount_refusal
from reconciler.domain.refunds import left_to_refund, refund_refusal, target
from reconciler.domain.refusals import Refusal
from reconciler.gateway.client import Gateway
from reconciler.money_out import approvals, claims, policy
from reconciler.money_out.bind import REFUND
from reconciler.money_out.claims import Claim
from reconciler.money_out.refund_steps import (
    HANDLING,
    audit,
    cancel,
    current,
    decline,
    order,
    post,
    release_approved,
    send,
)
from reconciler.money_out.sending import Sending, prepare
from reconciler.money_out.sending import send as send_attempt
from reconciler.oversight.audit import Action, Actor, record
from reconciler.store import objects, refund_requests
from reconciler.store.database import Row, Session

__all__ = ["Wanted", "cancel", "decline", "refund", "release_approved", "send"]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Wanted:
    """A refund as it is asked for: of which payment (by any id of it), how much (all that is left,
    without an amount), and whether its cost is to be taken back from what the merchant was paid."""

    payment: str
    amount: int | None = None
    reason: str = ""
    recover: bool = False


async def refund(
    context: Context,
    stripe: Gateway,
    wanted: Wanted,
    *,
    actor: Actor = SERVICE,
    claim: Claim | None = None,
) -> Row | Refusal:
    """The refund as it stands after one attempt, or why it was not begun."""
    if claim is not None and claim.instruction:
        await send(context, stripe, claim.instruction)
        return await current(context, claim.instruction)
    refusal = stripe.not_now()
    if refusal:
        return refusal
    decided = await _decide(context, wanted, actor, claim)
    if isinstance(decided, Refusal):
        return decided
    id, attempt = decided
    if attempt is not None:
        await send_attempt(context, stripe, attempt, HANDLING)
    return await current(context, id)


async def _decide(
    context: Context, wanted: Wanted, actor: Actor, claim: Claim | None
) -> tuple[str, Sending | None] | Refusal:
    now = context.now()
    async with context.write_books() as session:
        family, found = await _payment(session, wanted.payment)
        if found is None:
            return Refusal(
                "unknown_payment",
                f"There is no payment {wanted.payment[:80]!r} here; if Stripe has it, resync it"
                " first.",
            )
        refusal, amount = await _refundable(session, found, wanted)
        if refusal is not None:
            return refusal
        judged = await policy.judge(
            session,
            kind=REFUND,
            merchant=found.merchant,
            amount=amount,
            currency=found.currency,
            now=now,
        )
        if isinstance(judged, Refusal):
            return judged
        row = _request(context.new_id("rfq"), family, wanted, amount, found.currency, now)
        row["status"] = "awaiting_approval" if judged else "sending"
        row["request_key"] = claim.id if claim else ""
        await refund_requests.insert(session, row)
        await post(session, row, counts=True, now=now)
        attempt = None
        if judged:
            await _ask(session, context, row, actor, judged)
        else:
            attempt = await prepare(session, context, order(row), first=True)
        await claims.decided(session, claim, row["id"])
        record(session, audit(actor, Action.REFUND_REQUESTED, row), now)
    log.info("refund.decided", refund=row["id"], payment=row["payment"], status=row["status"])
    return row["id"], attempt


async def _payment(session: Session, id: str) -> tuple[Family, Payment | None]:
    """The payment with this id, or the one that this charge or refund belongs to."""
    record_ = (await objects.get(session, [id])).get(id)
    name = record_.snapshot.family if record_ else id
    related = await objects.related(session, [name])
    members = [r.snapshot for r in related if r.snapshot.family == name]
    family = Family(name, tuple(members))
    return family, payment(family) if record_ else None


async def _refundable(
    session: Session, found: Payment, wanted: Wanted
) -> tuple[Refusal | None, int]:
    """Why it cannot be refunded, or None and the amount that will be."""
    promised = await refund_requests.being_made(session, found.id)
    refusal = refund_refusal(found, promised, wanted.amount)
    amount = left_to_refund(found, promised) if wanted.amount is None else wanted.amount
    return refusal or amount_refusal("refund", amount, found.currency), amount


def _request(
    id: str, family: Family, wanted: Wanted, amount: int, currency: str, now: int
) -> dict[str, Any]:
    owner, what = owner_of(family), target(family)
    return {
        "id": id,
        "payment": what.payment,
        "charge": what.charge,
        "merchant": owner.merchant,
        "account": owner.account,
        "amount": amount,
        "currency": currency,
        "reason": wanted.reason,
        "refund_id": "",
        "recovery": ("waiting" if owner.merchant else "not_needed") if wanted.recover else "",
        "failure_code": "",
        "failure_message": "",
        "created_at": now,
        "updated_at": now,
    }


async def _ask(
    session: Session,
    context: Context,
    row: dict[str, Any],
    actor: Actor,
    reasons: tuple[str, ...],
) -> None:
    await approvals.ask(
        session,
        context,
        instruction=row["id"],
        kind=REFUND,
        merchant=row["merchant"],
        amount=row["amount"],
        currency=row["currency"],
        destination=row["charge"] or row["payment"],
        asked_by=actor.key_id,
        reasons=reasons,
    )
