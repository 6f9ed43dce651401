"""Apply what the inbox holds."""

from __future__ import annotations

from reconciler.context import Context
from reconciler.intake.apply import apply_all


async def run(context: Context) -> str:
    done = await apply_all(context)
    return f"{done.applied} applied, {done.irrelevant} irrelevant, {done.failed} failed"
