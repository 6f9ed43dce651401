"""Decline what waited for a second person for too long, and give its money back."""

from __future__ import annotations

from reconciler.context import Context
from reconciler.money_out.approve import expire


async def run(context: Context) -> str:
    return f"{await expire(context)} expired"
