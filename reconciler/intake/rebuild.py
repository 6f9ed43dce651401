"""Positions whose rows somebody else wrote to, rebuilt from their entries, which cannot be changed.

So what was written over a row moves no money: what should stand is compared with what was posted.
Must not look for such rows: triggers note them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from reconciler.domain.ledger import total
from reconciler.domain.positions import Position
from reconciler.store import books, outside_changes
from reconciler.store.database import Session


async def rebuilt_positions(session: Session, known: Mapping[str, Position]) -> dict[str, Position]:
    """Those of these positions that somebody wrote to, or deleted, as their entries have them."""
    wrong = known.keys() & await outside_changes.positions(session)
    if not wrong:
        return {}
    lines = await books.posted_lines(session, wrong)
    versions = await books.versions(session, wrong)
    return {
        reference: replace(
            known[reference],
            lines=total(lines.get(reference, ())),
            version=max(known[reference].version, versions.get(reference, 0)),
        )
        for reference in wrong
    }
