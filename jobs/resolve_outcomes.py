"""Settle what was sent to Stripe and not answered, send what waits, and recover refunds' costs."""

from __future__ import annotations

from reconciler.context import Context
from reconciler.money_out.recover_cost import recover_due
from reconciler.money_out.resolve import resolve_outcomes


async def run(context: Context) -> str:
    if context.stripe is None:
        return "no Stripe key"
    settled = await resolve_outcomes(context, context.stripe)
    still_open = await recover_due(context, context.stripe)
    return f"{settled} outcomes looked after, {still_open} recoveries open"
