"""Answers as HTTP: headers as Stripe sends them, and two ways of arriving badly."""

import asyncio

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from reconciler.simulator.wire.answers import ALWAYS, Answer
from reconciler.simulator.wire.asked import Asked
from reconciler.simulator.wire.line import ConnectionLost

_DRIP_PIECES = 10


def response(asked: Asked, answer: Answer) -> Response:
    headers = {**ALWAYS, "Request-Id": asked.request_id, "Stripe-Version": asked.version}
    if asked.key:
        headers["Idempotency-Key"] = asked.key
    if asked.account and asked.book:
        headers["Stripe-Account"] = asked.account
    if answer.original:
        headers["Original-Request"] = answer.original
        if answer.status < 500:
            headers["Stripe-Should-Retry"] = "false"
    if answer.replayed:
        headers["Idempotent-Replayed"] = "true"
    if answer.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="Stripe"'
    if answer.filename:
        headers["Content-Disposition"] = f'attachment; filename="{answer.filename}"'
    headers.update(asked.headers)
    if not asked.drip:
        return Response(answer.body, answer.status, headers, answer.media_type)
    drip = Drip(answer.body, answer.status, headers, answer.media_type)
    drip.seconds = asked.drip
    return drip


class Cut(Response):
    """An answer that starts and is cut off: a server then closes the connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"1000"), (b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"{", "more_body": True})
        raise ConnectionLost("connection reset")


class Drip(Response):
    """An answer that arrives piece by piece."""

    seconds: float = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = {"type": "http.response.start", "status": self.status_code}
        await send({**start, "headers": self.raw_headers})
        body = bytes(self.body)
        step = -(-len(body) // _DRIP_PIECES) or 1
        for at in range(0, len(body), step):
            await asyncio.sleep(self.seconds / _DRIP_PIECES)
            piece = body[at : at + step]
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
