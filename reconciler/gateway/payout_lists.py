"""The movements that Stripe says an automatic bank payout is made of.

https://docs.stripe.com/payouts/reconciliation
"""

from __future__ import annotations

from typing import Any

from reconciler.domain.facts import BalanceTransaction
from reconciler.gateway import fields
from reconciler.gateway.client import PAGE, Gateway
from reconciler.gateway.movements import balance_transaction


async def movements_of(stripe: Gateway, payout: str, account: str) -> list[BalanceTransaction]:
    """All of them, the payout's own among them. Raises StripeUnavailable, Unreadable."""
    params: dict[str, Any] = {"limit": PAGE, "payout": payout, "expand": ["data.source"]}
    found: list[BalanceTransaction] = []
    while True:
        body = await stripe.get("/v1/balance_transactions", params, account)
        found += [balance_transaction(row, account) for row in fields.rows(body, "data")]
        cursor = fields.next_cursor(body)
        if not cursor:
            return found
        params["starting_after"] = cursor
