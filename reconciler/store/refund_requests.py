"""Refunds that we ask for: our instructions, each executed as one Stripe refund."""

from __future__ import annotations

from collections.abc import Collection

from reconciler.domain.books import RefundRequest
from reconciler.store.database import Row, Session
from reconciler.store.instructions import UNDER_WAY, Table

COLUMNS = (
    "id, payment, charge, merchant, account, amount, currency, reason, status, refund_id, recovery,"
    " failure_code, failure_message, request_key, created_at, updated_at"
)
TABLE = Table("refund_requests", COLUMNS, "refund_id")


async def instructions(session: Session, ids: Collection[str]) -> dict[str, RefundRequest]:
    """The requests with these ids, as a Stripe refund needs to know them."""
    if not ids:
        return {}
    rows = await session.all(
        "SELECT id, merchant, account, amount, currency, refund_id FROM refund_requests"
        " WHERE id IN {each:ids}",
        ids=sorted(ids),
    )
    return {row["id"]: RefundRequest(**row) for row in rows}


async def of_refunds(session: Session, refund_ids: Collection[str]) -> dict[str, Row]:
    """The requests that these Stripe refunds execute, by the refund's id."""
    if not refund_ids:
        return {}
    rows = await session.all(
        f"SELECT {COLUMNS} FROM refund_requests WHERE refund_id IN {{each:ids}}",
        ids=sorted(refund_ids),
    )
    return {row["refund_id"]: row for row in rows}


async def being_made(session: Session, payment: str) -> int:
    """What is promised to be refunded of a payment and is not a refund at Stripe yet."""
    row = await session.one(
        "SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) AS amount FROM refund_requests"
        " WHERE payment = :payment AND refund_id = ''"
        " AND status IN ('awaiting_approval', 'pending', 'sending', 'unknown')",
        payment=payment,
    )
    return int(row["amount"]) if row else 0


async def bind(session: Session, id: str, refund_id: str, now: int) -> bool:
    """Whether the request is now executed by this Stripe refund; False if another one did it, or
    if the request had already failed."""
    row = await session.one(
        "UPDATE refund_requests SET refund_id = :refund, updated_at = :now"
        f" WHERE id = :id AND refund_id = '' AND status IN {UNDER_WAY} RETURNING id",
        id=id,
        refund=refund_id,
        now=now,
    )
    return row is not None


async def follow(session: Session, refund_id: str, status: str, failure: str, now: int) -> None:
    """The request stands as its Stripe refund does."""
    await session.run(
        "UPDATE refund_requests SET status = :status, failure_code = :failure,"
        " failure_message = '', updated_at = :now WHERE refund_id <> '' AND refund_id = :refund"
        " AND (status <> :status OR failure_code <> :failure)",
        refund=refund_id,
        status=status,
        failure=failure,
        now=now,
    )


async def recovery(session: Session, id: str, state: str, now: int) -> None:
    """How far the recovery of a refund's cost has come."""
    await session.run(
        "UPDATE refund_requests SET recovery = :state, updated_at = :now WHERE id = :id",
        id=id,
        state=state,
        now=now,
    )


async def to_recover(session: Session) -> list[Row]:
    """Requests whose cost is still to be taken from the merchant, the oldest first."""
    return await session.all(
        f"SELECT {COLUMNS} FROM refund_requests WHERE recovery IN ('waiting', 'open')"
        " ORDER BY created_at, id LIMIT 200"
    )
