"""The three servers of the measurement of payouts, each in a process of its own.

`stripe` answers at once and keeps nothing; `service` is the product as `reconciler serve` runs it,
without jobs; `calls` only has the transfer made that a payout is, through the product's own
gateway, and so shows what that alone costs. Must not share anything with the process that
measures but a listening socket and a file.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bench.servers import HOST, Server, serve, spawned
from reconciler.app import build_app, build_context, keep_for_good, real_world
from reconciler.settings import Settings
from reconciler.store.database import Database

PATH = "/v1/payouts"
KEY = "rec_admin_key_for_the_benchmark"
MADE = "/made"


@contextmanager
def running(kind: str, file: Path, stripe: int = 0) -> Iterator[Server]:
    """One of the three; those that ask Stripe find it at this port."""
    with spawned("bench.payout_servers", kind, str(file), str(stripe)) as port:
        yield Server(kind, port, file)


def settings(file: Path, stripe: int) -> Settings:
    """As an operator would set them, but for the pace: Stripe's limits are not what is measured."""
    return Settings.model_validate(
        {
            "DATABASE_URL": f"sqlite:///{file}",
            "STRIPE_SECRET_KEY": "sk_test_benchmark000000000000",
            "STRIPE_WEBHOOK_SECRET": "whsec_benchmark",
            "STRIPE_API_BASE": f"http://{HOST}:{stripe}",
            "RECONCILER_ADMIN_KEY": KEY,
            "RECONCILER_STRIPE_RATE": 100_000,
            "RECONCILER_STRIPE_ENDPOINT_RATE": 100_000,
        }
    )


def service(file: Path, stripe: int) -> Starlette:
    """The product."""
    app = build_app(settings(file, stripe), jobs=False)
    keep_for_good()
    return app


def calls(file: Path, stripe: int) -> Starlette:
    """The one call to Stripe that no two payouts share: nothing is checked, and nothing kept."""
    numbers = itertools.count(1)
    known = settings(file, stripe)
    gateway = build_context(known, Database(known.database_url), real_world()).stripe
    assert gateway is not None

    async def paid(request: Request) -> Response:
        asked = msgspec.json.decode(await request.body())
        id = f"pyt_{next(numbers)}"
        parameters = {
            "amount": asked["amount"],
            "currency": asked["currency"],
            "destination": "acct_0",
            "transfer_group": id,
            "metadata": {"reconciler_payout": id},
        }
        outcome = await gateway.post("/v1/transfers", parameters, id)
        body = {"id": id, "status": "completed", "stripe_transfer_id": outcome.body["id"]}
        return Response(msgspec.json.encode(body), 201, media_type="application/json")

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await gateway.close()

    return Starlette(routes=[Route(PATH, paid, methods=["POST"])], lifespan=lifespan)


class InstantStripe:
    """Two routes, and one that says how many transfers were made."""

    def __init__(self, *_: Any) -> None:
        self.made = 0
        self.now = int(time.time())

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        answer = msgspec.json.encode(self._answer(scope, body))
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(answer)).encode()),
            (b"request-id", b"req_1"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    def _answer(self, scope: Any, body: bytes) -> dict[str, Any]:
        if scope["method"] == "POST":
            return self._transfer({k: v[0] for k, v in parse_qs(body.decode()).items()})
        return {"made": self.made} if scope["path"] == MADE else _balance()

    def _transfer(self, sent: dict[str, str]) -> dict[str, Any]:
        self.made += 1
        return {
            "id": f"tr_{self.made:08d}",
            "object": "transfer",
            "amount": int(sent["amount"]),
            "amount_reversed": 0,
            "currency": sent["currency"],
            "destination": sent["destination"],
            "created": self.now,
            "metadata": {"reconciler_payout": sent["metadata[reconciler_payout]"]},
            "transfer_group": sent["transfer_group"],
            "reversals": {"data": [], "has_more": False},
        }


def _balance() -> dict[str, Any]:
    money = {"amount": 10**12, "currency": "usd", "source_types": {"card": 10**12}}
    return {"object": "balance", "available": [money], "pending": [], "livemode": False}


KINDS: dict[str, Callable[[Path, int], Any]] = {
    "stripe": InstantStripe,
    "service": service,
    "calls": calls,
}


if __name__ == "__main__":
    serve(KINDS[sys.argv[2]](Path(sys.argv[3]), int(sys.argv[4])), int(sys.argv[1]))
