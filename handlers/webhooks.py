"""The two webhook routes, as raw ASGI: the hot path pays for nothing it does not need.

200 means durable. 400: the signature is no good; 408: the body came too slowly; 413: it is too
large; 503: the database cannot keep it now, send it again. Nothing a sender does reaches it as 500.
"""

from __future__ import annotations

import asyncio

import msgspec
import structlog
from starlette.types import Receive, Scope, Send

from handlers.state import Endpoint, State
from reconciler.gateway.signature import Verdict, verify
from reconciler.intake.envelopes import open_envelope
from reconciler.store.database import DatabaseUnavailable

log = structlog.get_logger()

LARGEST_BODY_BYTES = 1024 * 1024
BODY_SECONDS = 10.0

_ACCEPTED = b'{"received":true,"duplicate":false}'
_DUPLICATE = b'{"received":true,"duplicate":true}'


class TooLarge(Exception):
    """The body is larger than any event."""


class WebhookRoute:
    """The ASGI app of one webhook route."""

    def __init__(self, state: State, channel: str) -> None:
        self._state = state
        self._channel = channel

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._state.endpoints.get(self._channel)
        if endpoint is None or not endpoint.secrets:
            text = "this webhook endpoint has no signing secret; set it and restart"
            await _refuse(send, 503, "not_configured", text)
            return
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await _body(scope, receive)
        except TooLarge:
            await _refuse(send, 413, "too_large", "the body is larger than 1 MiB")
            return
        except TimeoutError:
            await _refuse(send, 408, "too_slow", "the body did not arrive within ten seconds")
            return
        if body is None:
            return  # the sender hung up: nobody is listening
        await _take(endpoint, body, _signature(scope), send)


async def _take(endpoint: Endpoint, body: bytes, signature: str, send: Send) -> None:
    now = endpoint.now()
    verdict = verify(body, signature, endpoint.secrets, now)
    if verdict is not Verdict.GENUINE:
        log.warning("webhook.refused", channel=endpoint.channel, reason=verdict.value)
        await _refuse(send, 400, "bad_signature", verdict.value)
        return
    try:
        duplicate = await endpoint.intake.accept(open_envelope(body, endpoint.channel, now))
    except DatabaseUnavailable as error:
        log.error("webhook.not_kept", channel=endpoint.channel, error=str(error))
        await _refuse(
            send, 503, "storage_unavailable", "the event could not be kept; send it again"
        )
        return
    await _answer(send, 200, b"application/json", _DUPLICATE if duplicate else _ACCEPTED)


def _signature(scope: Scope) -> str:
    """The header as text; every byte of it survives, so that `verify` can refuse what is odd."""
    for name, value in scope["headers"]:
        if name == b"stripe-signature":
            return bytes(value).decode("latin-1")
    return ""


async def _body(scope: Scope, receive: Receive) -> bytes | None:
    """The raw body; None if the sender hung up. Raises TooLarge before reading more than fits."""
    for name, value in scope["headers"]:
        if name == b"content-length" and _exceeds(value):
            raise TooLarge
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > LARGEST_BODY_BYTES:
            raise TooLarge
        chunks.append(chunk)
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _exceeds(length: bytes) -> bool:
    """Whether a stated length is beyond the cap; one that is no number is left to the counting."""
    digits = length.strip().lstrip(b"0")
    if not digits.isdigit():
        return False
    return len(digits) > 9 or int(digits) > LARGEST_BODY_BYTES


async def _refuse(send: Send, status: int, code: str, detail: str) -> None:
    problem = {"type": "about:blank", "title": code.replace("_", " "), "status": status}
    body = msgspec.json.encode({**problem, "code": code, "detail": detail})
    await _answer(send, status, b"application/problem+json", body)


async def _answer(send: Send, status: int, content_type: bytes, body: bytes) -> None:
    headers = [
        (b"content-type", content_type),
        (b"content-length", str(len(body)).encode()),
    ]
    if status == 413 or status == 408:
        headers.append((b"connection", b"close"))  # what is left of the body is not read
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
