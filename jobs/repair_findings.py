"""Bulk repairs that were confirmed go on, wherever the one before stopped."""

from __future__ import annotations

from reconciler.context import Context
from reconciler.reconciling.repairing.bulk import go_on


async def run(context: Context) -> str:
    return f"{await go_on(context)} findings repaired"
