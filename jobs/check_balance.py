"""Mirror Stripe's balance, reconcile, and write a run."""

from __future__ import annotations

from reconciler.context import Context
from reconciler.reconciling.check import check


async def run(context: Context) -> str:
    if context.stripe is None:
        return "no Stripe key"
    written = await check(context, context.stripe)
    return f"{written['id']}: {written['status']}"
