"""Repairs that were made, and the time line of each finding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from reconciler.store.database import Row, Session

COLUMNS = (
    "id, finding, repair, job, choices, digest, made, effect, status, made_by, made_by_name,"
    " reason, made_at, undone_by_name, undone_at"
)
DECODED = ("choices", "effect")


async def insert(session: Session, row: Mapping[str, Any]) -> None:
    """Store a repair that is being made. `choices` and `effect` are plain JSON values."""
    names = COLUMNS.split(", ")
    marks = ", ".join(f":{name}" for name in names)
    written = {name: msgspec.json.encode(row[name]).decode() for name in DECODED}
    values = {**row, **written}
    await session.run(f"INSERT INTO repairs ({COLUMNS}) VALUES ({marks})", **values)


def _read(row: Row) -> dict[str, Any]:
    return {**row, **{name: msgspec.json.decode(row[name]) for name in DECODED}}


async def get(session: Session, id: str) -> dict[str, Any] | None:
    row = await session.one(f"SELECT {COLUMNS} FROM repairs WHERE id = :id", id=id)
    return _read(row) if row else None


async def of_finding(session: Session, finding: str) -> list[dict[str, Any]]:
    """Every repair of a finding, the newest first."""
    rows = await session.all(
        f"SELECT {COLUMNS} FROM repairs WHERE finding = :finding ORDER BY made_at DESC, id DESC",
        finding=finding,
    )
    return [_read(row) for row in rows]


async def of_job(session: Session, job: str, finding: str) -> dict[str, Any] | None:
    """What a bulk repair has done about a finding already."""
    row = await session.one(
        f"SELECT {COLUMNS} FROM repairs WHERE job = :job AND finding = :finding",
        job=job,
        finding=finding,
    )
    return _read(row) if row else None


async def of_made(session: Session, made: str) -> dict[str, Any] | None:
    """The repair that made this payout, adjustment or suppression."""
    rows = await session.all(f"SELECT {COLUMNS} FROM repairs WHERE made = :made", made=made)
    return _read(rows[0]) if rows else None


async def undone(session: Session, id: str, by_name: str, now: int) -> bool:
    """Whether the repair stood, and now is taken back."""
    row = await session.one(
        "UPDATE repairs SET status = 'undone', undone_by_name = :by, undone_at = :now"
        " WHERE id = :id AND status = 'applied' RETURNING id",
        id=id,
        by=by_name,
        now=now,
    )
    return row is not None


async def add_event(session: Session, event: Mapping[str, Any]) -> None:
    """One more line of a finding's time line; `detail` is a plain JSON value."""
    await session.run(
        "INSERT INTO finding_events (finding, number, at, action, key_id, actor, note, detail)"
        " SELECT :finding, COALESCE(MAX(number), 0) + 1, CAST(:at AS BIGINT),"
        " CAST(:action AS TEXT), CAST(:key_id AS TEXT), CAST(:actor AS TEXT),"
        " CAST(:note AS TEXT), CAST(:detail AS TEXT)"
        " FROM finding_events WHERE finding = :finding",
        **{**event, "detail": msgspec.json.encode(event["detail"]).decode()},
    )


async def events(session: Session, finding: str) -> list[dict[str, Any]]:
    """The time line of a finding, the oldest first."""
    rows = await session.all(
        "SELECT number, at, action, key_id, actor, note, detail FROM finding_events"
        " WHERE finding = :finding ORDER BY number",
        finding=finding,
    )
    return [{**row, "detail": msgspec.json.decode(row["detail"])} for row in rows]
