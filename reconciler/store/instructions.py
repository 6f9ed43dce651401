"""Instructions of ours (payouts, refunds, reversals) as rows: stored, read, moved along.

Each kind has a table of its own; what is the same in all of them is here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.store.database import Row, Session

UNDER_WAY = "('pending', 'sending', 'unknown')"
"""What is at Stripe, or about to be, without an answer yet."""


@dataclass(frozen=True, slots=True)
class Table:
    """One kind's table. `made` is its column for the Stripe object that executes an instruction,
    empty until there is one."""

    name: str
    columns: str
    made: str


async def insert(session: Session, table: Table, row: Mapping[str, Any]) -> None:
    """Store a new instruction. `row` has every column of its table."""
    names = table.columns.split(", ")
    marks = ", ".join(f":{name}" for name in names)
    await session.run(f"INSERT INTO {table.name} ({table.columns}) VALUES ({marks})", **row)


async def get(session: Session, table: Table, id: str) -> Row | None:
    """One instruction, by our id."""
    return await session.one(f"SELECT {table.columns} FROM {table.name} WHERE id = :id", id=id)


async def move(
    session: Session,
    table: Table,
    id: str,
    *,
    expected: Collection[str],
    status: str,
    now: int,
    failure_code: str = "",
    failure_message: str = "",
) -> Row | None:
    """The instruction, gone from one status to the next; None if it was no longer there, or if
    Stripe has made its object: from then on it follows that."""
    return await session.one(
        f"UPDATE {table.name} SET status = :status, failure_code = :code,"
        " failure_message = :message, updated_at = :now"
        f" WHERE id = :id AND {table.made} = '' AND status IN {{each:expected}}"
        f" RETURNING {table.columns}",
        id=id,
        expected=list(expected),
        status=status,
        code=failure_code,
        message=failure_message,
        now=now,
    )
