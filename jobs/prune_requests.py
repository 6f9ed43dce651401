"""Forget idempotency keys that are older than thirty days."""

from __future__ import annotations

from reconciler import claims
from reconciler.context import Context


async def run(context: Context) -> str:
    return f"{await claims.prune(context)} forgotten"
