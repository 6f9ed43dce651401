"""The audit log: record what is done, in the transaction that does it; list it; verify the chain.

`record` is called by every use case that changes something at somebody's word. Must not be called
for a refusal: a no changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog

from reconciler.context import Context
from reconciler.domain.audit import (
    SERVICE,
    Action,
    Actor,
    Audit,
    chained,
    content,
)
from reconciler.domain.audit_chain import Anchor, Fault, Verifier
from reconciler.store import audit as stored
from reconciler.store.database import Row, Session

__all__ = [
    "SERVICE",
    "Action",
    "Actor",
    "Anchor",
    "Audit",
    "Verified",
    "head",
    "listed",
    "record",
    "verify",
    "watch",
]

log = structlog.get_logger()

BATCH = 2_000


def record(session: Session, entry: Audit, now: int) -> None:
    """`entry` is part of this transaction: both are committed, or neither.

    Written as its last statements, so that the lock on the chain is taken after every other one.
    Raises TypeError for what is not plain JSON, SessionMisuse where nothing can be written.
    """
    what = content(entry, now)

    async def write(session: Session) -> None:
        last = await stored.locked_head(session)
        await stored.append(session, chained(what, last.seq + 1, last.hash))

    session.at_the_end(write)


@dataclass(frozen=True, slots=True)
class Verified:
    """What a look at the whole chain found. `faults` are the first of `fault_count`."""

    rows: int
    head: Anchor
    anchors: int
    faults: tuple[Fault, ...]
    fault_count: int

    @property
    def unbroken(self) -> bool:
        return not self.fault_count


async def verify(
    context: Context,
    anchors: Sequence[Anchor] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Verified:
    """The chain from its first row to its last, checked while others may add to it.

    `progress` is told how many rows are done, and how many there are. Memory stays that of one
    batch. Only the last rows are read in one snapshot with the head: earlier ones do not change.
    """
    verifier = Verifier(anchors)
    last = await _long_part(context, verifier, progress)
    async with context.database.read(snapshot=True) as session:
        while rows := await stored.after(session, last, BATCH):
            last = _taken(verifier, rows)
        end = await stored.head(session)
    verifier.end(end.seq if end else None, end.hash if end else "")
    return Verified(
        verifier.rows,
        Anchor(verifier.seq, verifier.hash),
        len(anchors),
        tuple(verifier.faults),
        verifier.fault_count,
    )


async def _long_part(
    context: Context, verifier: Verifier, progress: Callable[[int, int], None] | None
) -> int | None:
    """The number of the last row of a chain that is all read but for what comes meanwhile."""
    last: int | None = None
    while True:
        async with context.database.read() as session:
            rows = await stored.after(session, last, BATCH)
            end = await stored.head(session)
        if rows:
            last = _taken(verifier, rows)
        if progress is not None:
            progress(verifier.rows, max(end.seq if end else 0, verifier.rows))
        if len(rows) < BATCH:
            return last


def _taken(verifier: Verifier, rows: Sequence[Row]) -> int:
    for row in rows:
        verifier.take(row)
    last = rows[-1]["seq"]
    return last if isinstance(last, int) else 2**63 - 1


async def watch(context: Context) -> Verified:
    """`verify`, with a line in the log: an alarm, or an anchor for whoever keeps the log."""
    found = await verify(context)
    if found.unbroken:
        log.info("audit.head", anchor=str(found.head))
    else:
        sentences = [fault.sentence for fault in found.faults]
        log.error("audit.broken", faults=found.fault_count, first=sentences)
    return found


async def head(context: Context) -> Anchor | None:
    """The last row's number and hash: written down elsewhere, it proves what came before it."""
    async with context.database.read() as session:
        return await stored.head(session)


async def listed(
    context: Context,
    limit: int,
    before: int | None = None,
    *,
    subject: str = "",
    action: str = "",
    key_id: str = "",
) -> tuple[list[dict[str, Any]], bool]:
    """Rows newest first, and whether there are more; `before` is the number of the last one had."""
    async with context.database.read() as session:
        start = 2**63 - 1 if before is None else before
        rows = await stored.page(session, limit + 1, start, subject, action, key_id)
    return [_shown(row) for row in rows[:limit]], len(rows) > limit


def _shown(row: Row) -> dict[str, Any]:
    """A row as the interface has it."""
    kept = {name: value for name, value in row.items() if not name.endswith("_json")}
    return {
        **kept,
        "before": msgspec.json.decode(row["before_json"]),
        "after": msgspec.json.decode(row["after_json"]),
    }
