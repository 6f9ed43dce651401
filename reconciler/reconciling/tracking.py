"""Track findings from one look to the next: the same difference keeps its id until it has cleared.

Whoever looks says what it looked at: a finding is cleared only by a look that would have seen it.
The caller holds the books' lock, so that two looks at once do not each begin the same finding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from reconciler.context import Context
from reconciler.domain.findings import Finding
from reconciler.store import runs
from reconciler.store.database import Session
from reconciler.store.runs import Key


async def track(
    session: Session,
    context: Context,
    found: Sequence[Finding],
    looked_at: Callable[[Key], bool],
    now: int,
) -> list[dict[str, Any]]:
    """Store what was found and clear what no longer stands; the findings as stored."""
    living = await runs.living(session)
    kept = []
    for finding in found:
        held = living.pop(runs.key_of(finding), None)
        id = held["id"] if held else context.new_id("fnd")
        kept.append((id, held["first_seen"] if held else now, finding))
    gone = [row["id"] for key, row in living.items() if looked_at(key)]
    await runs.clear(session, gone, now)
    return await runs.save_findings(session, kept, now)
