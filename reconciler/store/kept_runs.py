"""What is kept of a run beside its verdict: its findings, some at a time, and what it read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from reconciler.store.database import Row, Session


async def save_pin(session: Session, run: dict[str, Any], seen: bytes) -> None:
    """Keep what a run read, compressed, with its digests; in the transaction that writes it."""
    await session.run(
        "INSERT INTO run_pins (run_id, rules, seen, seen_sha256, sha256)"
        " VALUES (:id, :rules, :seen, :seen_sha256, :sha256)",
        id=run["id"],
        rules=run["rules"],
        seen=seen,
        seen_sha256=run["seen_sha256"],
        sha256=run["sha256"],
    )


async def seen(session: Session, run_id: str) -> bytes:
    """What a run read, compressed; nothing for one that was written before this was kept."""
    row = await session.one("SELECT seen FROM run_pins WHERE run_id = :id", id=run_id)
    return bytes(row["seen"]) if row else b""


async def findings_of(session: Session, run_id: str, ids: Sequence[str]) -> list[dict[str, Any]]:
    """Some of a run's findings, by their ids, in that order."""
    rows = await session.all(
        "SELECT body FROM run_findings WHERE run_id = :id AND finding_id IN {each:ids}",
        id=run_id,
        ids=ids,
    )
    found = {body["id"]: body for body in (msgspec.json.decode(row["body"]) for row in rows)}
    return [found[id] for id in ids if id in found]


async def findings_after(
    session: Session, run_id: str, after: tuple[int, str], limit: int
) -> list[Row]:
    """A run's findings some at a time, in the order in which it keeps them: `body`, `place` and
    `finding_id`, the cursor of what follows."""
    return await session.all(
        "SELECT body, place, finding_id FROM run_findings WHERE run_id = :id"
        " AND (place > :place OR (place = :place AND finding_id > :finding))"
        " ORDER BY place, finding_id LIMIT :limit",
        id=run_id,
        place=after[0],
        finding=after[1],
        limit=limit,
    )
