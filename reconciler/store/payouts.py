"""Payouts: our instructions to pay merchants, and merchants themselves."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from reconciler.domain.books import Instruction
from reconciler.store.database import Row, Session

COLUMNS = (
    "id, merchant, destination, amount, currency, status, parameters, first_sent_at, transfer_id,"
    " failure_code, failure_message, created_at, updated_at"
)


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
        "UPDATE payouts SET status = 'completed', transfer_id = :transfer, updated_at = :now"
        " WHERE id = :id AND transfer_id = '' AND status IN ('pending', 'sending', 'unknown')"
        " RETURNING id",
        id=id,
        transfer=transfer_id,
        now=now,
    )
    return row is not None


async def insert(session: Session, row: dict[str, Any]) -> None:
    """Store a new payout. `row` has every column of the table."""
    names = COLUMNS.split(", ")
    values = ", ".join(f":{name}" for name in names)
    await session.run(f"INSERT INTO payouts ({COLUMNS}) VALUES ({values})", **row)


async def move(
    session: Session,
    id: str,
    *,
    expected: str,
    status: str,
    now: int,
    failure_code: str = "",
    failure_message: str = "",
) -> bool:
    """Whether the payout went from one status to the next; False if it was no longer there."""
    row = await session.one(
        "UPDATE payouts SET status = :status, failure_code = :code, failure_message = :message,"
        " first_sent_at = CASE WHEN :status = 'sending' AND first_sent_at = 0 THEN :now"
        " ELSE first_sent_at END, updated_at = :now"
        " WHERE id = :id AND status = :expected RETURNING id",
        id=id,
        expected=expected,
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
        f"SELECT {COLUMNS} FROM payouts WHERE status = 'completed'"
        " AND created_at >= :start AND created_at < :end ORDER BY created_at, id",
        start=start,
        end=end,
    )


async def unresolved(session: Session) -> list[Row]:
    """Payouts that are decided and whose outcome at Stripe is not known."""
    return await session.all(
        f"SELECT {COLUMNS} FROM payouts WHERE status IN ('pending', 'sending', 'unknown')"
        " ORDER BY created_at, id LIMIT 1000"
    )


async def add_merchant(session: Session, id: str, name: str, account: str, now: int) -> None:
    """A merchant with its current connected account; one that exists keeps its name."""
    await session.run(
        "INSERT INTO merchants (id, name, country, stripe_account, created_at)"
        " VALUES (:id, :name, '', :account, :now)"
        " ON CONFLICT (id) DO UPDATE SET stripe_account = excluded.stripe_account",
        id=id,
        name=name,
        account=account,
        now=now,
    )


async def merchant(session: Session, id: str) -> Row | None:
    """One merchant, by our id."""
    return await session.one(
        "SELECT id, name, country, stripe_account, created_at FROM merchants WHERE id = :id", id=id
    )


async def unfinished(session: Session, merchant: str) -> list[Row]:
    """Per currency, the sum of a merchant's payouts whose outcome at Stripe is open."""
    return await session.all(
        "SELECT currency, CAST(SUM(amount) AS BIGINT) AS amount FROM payouts"
        " WHERE merchant = :merchant AND status IN ('pending', 'sending', 'unknown')"
        " GROUP BY currency ORDER BY currency",
        merchant=merchant,
    )
