"""The self-check's part about adjustments: the books hold those that are posted, and no others.

Repairs nothing. Must not look at what is open: an adjustment that stands is right as it is.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from reconciler.domain.adjustments import decided_adjustment
from reconciler.domain.positions import Position
from reconciler.store import adjustments, positions
from reconciler.store.database import Session

PAGE = 500


async def misposted(session: Session) -> AsyncIterator[tuple[Position, Position]]:
    """Each position of an adjustment that is not what its record says, beside what it should be."""
    after = ""
    while page := await adjustments.after(session, after, PAGE):
        after = page[-1]["id"]
        held = await positions.of_references(session, [row["id"] for row in page])
        for row in page:
            target = decided_adjustment(row, counts=row["status"] == "posted")
            stands = held.get(row["id"])
            if (stands.lines if stands else ()) != target.lines:
                yield stands or decided_adjustment(row, counts=False), target
    for position in await positions.without_adjustment(session, PAGE):
        yield (
            position,
            Position(
                position.reference,
                position.kind,
                position.family,
                position.stripe_account,
                position.merchant,
                position.occurred_at,
            ),
        )
