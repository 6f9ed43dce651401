"""Recover a refund's cost from what its merchant was paid: the second, linked step of a refund.

Begins once Stripe has made the refund, and takes back what the merchant's balance lacks, from its
newest payouts first. What could not be taken back stays open, and is tried again, until the
merchant owes nothing. Must not hold up the refund itself.
"""

from __future__ import annotations

import structlog

from reconciler.context import Context
from reconciler.domain.ledger import merchant as merchant_account
from reconciler.domain.money import step
from reconciler.domain.refunds import cost_to_recover
from reconciler.gateway.client import Gateway
from reconciler.money_out.reverse import REVERSALS, begin
from reconciler.money_out.sending import Sending, send
from reconciler.store import books, instructions, payouts, refund_requests, reversals
from reconciler.store.database import Row, Session

log = structlog.get_logger()

TRY_AGAIN_SECONDS = 6 * 3600
"""A merchant's account that could not give the money back may be able to later in the day."""


async def recover_due(context: Context, stripe: Gateway) -> int:
    """Recoveries that can go on do: how many are still open."""
    async with context.database.read(brief=True) as session:
        due = await refund_requests.to_recover(session)
    still_open = 0
    for row in due:
        if stripe.not_now() is not None:
            return len(due)
        still_open += await recover(context, stripe, row["id"])
    return still_open


async def recover(context: Context, stripe: Gateway, id: str) -> bool:
    """Whether something of this refund's cost is still to be recovered."""
    async with context.write_books(brief=True) as session:
        row = await instructions.get(session, refund_requests.TABLE, id)
        if row is None or row["recovery"] not in ("waiting", "open"):
            return False
        state, attempts = await _go_on(session, context, row)
        if state != row["recovery"]:
            await refund_requests.recovery(session, id, state, context.now())
    for attempt in attempts:
        await send(context, stripe, attempt, REVERSALS.handling)
    return state in ("waiting", "open")


async def _go_on(session: Session, context: Context, row: Row) -> tuple[str, list[Sending]]:
    """The recovery's state, and what is now to be sent for it."""
    if row["status"] in ("failed", "cancelled"):
        return ("closed" if row["recovery"] == "open" else "not_needed"), []
    if not row["refund_id"]:
        return "waiting", []
    legs = await reversals.of_refund(session, row["id"])
    if any(leg["status"] in ("pending", "sending", "unknown") for leg in legs):
        return "open", []
    recovered = sum(leg["amount"] for leg in legs if leg["status"] == "completed")
    held = await books.balance(session, merchant_account(row["merchant"]))
    owed = -sum(b["amount"] for b in held if b["currency"] == row["currency"])
    owed += await reversals.coming_back(session, row["merchant"], row["currency"])
    missing = cost_to_recover(row["amount"], owed, recovered)
    if missing == 0:
        return ("closed" if legs else "not_needed"), []
    if any(leg["updated_at"] > context.now() - TRY_AGAIN_SECONDS for leg in legs):
        return "open", []
    return "open", await _take(session, context, row, missing)


async def _take(session: Session, context: Context, row: Row, missing: int) -> list[Sending]:
    """Instructions to take so much back, from the newest payouts first."""
    unit = step(row["currency"])
    missing = -(-missing // unit) * unit
    attempts = []
    for payout in await payouts.to_recover_from(session, row["merchant"], row["currency"]):
        under_way = await reversals.under_way(session, payout["id"])
        part = min(missing, payout["amount"] - payout["amount_reversed"] - under_way)
        if part > 0:
            attempts.append(await begin(session, context, payout, part, refund_request=row["id"]))
            missing -= part
        if missing <= 0:
            break
    return attempts
