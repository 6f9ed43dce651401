"""Reading the API as its callers do: a month to look at, and listings page by page."""

from __future__ import annotations

import re
from typing import Any

from tests.harness import Service

RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


async def month(it: Service) -> dict[str, Any]:
    """A little of everything, applied: the objects a test wants to look up."""
    acts = it.simulator.acts
    account = await it.merchant("bakery")
    shop = {"merchant_id": "bakery", "platform_fee": "300"}
    kept: dict[str, Any] = {"account": account}
    for number in range(5):
        kept["paid"] = acts.pay(10_000 + number, "usd", card="pm_card_bypassPending", metadata=shop)
        it.simulator.clock.advance(60)
    kept["refund"] = acts.refund(payment_intent=kept["paid"]["id"], amount=1_000)
    kept["dispute"] = acts.dispute(kept["paid"]["latest_charge"], amount=2_000)
    kept["payout"] = acts.pay_out_bank("usd", 700)
    kept["euro"] = acts.pay(5_000, "eur", metadata={"merchant_id": "bakery"})
    await it.listen()
    return kept


async def pages(it: Service, path: str, limit: int, **params: Any) -> list[dict[str, Any]]:
    """Every row of a listing, a few at a time."""
    rows: list[dict[str, Any]] = []
    while True:
        after = {"starting_after": rows[-1]["id"]} if rows else {}
        answer = await it.get(path, limit=limit, **after, **params)
        assert answer.status_code == 200, answer.text
        assert set(answer.json()) == {"data", "has_more"}
        assert len(answer.json()["data"]) <= limit
        rows += answer.json()["data"]
        if not answer.json()["has_more"]:
            return rows


LISTINGS = (
    "/v1/payments",
    "/v1/refunds",
    "/v1/disputes",
    "/v1/bank-payouts",
    "/v1/balance-transactions",
    "/v1/events",
    "/v1/drift/runs",
    "/v1/drift/findings",
)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}
