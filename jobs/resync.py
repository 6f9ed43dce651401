"""Go on with the resyncs that somebody asked for, each some pages at a time."""

from __future__ import annotations

from reconciler.context import Context
from reconciler.intake.resync import go_on
from reconciler.store import resyncs

PAGES = 20
"""So that a long one does not hold up those that were asked for after it."""


async def run(context: Context) -> str:
    if context.stripe is None:
        return "no Stripe key"
    async with context.database.read() as session:
        ids = await resyncs.running(session)
    states = [await go_on(context, context.stripe, id, PAGES) for id in ids]
    return ", ".join(f"{state['id']} {state['status']}" for state in states) or "nothing to do"
