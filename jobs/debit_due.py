"""Debit the invoices that are due: once a day, and again until the day's run is finished."""

from __future__ import annotations

from reconciler.context import Context
from reconciler.domain.audit import Actor
from reconciler.invoicing.debit_runs import debit_today


async def run(context: Context) -> str:
    if context.stripe is None:
        return "no Stripe key"
    return await debit_today(context, context.stripe, Actor.job("debit_due"))
