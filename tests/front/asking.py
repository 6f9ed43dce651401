"""Commands as their callers send them: a body, a key of one's own for each request, an answer."""

from __future__ import annotations

import itertools
from typing import Any

import httpx

from tests.harness import ADMIN_KEY, Service

_numbers = itertools.count(1)


async def ask(
    it: Service, path: str, body: Any = None, *, key: str = ADMIN_KEY, once: str = ""
) -> httpx.Response:
    """POST a command; `once` is the Idempotency-Key, a fresh one where it is not given."""
    headers = {
        "Authorization": f"Bearer {key}",
        "Idempotency-Key": once or f"request-{next(_numbers)}",
    }
    content = body if isinstance(body, bytes) else None
    json = None if isinstance(body, bytes) else body
    return await it.http.post(path, headers=headers, json=json, content=content)


async def funded(it: Service, amount: int = 50_000, merchant: str = "bakery") -> str:
    """A merchant who is owed money that is available at Stripe; its connected account."""
    account = await it.merchant(merchant)
    await paid(it, amount, merchant)
    return account


async def paid(it: Service, amount: int, merchant: str = "bakery", **more: Any) -> dict[str, Any]:
    """A payment for a merchant, available at once unless told otherwise; heard of."""
    options = {"card": "pm_card_bypassPending", "metadata": {"merchant_id": merchant}, **more}
    intent = it.simulator.acts.pay(amount, "usd", **options)
    await it.listen()
    return dict(intent)


async def payout(it: Service, amount: int, merchant: str = "bakery") -> dict[str, Any]:
    """A payout that was begun."""
    asked = {"merchant": merchant, "amount": amount, "currency": "usd"}
    answer = await ask(it, "/v1/payouts", asked)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def owed(it: Service, merchant: str = "bakery") -> dict[str, int]:
    """The merchant's balance in usd, as the API shows it."""
    shown = (await it.get(f"/v1/merchants/{merchant}/balance")).json()["balances"]
    found = next(b for b in shown if b["currency"] == "usd")
    return {name: value for name, value in found.items() if name != "currency"}


def transfers(it: Service) -> list[dict[str, Any]]:
    """Every transfer that there is at Stripe."""
    return list(it.simulator.world.home.shelf("transfer").values())


def refunds(it: Service) -> list[dict[str, Any]]:
    return list(it.simulator.world.home.shelf("refund").values())


async def sound(it: Service) -> None:
    """Nothing is broken, here or at Stripe, and no balance was overspent."""
    from reconciler.reconciling.self_check import self_check

    assert it.simulator.audit() == []
    assert await self_check(it.context) == []
    held = await it.query("SELECT currency, SUM(amount) AS amount FROM entries GROUP BY currency")
    assert not any(row["amount"] for row in held)
