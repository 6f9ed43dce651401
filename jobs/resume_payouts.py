"""Go on with payouts that a crash left between deciding, sending and recording."""

from __future__ import annotations

from reconciler.context import Context
from reconciler.pay_out import resume


async def run(context: Context) -> str:
    if context.stripe is None:
        return "no Stripe key"
    return f"{await resume(context, context.stripe)} payouts resumed"
