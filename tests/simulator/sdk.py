"""The real Stripe SDK, talking to a simulator in the same process."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

import httpx
import stripe

from reconciler.simulator import Simulator

stripe.enable_telemetry = False

T = TypeVar("T")


class InProcess(stripe.HTTPClient):
    """Sends the SDK's requests straight into an ASGI app."""

    name = "httpx"

    def __init__(self, app: Any) -> None:
        super().__init__()
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(app=app))

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        try:
            answer = await self._client.request(
                method, url, headers=dict(headers), content=post_data or b""
            )
        except Exception as error:
            raise stripe.APIConnectionError(str(error), should_retry=True) from error
        return answer.content, answer.status_code, answer.headers


def client(sim: Simulator, key: str | None = None, **options: Any) -> stripe.StripeClient:
    return stripe.StripeClient(
        key or sim.secret_key,
        http_client=InProcess(sim.app),
        base_addresses={"api": "http://stripe.test"},
        max_network_retries=0,
        **options,
    )


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run one test's conversation to its end."""
    return asyncio.run(work)


def types(sim: Simulator, account: str | None = None) -> list[str]:
    """The types of all events of an account, oldest first."""
    book = sim.world.books[account or sim.account]
    return [event["type"] for event in book.shelf("event").values()]


def rows(sim: Simulator, account: str | None = None) -> list[dict[str, Any]]:
    """All balance transactions of an account, oldest first."""
    book = sim.world.books[account or sim.account]
    return list(book.shelf("balance_transaction").values())


async def inside(sim: Simulator, method: str, path: str, **options: Any) -> httpx.Response:
    """One bare HTTP request."""
    transport = httpx.ASGITransport(app=sim.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://stripe.test") as http:
        return await http.request(method, path, **options)
