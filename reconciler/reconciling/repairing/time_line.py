"""The time line of a finding: what was done with it, by whom, beside the audit log's row of it.

Both are written in the transaction that does it. Must not be called for a refusal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.oversight.audit import Action, Actor, Audit, record
from reconciler.store import repairs
from reconciler.store.database import Session


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that was done with a finding. `note` is what was said about it."""

    action: Action
    actor: Actor
    note: str = ""
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None


async def happened(session: Session, finding: str, what: Happening, now: int) -> None:
    """It is in the finding's time line and in the audit log."""
    await repairs.add_event(
        session,
        {
            "finding": finding,
            "at": now,
            "action": what.action.value,
            "key_id": what.actor.key_id,
            "actor": what.actor.name,
            "note": what.note,
            "detail": dict(what.after or {}),
        },
    )
    told = Audit(what.actor, what.action, finding, what.before, what.after, what.note)
    record(session, told, now)
