"""Look at every connected account once a day, a part at a time."""

from __future__ import annotations

from reconciler.context import Context
from reconciler.onboarding.refresh_accounts import refresh_accounts


async def run(context: Context) -> str:
    if context.stripe is None:
        return "no Stripe key"
    swept = await refresh_accounts(context, context.stripe)
    done = f"{swept.accounts} listed, {swept.read} read, {swept.lost} lost"
    return f"{done} {swept.error or ('complete' if swept.complete else 'to be continued')}"
