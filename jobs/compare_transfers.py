"""Compare Stripe's transfers with our payouts; the next run reports what does not agree."""

from __future__ import annotations

from reconciler.context import Context
from reconciler.reconciling.compare_transfers import compare_transfers


async def run(context: Context) -> str:
    if context.stripe is None:
        return "no Stripe key"
    compared = await compare_transfers(context, context.stripe)
    coverage = compared.coverage
    missing = len(compared.missing_at_stripe)
    return f"{coverage.rows} transfers, {missing} not listed {coverage.error}".strip()
