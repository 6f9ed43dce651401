"""Forget idempotency keys that are older than thirty days."""

from __future__ import annotations

from reconciler.context import Context
from reconciler.money_out import claims


async def run(context: Context) -> str:
    return f"{await claims.prune(context)} forgotten"
