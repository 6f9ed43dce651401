"""Make the books say of an instruction of ours what they should: the difference is posted.

In the caller's transaction, under `write_books`. Must not know what is decided: that is handed in.
"""

from __future__ import annotations

from reconciler.domain.positions import Position, settle
from reconciler.store import books, positions
from reconciler.store.database import Session


async def stand(session: Session, target: Position, now: int) -> None:
    """The books say of an instruction of ours what they should."""
    held = (await positions.of_families(session, {target.family})).get(target.reference)
    position, posting = settle(held, target)
    await positions.save(session, [position])
    if posting:
        await books.post(session, [(posting, target.reference)], now)
