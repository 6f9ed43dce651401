"""Stripe with a keyhole: the simulator's door, behind which some sources cannot be expanded.

A restricted key may list balance transactions and not see what caused them; then Stripe gives the
source's id alone.
"""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Keyhole:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._hidden: set[str] = set()

    def hide(self, source: str) -> None:
        """From now on this object is named as a source, and not shown."""
        self._hidden.add(source)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._hidden or scope.get("path") != "/v1/balance_transactions":
            await self._app(scope, receive, send)
            return
        start: list[Message] = []
        body = bytearray()

        async def collect(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.append(message)
            else:
                body.extend(message.get("body", b""))

        await self._app(scope, receive, collect)
        shown = self._without(bytes(body))
        headers = [(k, v) for k, v in start[0]["headers"] if k.lower() != b"content-length"]
        length = (b"content-length", str(len(shown)).encode())
        await send({**start[0], "headers": [*headers, length]})
        await send({"type": "http.response.body", "body": shown})

    def _without(self, body: bytes) -> bytes:
        page: Any = msgspec.json.decode(body)
        for row in page.get("data", ()):
            source = row.get("source")
            if isinstance(source, dict) and source["id"] in self._hidden:
                row["source"] = source["id"]
        return msgspec.json.encode(page)
