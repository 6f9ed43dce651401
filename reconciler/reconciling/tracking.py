"""Track findings from one look to the next: the same difference keeps its id until it has cleared.

Whoever looks says what it looked at: a finding is cleared only by a look that would have seen it.
What was resolved or suppressed and still stands as nobody saw it opens again, and says why. The
caller holds the books' lock, so that two looks at once do not each begin the same finding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from reconciler.context import Context
from reconciler.domain.audit import SERVICE, Action
from reconciler.domain.findings import Finding
from reconciler.domain.suppressions import Suppression, ended
from reconciler.reconciling.repairing.time_line import Happening, happened
from reconciler.store import runs, suppressions
from reconciler.store.database import Row, Session
from reconciler.store.runs import Key

STILL_THERE = "it was called settled, and the difference still stands"
WHY_ENDED = {
    "expired": "its suppression has expired",
    "over_cap": "the amount has passed the cap of its suppression",
    "facts_changed": "a fact has changed since it was suppressed",
}


async def track(
    session: Session,
    context: Context,
    found: Sequence[Finding],
    looked_at: Callable[[Key], bool],
    now: int,
) -> list[dict[str, Any]]:
    """Store what was found and clear what no longer stands; the findings as stored."""
    living = await runs.living(session)
    held = await suppressions.in_force(session)
    kept, before = [], {}
    for finding in found:
        row = living.pop(runs.key_of(finding), None)
        id = row["id"] if row else context.new_id("fnd")
        before[id] = row
        kept.append((id, row["first_seen"] if row else now, finding))
    gone = {key: row for key, row in living.items() if looked_at(key)}
    await runs.clear(session, [row["id"] for row in gone.values()], now)
    stored = await runs.save_findings(session, kept, now)
    await suppressions.end(session, [held[key].id for key in gone if key in held], "cleared", now)
    for id, _, finding in kept:
        rule = held.get(runs.key_of(finding))
        await _reopened(session, id, finding, before[id], rule, now)
    return stored


async def _reopened(
    session: Session,
    id: str,
    finding: Finding,
    before: Row | None,
    rule: Suppression | None,
    now: int,
) -> None:
    """Say so where a finding that somebody had settled or set aside is so no more."""
    why = ""
    if before is not None and before["status"] == "resolved":
        why = STILL_THERE
    if rule is not None and (reason := ended(rule, finding.told(), now)):
        await suppressions.end(session, [rule.id], reason, now)
        why = WHY_ENDED[reason]
    if why:
        detail: Mapping[str, Any] = {"status": finding.status(now)}
        event = Happening(Action.FINDING_REOPENED, SERVICE, why, None, detail)
        await happened(session, id, event, now)
