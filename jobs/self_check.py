"""Check the ledger against itself, the books against the records, and the audit log's chain."""

from __future__ import annotations

from reconciler.context import Context
from reconciler.oversight.audit import watch
from reconciler.reconciling.self_check import self_check


async def run(context: Context) -> str:
    broken = len(await self_check(context))
    log = await watch(context)
    return f"{broken} invariants broken{'' if log.unbroken else '; the audit log is broken'}"
