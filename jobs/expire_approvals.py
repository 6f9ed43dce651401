"""Decline what waited for a second person for too long, and give its money back."""

from __future__ import annotations

from reconciler.approve import expire
from reconciler.context import Context


async def run(context: Context) -> str:
    return f"{await expire(context)} expired"
