"""Apply what the inbox holds."""

from __future__ import annotations

from reconciler.apply import apply_all
from reconciler.context import Context


async def run(context: Context) -> str:
    done = await apply_all(context)
    return f"{done.applied} applied, {done.irrelevant} irrelevant, {done.failed} failed"
