"""Read from Stripe the objects that snapshots alone could not decide."""

from __future__ import annotations

from reconciler.context import Context
from reconciler.intake.reread import reread_due


async def run(context: Context) -> str:
    return f"{await reread_due(context)} objects read"
