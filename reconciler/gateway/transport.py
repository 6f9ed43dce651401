"""How requests reach Stripe: the SDK's transport over an httpx client that we are given.

The SDK's own httpx transport takes no client, so a test could not answer its calls, and times out
per read only: a dripping answer would hold a command for ever. Must not retry: for money, retries
belong to whoever stored the idempotency key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any, NoReturn

import httpx
import stripe

from reconciler.gateway.budget import IN_FLIGHT

CONNECT_SECONDS = 5.0
TOTAL_SECONDS = 30.0


class Transport(stripe.HTTPClient):
    """Sends what the SDK built through one `httpx.AsyncClient`."""

    name = "httpx"

    def __init__(self, client: httpx.AsyncClient, total_seconds: float = TOTAL_SECONDS) -> None:
        super().__init__()
        self._client = client
        self._total_seconds = total_seconds

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """The answer's body, status and headers. Raises `stripe.APIConnectionError`, after which
        it is not known whether the request had its effect."""
        try:
            async with asyncio.timeout(self._total_seconds):
                answer = await self._client.request(
                    method, url, headers=dict(headers), content=post_data
                )
        except (httpx.HTTPError, TimeoutError, OSError) as error:
            _unanswered(error)
        return answer.content, answer.status_code, answer.headers

    def sleep_async(self, secs: float) -> Awaitable[None]:
        return asyncio.sleep(secs)

    async def close_async(self) -> None:
        await self._client.aclose()


def _unanswered(error: BaseException) -> NoReturn:
    message = f"Stripe gave no answer ({type(error).__name__})"
    raise stripe.APIConnectionError(message, should_retry=False) from error  # type: ignore[no-untyped-call]


def client(app: Any = None) -> httpx.AsyncClient:
    """The httpx client for one event loop; `app` answers in place of the network (an ASGI app)."""
    limits = httpx.Limits(max_connections=IN_FLIGHT, max_keepalive_connections=IN_FLIGHT)
    timeout = httpx.Timeout(TOTAL_SECONDS, connect=CONNECT_SECONDS)
    if app is None:
        return httpx.AsyncClient(timeout=timeout, limits=limits)
    return httpx.AsyncClient(timeout=timeout, transport=httpx.ASGITransport(app=app))
