"""Payouts: our instructions to pay merchants."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from reconciler.domain.books import Instruction
from reconciler.store.database import Row, Session

COLUMNS = (
    "id, merchant, destination, amount, currency, status, transfer_id, amount_reversed,"
    " failure_code, failure_message, request_key, created_at, updated_at"
)
UNDER_WAY = "('pending', 'sending', 'unknown')"
RESERVING = "('awaiting_approval', 'pending', 'sending', 'unknown')"
EXECUTED = "('completed', 'partially_reversed', 'reversed')"


async def instructions(session: Session, ids: Collection[str]) -> dict[str, Instruction]:
    """The payouts with these ids, as a transfer needs to know them."""
    rows = await session.all(
        "SELECT id, merchant, amount, currency, transfer_id FROM payouts WHERE id IN {each:ids}",
        ids=sorted(ids),
    )
    return {
        r["id"]: Instruction(r["id"], r["merchant"], r["amount"], r["currency"], r["transfer_id"])
        for r in rows
    }


async def complete(session: Session, id: str, transfer_id: str, now: int) -> bool:
    """Whether the payout is now completed by this transfer; False if another one did it, or if the
    payout had already failed."""
    row = await session.one(
        "UPDATE payouts SET status = 'completed', transfer_id = :transfer, failure_code = '',"
        " failure_message = '', updated_at = :now"
        f" WHERE id = :id AND transfer_id = '' AND status IN {UNDER_WAY} RETURNING id",
        id=id,
        transfer=transfer_id,
        now=now,
    )
    return row is not None


async def came_back(session: Session, transfer_id: str, reversed_: int, now: int) -> None:
    """So much of the payout that this transfer executes has come back in all."""
    await session.run(
        "UPDATE payouts SET amount_reversed = :back, updated_at = :now,"
        " status = CASE WHEN :back = 0 THEN 'completed' WHEN :back < amount"
        f" THEN 'partially_reversed' ELSE 'reversed' END WHERE transfer_id = :transfer"
        f" AND status IN {EXECUTED} AND amount_reversed <> :back",
        transfer=transfer_id,
        back=reversed_,
        now=now,
    )


async def insert(session: Session, row: dict[str, Any]) -> None:
    """Store a new payout. `row` has every column of the table."""
    names = COLUMNS.split(", ")
    values = ", ".join(f":{name}" for name in names)
    await session.run(f"INSERT INTO payouts ({COLUMNS}) VALUES ({values})", **row)


async def move(
    session: Session,
    id: str,
    *,
    expected: Collection[str],
    status: str,
    now: int,
    failure_code: str = "",
    failure_message: str = "",
) -> bool:
    """Whether the payout went from one status to the next; False if it was no longer there."""
    row = await session.one(
        "UPDATE payouts SET status = :status, failure_code = :code, failure_message = :message,"
        " updated_at = :now WHERE id = :id AND status IN {each:expected} RETURNING id",
        id=id,
        expected=list(expected),
        status=status,
        code=failure_code,
        message=failure_message,
        now=now,
    )
    return row is not None


async def get(session: Session, id: str) -> Row | None:
    """One payout, by our id."""
    return await session.one(f"SELECT {COLUMNS} FROM payouts WHERE id = :id", id=id)


async def completed_between(session: Session, start: int, end: int) -> list[Row]:
    """Payouts that count as executed and were made in this window."""
    return await session.all(
        f"SELECT {COLUMNS} FROM payouts WHERE status IN {EXECUTED}"
        " AND created_at >= :start AND created_at < :end ORDER BY created_at, id",
        start=start,
        end=end,
    )


async def page(
    session: Session, limit: int, before: tuple[int, str] | None, merchant: str, status: str
) -> list[Row]:
    """Payouts, newest first, older than the cursor; of one merchant or status where given."""
    created, id = before or (2**62, "")
    return await session.all(
        f"SELECT {COLUMNS} FROM payouts"
        " WHERE (created_at < :created OR (created_at = :created AND id < :id))"
        " AND (:merchant = '' OR merchant = :merchant) AND (:status = '' OR status = :status)"
        " ORDER BY created_at DESC, id DESC LIMIT :limit",
        created=created,
        id=id,
        merchant=merchant,
        status=status,
        limit=limit,
    )


async def to_recover_from(session: Session, merchant: str, currency: str) -> list[Row]:
    """A merchant's executed payouts of which something is left to take back, newest first."""
    return await session.all(
        f"SELECT {COLUMNS} FROM payouts WHERE merchant = :merchant AND currency = :currency"
        " AND status IN ('completed', 'partially_reversed') AND amount_reversed < amount"
        " ORDER BY created_at DESC, id DESC LIMIT 200",
        merchant=merchant,
        currency=currency,
    )
