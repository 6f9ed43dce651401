"""Deliveries that came to nothing: events that were received and could not be applied."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.domain.findings import Cause, Finding, FindingKind
from reconciler.domain.snapshot import PLATFORM
from reconciler.reconciling.look import Look
from reconciler.store import inbox
from reconciler.store.database import Row, Session

LISTED = 200


@dataclass(frozen=True, slots=True)
class Seen:
    dead: tuple[Row, ...] = ()


async def gather(session: Session, stripe_account: str, now: int) -> Seen:
    if stripe_account != PLATFORM:
        return Seen()
    return Seen(tuple(await inbox.dead(session, LISTED)))


def detect(seen: Seen, look: Look) -> Iterable[Finding]:
    return [_dead(row) for row in seen.dead]


def _dead(row: Row) -> Finding:
    return Finding(
        FindingKind.DELIVERY_GAP,
        Cause.EVENT_FAILED,
        row["stripe_account"],
        row["event_id"],
        "",
        0,
        0,
        f"Event {row['event_id']} ({row['type']}) could not be applied: {row['error']}",
        repair=f"replay {row['event_id']}",
        evidence=({"event": row["event_id"], "type": row["type"], "error": row["error"]},),
    )
