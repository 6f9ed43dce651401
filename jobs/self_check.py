"""Check the ledger against itself and the books against the records."""

from __future__ import annotations

from reconciler.context import Context
from reconciler.self_check import self_check


async def run(context: Context) -> str:
    return f"{len(await self_check(context))} invariants broken"
