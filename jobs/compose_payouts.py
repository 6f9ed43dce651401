"""Say of each bank payout which movements it is made of."""

from __future__ import annotations

from reconciler.context import Context
from reconciler.reconciling.compose import compose_payouts


async def run(context: Context) -> str:
    if context.stripe is None:
        return "no Stripe key"
    counts = await compose_payouts(context, context.stripe)
    return ", ".join(f"{count} {what}" for what, count in counts.items())
