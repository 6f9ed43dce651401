"""Read what transfers became on the connected accounts, a part at a time."""

from __future__ import annotations

from reconciler.context import Context
from reconciler.reconciling.read_legs import read_legs


async def run(context: Context) -> str:
    if context.stripe is None:
        return "no Stripe key"
    done = await read_legs(context, context.stripe)
    return f"{done.read} legs read, {done.wrong} of them wrong, {done.failed} not read"
