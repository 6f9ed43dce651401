"""Replay: try an event again that could not be applied, at somebody's word.

Must not touch an event that was applied: applying it again would change nothing, and saying so
helps nobody who looks for what is wrong.
"""

from __future__ import annotations

from reconciler.context import Context
from reconciler.domain.refusals import Refusal
from reconciler.intake.apply import apply_pending, requeue_dead
from reconciler.oversight.audit import Actor
from reconciler.store import inbox
from reconciler.store.database import Row

WHY_NOT = {
    "received": "it is waiting to be applied already; look again in a moment",
    "waiting": "it was applied, and its object is being read from Stripe again",
    "applied": "it was applied; if its object looks wrong, the object is to be read again",
    "irrelevant": "the books do not follow what it is about",
}


async def replay(context: Context, event_id: str, actor: Actor, reason: str = "") -> Row | Refusal:
    """The event as it stands after another try; its `error` says why if that failed too."""
    if not await requeue_dead(context, [event_id], actor, reason):
        return _refusal(event_id, await _found(context, event_id))
    await apply_pending(context)
    row = await _found(context, event_id)
    return row if row is not None else _refusal(event_id, None)


async def _found(context: Context, event_id: str) -> Row | None:
    async with context.database.read() as session:
        return await inbox.get(session, event_id)


def _refusal(event_id: str, row: Row | None) -> Refusal:
    if row is None:
        return Refusal("unknown_event", f"There is no event {event_id[:80]!r}.")
    why = WHY_NOT.get(row["status"], f"it is {row['status']}")
    return Refusal("event_not_dead", f"Only a dead event is tried again, and {why}.")
