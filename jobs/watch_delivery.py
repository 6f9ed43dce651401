"""Read our webhook endpoints at Stripe and its notices, and forget old rows of event lists."""

from __future__ import annotations

from reconciler.context import Context
from reconciler.oversight.watch_delivery import watch_delivery


async def run(context: Context) -> str:
    if context.stripe is None:
        return "no Stripe key"
    done = await watch_delivery(context, context.stripe)
    read = f"{done.endpoints} endpoints read, {done.never_made} events that were never made"
    return f"{read}, {done.forgotten} rows forgotten {done.error}".strip()
