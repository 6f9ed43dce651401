"""Bulk repairs: what each is to repair, how far it is, and who works on it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from reconciler.store.database import Batch, Row, Session

COLUMNS = (
    "id, repair, choices, chosen_by, digest, findings, reason, status, planned_by, planned_by_name,"
    " planned_at, confirmed_by, confirmed_by_name, confirmed_by_role, confirmed_at, ended_at,"
    " token, leased_until"
)
DECODED = ("choices", "chosen_by")

_ITEMS = Batch(
    "repair_job_items",
    (
        ("job", "text"),
        ("number", "bigint"),
        ("finding", "text"),
        ("finding_digest", "text"),
        ("currency", "text"),
        ("amount", "bigint"),
        ("outcome", "text"),
        ("detail", "text"),
        ("repair", "text"),
    ),
)


async def insert(
    session: Session, row: Mapping[str, Any], items: Sequence[Sequence[object]]
) -> None:
    """Store a plan with its items (columns as in the table)."""
    names = COLUMNS.split(", ")
    marks = ", ".join(f":{name}" for name in names)
    written = {name: msgspec.json.encode(row[name]).decode() for name in DECODED}
    values = {**row, **written}
    await session.run(f"INSERT INTO repair_jobs ({COLUMNS}) VALUES ({marks})", **values)
    await session.write_many(_ITEMS, items)


def _read(row: Row) -> dict[str, Any]:
    return {**row, **{name: msgspec.json.decode(row[name]) for name in DECODED}}


async def get(session: Session, id: str) -> dict[str, Any] | None:
    row = await session.one(f"SELECT {COLUMNS} FROM repair_jobs WHERE id = :id", id=id)
    return _read(row) if row else None


async def page(
    session: Session, limit: int, before: tuple[int, str] | None
) -> list[dict[str, Any]]:
    """Bulk repairs, the newest first, older than the cursor `(planned_at, id)`."""
    at, id = before or (2**62, "")
    rows = await session.all(
        f"SELECT {COLUMNS} FROM repair_jobs WHERE planned_at < :at"
        " OR (planned_at = :at AND id < :id) ORDER BY planned_at DESC, id DESC LIMIT :limit",
        at=at,
        id=id,
        limit=limit,
    )
    return [_read(row) for row in rows]


async def confirm(session: Session, id: str, by: Mapping[str, str], now: int) -> bool:
    """Whether it was a plan, and now runs. `by` is whoever confirms: key, name and role."""
    row = await session.one(
        "UPDATE repair_jobs SET status = 'running', confirmed_by = :key, confirmed_by_name = :name,"
        " confirmed_by_role = :role, confirmed_at = :now WHERE id = :id AND status = 'planned'"
        " RETURNING id",
        id=id,
        now=now,
        **by,
    )
    return row is not None


async def end(session: Session, id: str, expected: Collection[str], status: str, now: int) -> bool:
    """Whether it was in one of these statuses, and now has ended in this one."""
    row = await session.one(
        "UPDATE repair_jobs SET status = :status, ended_at = :now, token = '', leased_until = 0"
        " WHERE id = :id AND status IN {each:expected} RETURNING id",
        id=id,
        status=status,
        expected=list(expected),
        now=now,
    )
    return row is not None


async def running(session: Session, now: int) -> list[str]:
    """Confirmed bulk repairs that nobody works on, the first confirmed first."""
    rows = await session.all(
        "SELECT id FROM repair_jobs WHERE status = 'running' AND leased_until <= :now"
        " ORDER BY confirmed_at, id",
        now=now,
    )
    return [row["id"] for row in rows]


async def claim(session: Session, id: str, token: str, now: int, until: int) -> bool:
    """Whether whoever has this token works on it now, or still does: nobody else may."""
    row = await session.one(
        "UPDATE repair_jobs SET token = :token, leased_until = :until WHERE id = :id"
        " AND status = 'running' AND (token = :token OR leased_until <= :now) RETURNING id",
        id=id,
        token=token,
        now=now,
        until=until,
    )
    return row is not None


async def let_go(session: Session, id: str, token: str) -> None:
    """Nobody works on it any more; whoever comes next may at once."""
    await session.run(
        "UPDATE repair_jobs SET token = '', leased_until = 0 WHERE id = :id AND token = :token",
        id=id,
        token=token,
    )


async def waiting(session: Session, id: str, limit: int) -> list[Row]:
    """The next findings to be repaired."""
    return await session.all(
        "SELECT number, finding, finding_digest FROM repair_job_items WHERE job = :id"
        " AND outcome = '' ORDER BY number LIMIT :limit",
        id=id,
        limit=limit,
    )


async def item_done(
    session: Session, id: str, number: int, outcome: str, detail: str, repair: str
) -> None:
    await session.run(
        "UPDATE repair_job_items SET outcome = :outcome, detail = :detail, repair = :repair"
        " WHERE job = :id AND number = :number AND outcome = ''",
        id=id,
        number=number,
        outcome=outcome,
        detail=detail,
        repair=repair,
    )


async def items(session: Session, id: str, after: int, limit: int) -> list[Row]:
    """The findings of a bulk repair and what became of each, after this number."""
    return await session.all(
        "SELECT number, finding, currency, amount, outcome, detail, repair FROM repair_job_items"
        " WHERE job = :id AND number > :after ORDER BY number LIMIT :limit",
        id=id,
        after=after,
        limit=limit,
    )


async def sums(session: Session, ids: Collection[str]) -> list[Row]:
    """For each bulk repair, outcome and currency: how many, and their signed differences."""
    return await session.all(
        "SELECT job, outcome, currency, COUNT(*) AS findings, CAST(SUM(amount) AS BIGINT) AS amount"
        " FROM repair_job_items WHERE job IN {each:ids} GROUP BY job, outcome, currency"
        " ORDER BY job, outcome, currency",
        ids=sorted(ids),
    )
