"""What tests of the legs of payouts share: a payout that went out, and how it is looked at."""

from __future__ import annotations

from typing import Any

import httpx

from reconciler.reconciling.compare_transfers import compare_transfers
from reconciler.reconciling.compose import compose_payouts
from reconciler.reconciling.read_legs import Done, read_legs
from tests.front.asking import funded, payout
from tests.harness import Service

DAY = 86_400

Json = dict[str, Any]


async def sent(it: Service, amount: int = 12_000, merchant: str = "bakery") -> tuple[str, Json]:
    """A merchant's connected account, and a payout of ours to it that Stripe has executed."""
    account = await funded(it, merchant=merchant)
    done = await payout(it, amount, merchant)
    assert done["status"] == "completed"
    await it.listen()
    return account, done


async def read(it: Service) -> Done:
    """Stripe's transfers are listed, and the legs whose turn it is are read."""
    assert it.context.stripe is not None
    await compare_transfers(it.context, it.context.stripe)
    return await read_legs(it.context, it.context.stripe)


async def compose(it: Service) -> None:
    assert it.context.stripe is not None
    await compose_payouts(it.context, it.context.stripe)


async def legs_of(it: Service, id: str) -> dict[str, Json]:
    """The legs of a payout as the API shows them, by their names."""
    shown = (await it.get(f"/v1/payouts/{id}")).json()["legs"]
    return {leg["leg"]: leg for leg in shown}


async def findings(it: Service, cause: str = "") -> list[Json]:
    """What the next run finds, of one cause or of all."""
    found = (await it.check())["found"]
    return [f for f in found if not cause or f["cause"] == cause]


def arrived(it: Service, account: str) -> Json:
    """The newest payment on a connected account, as Stripe has it: to be tampered with."""
    rows = list(it.simulator.world.books[account].shelf("charge").values())
    return rows[-1]  # type: ignore[no-any-return]


async def heard_of_the_arrival(it: Service, account: str) -> None:
    """An event of the connected account brings the payment that a transfer became."""
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=it.simulator.app), base_url="http://stripe.test"
    ) as client:
        headers = {
            "Authorization": f"Bearer {it.simulator.secret_key}",
            "Stripe-Account": account,
        }
        path = f"/v1/charges/{arrived(it, account)['id']}"
        answer = await client.post(path, data={"description": "rent"}, headers=headers)
        assert answer.status_code == 200, answer.text
    await it.listen()
