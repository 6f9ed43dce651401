"""Carries what is due to where it is to go, over real HTTP, one round at a time.

The queue and its rules belong to the deliveries; here is only the network.
"""

from __future__ import annotations

import asyncio

import httpx

from reconciler.simulator.outside.webhooks.delivery import Send, Webhooks

_AT_ONCE = 10
_PATIENCE = 20.0


class Courier:
    def __init__(self, webhooks: Webhooks, send: Send | None = None) -> None:
        self._webhooks = webhooks
        self._send = send
        self._turn = asyncio.Lock()

    async def deliver(self) -> dict[str, int]:
        """One round: everything due, also what becomes due meanwhile."""
        async with self._turn:
            if self._send is not None:
                return await self._webhooks.deliver(self._send)
            async with _Network() as send:
                return await self._webhooks.deliver(send, _AT_ONCE)


class _Network:
    """A sender that opens the network only when there is something to send."""

    def __init__(self) -> None:
        self._client: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Send:
        return self._over

    async def __aexit__(self, *_: object) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def _over(self, url: str, headers: dict[str, str], body: bytes) -> int:
        if self._client is None:
            self._client = httpx.AsyncClient(timeout=_PATIENCE)
        return (await self._client.post(url, headers=headers, content=body)).status_code
