"""Reversals: our instructions to take a payout back, each executed as one transfer reversal."""

from __future__ import annotations

from reconciler.store.database import Row, Session
from reconciler.store.instructions import UNDER_WAY, Table

COLUMNS = (
    "id, payout, refund_request, merchant, transfer_id, amount, currency, status, reversal_id,"
    " failure_code, failure_message, request_key, created_at, updated_at"
)
TABLE = Table("reversals", COLUMNS, "reversal_id")


async def of_payout(session: Session, payout: str) -> list[Row]:
    """Every reversal asked for of a payout, the oldest first."""
    return await session.all(
        f"SELECT {COLUMNS} FROM reversals WHERE payout = :payout ORDER BY created_at, id",
        payout=payout,
    )


async def of_refund(session: Session, refund_request: str) -> list[Row]:
    """Every reversal that recovers the cost of a refund, the oldest first."""
    return await session.all(
        f"SELECT {COLUMNS} FROM reversals WHERE refund_request = :refund AND refund_request <> ''"
        " ORDER BY created_at, id",
        refund=refund_request,
    )


async def under_way(session: Session, payout: str) -> int:
    """What is being taken back of a payout, and is not a reversal at Stripe yet."""
    row = await session.one(
        "SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) AS amount FROM reversals"
        f" WHERE payout = :payout AND status IN {UNDER_WAY}",
        payout=payout,
    )
    return int(row["amount"]) if row else 0


async def under_way_of(session: Session, transfer_id: str) -> int:
    """The same of a transfer, whatever payout stands behind it, if any."""
    row = await session.one(
        "SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) AS amount FROM reversals"
        f" WHERE transfer_id = :transfer AND status IN {UNDER_WAY}",
        transfer=transfer_id,
    )
    return int(row["amount"]) if row else 0


async def coming_back(session: Session, merchant: str, currency: str) -> int:
    """What is being taken back of all payouts to a merchant, and has not been seen to come."""
    row = await session.one(
        "SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) AS amount FROM reversals"
        f" WHERE merchant = :merchant AND currency = :currency AND status IN {UNDER_WAY}",
        merchant=merchant,
        currency=currency,
    )
    return int(row["amount"]) if row else 0


async def complete(session: Session, id: str, reversal_id: str, now: int) -> bool:
    """Whether the instruction is now completed by this reversal; False if it was settled before."""
    row = await session.one(
        "UPDATE reversals SET status = 'completed', reversal_id = :reversal, failure_code = '',"
        " failure_message = '', updated_at = :now"
        f" WHERE id = :id AND reversal_id = '' AND status IN {UNDER_WAY} RETURNING id",
        id=id,
        reversal=reversal_id,
        now=now,
    )
    return row is not None
