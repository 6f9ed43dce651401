"""Recompute everything without the ledger, and hold it beside the clearing accounts."""

from __future__ import annotations

from reconciler.context import Context
from reconciler.reconciling.check import check


async def run(context: Context) -> str:
    if context.stripe is None:
        return "no Stripe key"
    written = await check(context, context.stripe, full=True)
    disagreements = sum(audit["disagreements"] for audit in written["coverage"]["audits"])
    return f"{written['id']}: {written['status']}, {disagreements} disagreements"
