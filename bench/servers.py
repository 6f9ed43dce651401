"""The three servers that webhooks are posted to, each in a process of its own.

`service` is the product as `reconciler serve` runs it, without jobs; `naive` is what Stripe's and
the frameworks' first pages lead to; `unstored` is the product's own route that keeps nothing.
Must not share anything with the process that measures but a listening socket and a file.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import databases
import stripe
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from handlers.state import State
from handlers.webhooks import Endpoint, WebhookRoute
from reconciler.app import build_app, configure_logging, keep_for_good, real_world
from reconciler.intake.ingest import Intake
from reconciler.settings import Settings
from reconciler.store.connection import DurableConnection
from reconciler.store.inbox import Delivery

HOST = "127.0.0.1"
PATH = "/webhooks/stripe"
SECRET = "whsec_bench_0123456789"
NAIVE_TIMEOUT_SECONDS = 60.0
STOP_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Server:
    """One of the three, as it listens; `file` is its database."""

    kind: str
    port: int
    file: Path


@contextmanager
def running(kind: str, file: Path) -> Iterator[Server]:
    """One of the three, in a process of its own."""
    with spawned("bench.servers", kind, str(file)) as port:
        yield Server(kind, port, file)


@contextmanager
def spawned(module: str, *arguments: str) -> Iterator[int]:
    """The port on which a module serves, in a process of its own, until the block ends: given the
    number of a socket that listens, and these. Connections wait until it is ready to take them."""
    with socket.create_server((HOST, 0), backlog=256) as listening:
        number = listening.fileno()
        command = [sys.executable, "-m", module, str(number), *arguments]
        process = subprocess.Popen(command, pass_fds=[number], cwd=Path(__file__).parents[1])
        port = cast("int", listening.getsockname()[1])
    try:
        yield port
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def service(file: Path) -> Starlette:
    """The product, its schema brought up to date as it starts."""
    settings = Settings.model_validate(
        {"DATABASE_URL": f"sqlite:///{file}", "STRIPE_WEBHOOK_SECRET": SECRET}
    )
    app = build_app(settings, jobs=False)
    keep_for_good()
    return app


class _KeepsNothing:
    async def accept(self, _: Delivery) -> bool:
        return False


def unstored(_: Path) -> Starlette:
    """The product's route, verifying and reading the envelope of each event, and no more."""
    state = State(f"http://{HOST}")
    intake = cast("Intake", _KeepsNothing())
    state.endpoints["platform"] = Endpoint("platform", (SECRET,), intake, real_world().now)
    return Starlette(routes=[Route(PATH, WebhookRoute(state, "platform"), methods=["POST"])])


def naive(file: Path) -> Starlette:
    """`construct_event`, then one statement through `databases`, which is one commit; as durable
    as ours (WAL, synchronous FULL), and patient enough to fail no request."""
    database = databases.Database(
        f"sqlite:///{file}", factory=DurableConnection, timeout=NAIVE_TIMEOUT_SECONDS
    )

    async def webhook(request: Request) -> JSONResponse:
        body = await request.body()
        header = request.headers.get("stripe-signature", "")
        try:
            event = stripe.Webhook.construct_event(body, header, SECRET)
        except (ValueError, stripe.SignatureVerificationError):
            return JSONResponse({"error": "bad signature"}, status_code=400)
        await database.execute(
            "INSERT INTO inbox (event_id, type, created, body)"
            " VALUES (:event_id, :type, :created, :body) ON CONFLICT (event_id) DO NOTHING",
            {"event_id": event.id, "type": event.type, "created": event.created, "body": body},
        )
        return JSONResponse({"received": True})

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with database:
            await database.execute(
                "CREATE TABLE inbox (event_id TEXT PRIMARY KEY, type TEXT NOT NULL,"
                " created BIGINT NOT NULL, body BLOB NOT NULL)"
            )
            yield

    return Starlette(routes=[Route(PATH, webhook, methods=["POST"])], lifespan=lifespan)


KINDS = {"naive": naive, "unstored": unstored, "service": service}


def serve(app: Any, number: int) -> None:
    """Serve until told to stop, on a socket that listens already."""
    configure_logging("warning")
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_keep_alive=60,
        timeout_graceful_shutdown=5,
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=number)])


if __name__ == "__main__":
    serve(KINDS[sys.argv[2]](Path(sys.argv[3])), int(sys.argv[1]))
