"""Find events that Stripe lists and we were never sent, and apply them."""

from __future__ import annotations

from reconciler.context import Context
from reconciler.intake.apply import apply_all
from reconciler.intake.recover import recover_events


async def run(context: Context) -> str:
    if context.stripe is None:
        return "no Stripe key"
    coverage = await recover_events(context, context.stripe)
    await apply_all(context)
    return f"{coverage.rows} listed, {coverage.new} were missing {coverage.error}".strip()
