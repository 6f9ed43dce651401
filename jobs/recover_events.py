"""Find events that Stripe lists and we were never sent, and apply them."""

from __future__ import annotations

from reconciler.context import Context
from reconciler.intake.apply import apply_all
from reconciler.intake.recover import recover_connected, recover_events


async def run(context: Context) -> str:
    if context.stripe is None:
        return "no Stripe key"
    coverage = await recover_events(context, context.stripe)
    connected = await recover_connected(context, context.stripe)
    await apply_all(context)
    own = f"{coverage.rows} listed, {coverage.new} were missing {coverage.error}".strip()
    return (
        f"{own}; of {connected.accounts} connected accounts {connected.rows} listed,"
        f" {connected.new} were missing, {connected.failed} lists not read,"
        f" {connected.waiting} accounts wait"
    )
