"""Rows that somebody else than the service changed or deleted, where no money shows it yet.

A record or position that somebody wrote to moves money only with the next event of its family; a
lost balance transaction never does. All of them falsify what is shown, so each is a finding.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.domain.findings import Cause, Finding, FindingKind, rule
from reconciler.domain.snapshot import PLATFORM
from reconciler.reconciling.detecting import clearings
from reconciler.reconciling.look import Look
from reconciler.store import outside_changes
from reconciler.store.database import Row, Session

LISTED = 200

OURS = (Cause.OVERWRITTEN, Cause.APPLIED_OUT_OF_ORDER)

NAMES = {
    "objects": "the record",
    "positions": "the position",
    "balance_transactions": "the balance transaction",
}


@dataclass(frozen=True, slots=True)
class Seen:
    changed: tuple[Row, ...] = ()


async def gather(session: Session, stripe_account: str, now: int) -> Seen:
    if stripe_account != PLATFORM:
        return Seen()
    return Seen(tuple(await outside_changes.unmended(session, LISTED)))


def detect(seen: Seen, look: Look) -> Iterable[Finding]:
    """One finding for each thing that was written to, unless money is open by it already: then that
    finding says so."""
    told = set(_told(look)) if seen.changed else set()
    by_id: dict[str, list[Row]] = {}
    for row in seen.changed:
        by_id.setdefault(row["id"], []).append(row)
    return [_finding(id, rows) for id, rows in sorted(by_id.items()) if id not in told]


def _told(look: Look) -> Iterable[str]:
    """The ids of the rows by which money is open."""
    open = look.seen["clearings"]
    causes = {(f.reference, f.currency): f.cause for f in clearings.detect(open, look)}
    for case in open.open:
        if causes[case.object_id, case.currency] in OURS:
            yield case.object_id
            yield from (row["id"] for row in case.changed_rows)


def _finding(id: str, rows: list[Row]) -> Finding:
    what = " and ".join(f"{NAMES[row['relation']]} was {row['change']}" for row in rows)
    because = f"Of {id}, {what} in the database by somebody else than this service."
    return Finding(
        FindingKind.STATUS_DIFFERS,
        Cause.OVERWRITTEN,
        PLATFORM,
        id,
        "",
        0,
        0,
        because,
        repair=f"resync {id}",
        evidence=(
            rule("somebody_else_wrote_to_the_row", because),
            *(
                {"row": row["id"], "table": row["relation"], "change": row["change"]}
                for row in rows
            ),
        ),
    )
