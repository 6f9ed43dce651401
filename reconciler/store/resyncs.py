"""Resyncs: what is to be read again, and how far each has come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.store.database import Row, Session

COLUMNS = (
    "id, stripe_account, type, since, until, ids, status, cursor, reached, objects_read,"
    " objects_changed, pages, problems, problem_list, error, asked_by, reason, created_at,"
    " updated_at, finished_at"
)


async def insert(session: Session, row: Mapping[str, Any]) -> None:
    """A new resync (columns as in the table)."""
    marks = ", ".join(f":{name}" for name in COLUMNS.split(", "))
    await session.run(f"INSERT INTO resyncs ({COLUMNS}) VALUES ({marks})", **row)


async def get(session: Session, id: str) -> Row | None:
    return await session.one(f"SELECT {COLUMNS} FROM resyncs WHERE id = :id", id=id)


async def listed(session: Session, limit: int, before: tuple[int, str] | None) -> list[Row]:
    """Newest first; `before` is the moment and the id to go on after."""
    created, id = before or (2**62, "")
    return await session.all(
        f"SELECT {COLUMNS} FROM resyncs"
        " WHERE created_at < :created OR (created_at = :created AND id < :id)"
        " ORDER BY created_at DESC, id DESC LIMIT :limit",
        created=created,
        id=id,
        limit=limit,
    )


async def running(session: Session) -> list[str]:
    """Those that are not at their end, the oldest first."""
    rows = await session.all(
        "SELECT id FROM resyncs WHERE status = 'running' ORDER BY created_at, id"
    )
    return [row["id"] for row in rows]


async def advance(session: Session, id: str, cursor: str, now: int, changed: Row) -> bool:
    """Move a resync on from `cursor`; False if it is no longer there, or no longer runs."""
    names = (
        "status",
        "cursor",
        "reached",
        "objects_read",
        "objects_changed",
        "pages",
        "problems",
        "problem_list",
        "finished_at",
    )
    marks = ", ".join(f"{name} = :{name}" for name in names)
    rows = await session.many(
        f"UPDATE resyncs SET {marks}, error = '', updated_at = :now"
        " WHERE id = :id AND status = 'running' AND cursor = :held RETURNING id",
        **{name: changed[name] for name in names},
        now=now,
        id=id,
        held=cursor,
    )
    return bool(rows)


async def stumbled(session: Session, id: str, error: str, now: int) -> None:
    """Why a resync does not go on at the moment."""
    await session.run(
        "UPDATE resyncs SET error = :error, updated_at = :now"
        " WHERE id = :id AND status = 'running'",
        error=error[:500],
        now=now,
        id=id,
    )


async def cancel(session: Session, id: str, now: int) -> Row | None:
    """The resync as it was stopped; None if it did not run any more."""
    rows = await session.many(
        "UPDATE resyncs SET status = 'cancelled', error = '', updated_at = :now,"
        f" finished_at = :now WHERE id = :id AND status = 'running' RETURNING {COLUMNS}",
        now=now,
        id=id,
    )
    return rows[0] if rows else None
