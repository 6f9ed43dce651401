"""Adjustments: what people decided to post about findings."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from reconciler.store.database import Row, Session

COLUMNS = (
    "id, finding, stripe_account, reference, in_suspense, account, merchant, amount, currency,"
    " reason, note, status, created_at, updated_at"
)


async def insert(session: Session, row: Mapping[str, Any]) -> None:
    """Store a new adjustment. `row` has every column."""
    names = COLUMNS.split(", ")
    marks = ", ".join(f":{name}" for name in names)
    await session.run(f"INSERT INTO adjustments ({COLUMNS}) VALUES ({marks})", **row)


async def get(session: Session, id: str) -> Row | None:
    return await session.one(f"SELECT {COLUMNS} FROM adjustments WHERE id = :id", id=id)


async def move(
    session: Session, id: str, expected: Collection[str], status: str, now: int
) -> Row | None:
    """The adjustment, gone from one status to the next; None if it was no longer there."""
    return await session.one(
        "UPDATE adjustments SET status = :status, updated_at = :now WHERE id = :id"
        f" AND status IN {{each:expected}} RETURNING {COLUMNS}",
        id=id,
        expected=list(expected),
        status=status,
        now=now,
    )


async def waiting(session: Session, finding: str) -> Row | None:
    """The adjustment of a finding that waits for a second person, if one does."""
    rows = await session.all(
        f"SELECT {COLUMNS} FROM adjustments WHERE finding = :finding"
        " AND status = 'awaiting_approval' ORDER BY created_at, id LIMIT 1",
        finding=finding,
    )
    return rows[0] if rows else None


async def after(session: Session, id: str, limit: int) -> list[Row]:
    """Adjustments in the order of their ids, after the given one: for walking all of them."""
    return await session.all(
        f"SELECT {COLUMNS} FROM adjustments WHERE id > :after ORDER BY id LIMIT :limit",
        after=id,
        limit=limit,
    )
