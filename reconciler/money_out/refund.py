"""Give a payment back: decide in one transaction, then have one Stripe refund made for it.

The amount leaves whoever the payment belongs to at once and stays reserved until Stripe's refund
says what became of it. Must not call Stripe inside a transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from reconciler.context import Context
from reconciler.domain.approvals import Waiting
from reconciler.domain.audit import SERVICE
from reconciler.domain.books import RefundRequest, decided_refund, owner_of
from reconciler.domain.family import Family
from reconciler.domain.payments import Payment, payment
from reconciler.domain.payouts import amount_refusal
from reconciler.domain.positions import Position
from reconciler.domain.refunds import (
    cancel_refusal,
    left_to_refund,
    refund_refusal,
    target,
    terms,
    unknown,
)
from reconciler.domain.refusals import Refusal
from reconciler.domain.snapshot import PLATFORM
from reconciler.gateway.client import Gateway
from reconciler.gateway.snapshots import REFUND_METADATA
from reconciler.money_out import policy
from reconciler.money_out.bind import REFUND
from reconciler.money_out.claims import Claim
from reconciler.money_out.course import By, Reserving, begin, current, send, wait
from reconciler.money_out.sending import Order, Search, Sending
from reconciler.money_out.sending import send as send_attempt
from reconciler.oversight.audit import Action, Actor
from reconciler.store import objects, refund_requests
from reconciler.store.database import Row, Session

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Wanted:
    """A refund as it is asked for: of which payment (by any id of it), how much (all that is left,
    without an amount), whether its cost is to be taken back from what the merchant was paid, and
    why: the `reason` that Stripe is told, and a `note` for the audit log."""

    payment: str
    amount: int | None = None
    reason: str = ""
    recover: bool = False
    note: str = ""


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
        return await send(context, stripe, REFUNDS, claim.instruction)
    refusal = stripe.not_now()
    if refusal:
        return refusal
    decided = await _decide(context, wanted, actor, claim)
    if isinstance(decided, Refusal):
        return decided
    id, attempt = decided
    if attempt is not None:
        await send_attempt(context, stripe, attempt, REFUNDS.handling)
    return await current(context, REFUNDS, id)


async def _decide(
    context: Context, wanted: Wanted, actor: Actor, claim: Claim | None
) -> tuple[str, Sending | None] | Refusal:
    async with context.write_books(brief=True) as session:
        return await decide(session, context, wanted, actor, claim)


async def decide(
    session: Session, context: Context, wanted: Wanted, actor: Actor, claim: Claim | None = None
) -> tuple[str, Sending | None] | Refusal:
    """A refund whose money is reserved, in the caller's transaction under the books' lock, with the
    attempt to be sent once that is committed, unless it waits for a second person; or why not."""
    family, found = await _payment(session, wanted.payment)
    if found is None:
        return Refusal(
            "unknown_payment",
            f"There is no payment {wanted.payment[:80]!r} here; if Stripe has it, resync it first.",
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
        now=context.now(),
    )
    if isinstance(judged, Refusal):
        return judged
    what = _request(context.new_id("rfq"), family, wanted, amount, found.currency)
    by = By(Action.REFUND_REQUESTED, actor, claim, wanted.note)
    attempt = None
    if judged:
        await wait(session, context, REFUNDS, what, by, reasons=judged)
    else:
        attempt = await begin(session, context, REFUNDS, what, by)
    log.info("refund.decided", refund=what["id"], payment=what["payment"], waits=bool(judged))
    return what["id"], attempt


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


def _request(id: str, family: Family, wanted: Wanted, amount: int, currency: str) -> dict[str, Any]:
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
        "recovery": ("waiting" if owner.merchant else "not_needed") if wanted.recover else "",
    }


def _order(row: Mapping[str, Any]) -> Order:
    """What is sent for a refund: always with its amount, which to Stripe means all if left out."""
    parameters = {
        **({"charge": row["charge"]} if row["charge"] else {"payment_intent": row["payment"]}),
        "amount": row["amount"],
        "metadata": {REFUND_METADATA: row["id"]},
        **({"reason": row["reason"]} if row["reason"] else {}),
    }
    return Order(REFUND, row["id"], "/v1/refunds", parameters, row["amount"], row["currency"])


def _search(sending: Sending) -> Search:
    sent = sending.parameters
    subject = {key: sent[key] for key in ("payment_intent", "charge") if key in sent}
    return Search("/v1/refunds", subject, REFUND_METADATA)


def _position(row: Mapping[str, Any], counts: bool) -> Position:
    """The refund's money leaves whoever bears it while it counts."""
    request = RefundRequest(
        row["id"], row["merchant"], row["account"], row["amount"], row["currency"], ""
    )
    return decided_refund(request, counts=counts, at=row["created_at"])


def _waiting(row: Mapping[str, Any]) -> Waiting:
    return Waiting(
        row["id"],
        REFUND,
        row["merchant"],
        row["charge"] or row["payment"],
        row["amount"],
        row["currency"],
        terms(row["reason"], row["recovery"]),
    )


async def _nothing(_: Session, __: Row) -> Refusal | None:
    return None


REFUNDS = Reserving(
    REFUND,
    refund_requests.TABLE,
    _order,
    _search,
    lambda row: (row["charge"] or row["payment"], PLATFORM),
    ("payment", "merchant", "amount", "currency", "reason", "recovery", "status"),
    _position,
    _waiting,
    _nothing,
    lambda row: cancel_refusal(row["id"], row["status"], row["refund_id"]),
    unknown,
)
