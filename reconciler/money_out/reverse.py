"""Take a payout back, in whole or in part: one Stripe transfer reversal for each instruction.

The merchant gets the money back in the books when the reversal is seen, not before: until then it
is at the merchant's. Must not call Stripe inside a transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.context import Context
from reconciler.domain.audit import SERVICE
from reconciler.domain.payouts import amount_refusal, reverse_refusal, unknown
from reconciler.domain.refusals import Refusal
from reconciler.domain.snapshot import PLATFORM
from reconciler.gateway.client import OBJECT_ID, Gateway
from reconciler.gateway.snapshots import REVERSAL_METADATA
from reconciler.money_out import course
from reconciler.money_out.bind import REVERSAL
from reconciler.money_out.claims import Claim
from reconciler.money_out.course import By, Course, current, send
from reconciler.money_out.sending import Order, Search, Sending
from reconciler.money_out.sending import send as send_attempt
from reconciler.oversight.audit import Action, Actor
from reconciler.store import instructions, payouts, reversals
from reconciler.store.database import Row, Session


async def reverse(
    context: Context,
    stripe: Gateway,
    payout: str,
    amount: int | None,
    *,
    actor: Actor = SERVICE,
    claim: Claim | None = None,
    reason: str = "",
) -> Row | Refusal:
    """The reversal after one attempt, or why it was not begun; all that is left, without an
    amount."""
    if claim is not None and claim.instruction:
        return await send(context, stripe, REVERSALS, claim.instruction)
    refusal = stripe.not_now()
    if refusal:
        return refusal
    async with context.write_books(brief=True) as session:
        row = await instructions.get(session, payouts.TABLE, payout)
        if row is None:
            return unknown(payout)
        under_way = await reversals.under_way(session, payout)
        left = row["amount"] - row["amount_reversed"] - under_way
        money = left if amount is None else amount
        refusal = reverse_refusal(payout, row["status"], amount, left, row["currency"])
        refusal = refusal or amount_refusal("reversal", money, row["currency"])
        if refusal is not None:
            return refusal
        attempt = await begin(session, context, row, money, actor=actor, claim=claim, reason=reason)
    await send_attempt(context, stripe, attempt, REVERSALS.handling)
    return await current(context, REVERSALS, attempt.instruction)


async def begin(
    session: Session,
    context: Context,
    payout: Row,
    amount: int,
    *,
    refund_request: str = "",
    actor: Actor = SERVICE,
    claim: Claim | None = None,
    reason: str = "",
) -> Sending:
    """An instruction to take so much of a payout back, to be sent as soon as it is committed. Of a
    transfer that no payout stands behind, `payout` has the id None and no merchant."""
    what = {
        "id": context.new_id("rvs"),
        "payout": payout["id"],
        "refund_request": refund_request,
        "merchant": payout["merchant"],
        "transfer_id": payout["transfer_id"],
        "amount": amount,
        "currency": payout["currency"],
    }
    action = Action.REFUND_RECOVERED if refund_request else Action.PAYOUT_REVERSED
    return await course.begin(session, context, REVERSALS, what, By(action, actor, claim, reason))


def _order(row: Mapping[str, Any]) -> Order:
    parameters = {"amount": row["amount"], "metadata": {REVERSAL_METADATA: row["id"]}}
    path = _path(row["transfer_id"])
    return Order(REVERSAL, row["id"], path, parameters, row["amount"], row["currency"])


def _path(transfer: str) -> str:
    assert OBJECT_ID.fullmatch(transfer), "an id of Stripe's goes into a path"
    return f"/v1/transfers/{transfer}/reversals"


def _search(sending: Sending) -> Search:
    return Search(sending.path, {}, REVERSAL_METADATA)


REVERSALS = Course(
    REVERSAL,
    reversals.TABLE,
    _order,
    _search,
    lambda row: (row["transfer_id"], PLATFORM),
    ("payout", "amount", "currency", "refund_request", "status"),
)
