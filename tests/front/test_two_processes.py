"""Two services as processes of their own, on one PostgreSQL and one Stripe: together they spend
what there is, once, whichever of them is asked, and a request that both get has one effect."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from reconciler.simulator import Simulator
from tests.engines import PgServer
from tests.front.asking import funded, sound, transfers
from tests.front.story import is_final
from tests.front.test_server import SERVE, address
from tests.harness import ADMIN_KEY, CONNECT_SECRET, SECRET, run, service

AT_ONCE = 64
AMOUNT = 1_000
LOOKS = 100
OVER = ("insufficient_merchant_balance", "insufficient_platform_available")


@contextmanager
def served(simulator: Simulator) -> Iterator[str]:
    """The address of a simulated Stripe, in a thread of this process."""
    with socket.create_server(("127.0.0.1", 0), backlog=256) as door:
        server = uvicorn.Server(uvicorn.Config(simulator.app, log_level="warning", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [door]})
        thread.start()
        try:
            yield address(door)
        finally:
            server.should_exit = True
            thread.join(30)


@contextmanager
def process(database_url: str, stripe: str, folder: Path) -> Iterator[str]:
    """The address of a service in a process of its own."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "DATABASE_URL": database_url,
        "STRIPE_SECRET_KEY": Simulator.secret_key,
        "STRIPE_WEBHOOK_SECRET": SECRET,
        "STRIPE_CONNECT_WEBHOOK_SECRET": CONNECT_SECRET,
        "STRIPE_API_BASE": stripe,
        "RECONCILER_ADMIN_KEY": ADMIN_KEY,
        "RECONCILER_INSTANCES": "2",
        "RECONCILER_STRIPE_RATE": "1000",
        "RECONCILER_STRIPE_ENDPOINT_RATE": "1000",
        "RECONCILER_LOG_LEVEL": "error",
    }
    with socket.create_server(("127.0.0.1", 0), backlog=256) as door:
        started = subprocess.Popen(
            [sys.executable, "-c", SERVE, "serve", str(door.fileno())],
            cwd=folder,
            env=environment,
            pass_fds=[door.fileno()],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        try:
            yield address(door)
        finally:
            started.terminate()
            said = started.communicate(timeout=60)[1].decode()
    assert "deadlock" not in said.lower(), said


@asynccontextmanager
async def callers(addresses: list[str]) -> AsyncIterator[list[httpx.AsyncClient]]:
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    clients = [httpx.AsyncClient(base_url=a, headers=headers, timeout=120) for a in addresses]
    try:
        for client in clients:
            assert (await client.get("/readyz")).status_code == 200
        yield clients
    finally:
        for client in clients:
            await client.aclose()


async def answer(http: httpx.AsyncClient, merchant: str, key: str) -> httpx.Response:
    """What a caller gets in the end who sends the same again for as long as there is no answer."""
    body = {"merchant": merchant, "amount": AMOUNT, "currency": "usd"}
    for _ in range(LOOKS):
        given = await http.post("/v1/payouts", json=body, headers={"Idempotency-Key": key})
        assert given.status_code < 500, given.text
        if is_final(given):
            return given
        await asyncio.sleep(0)
    raise AssertionError(f"no answer to {key}: {given.text}")


async def all_at_once(clients: list[httpx.AsyncClient], mark: str) -> Counter[str]:
    """Each of 64 payouts is asked of every process at the same moment: how they ended."""
    merchants = ("bakery", "florist")
    asked = [
        answer(client, merchants[number % 2], f"{mark}-{number}")
        for number in range(AT_ONCE)
        for client in clients
    ]
    given = await asyncio.gather(*asked)
    endings: Counter[str] = Counter()
    for one, other in zip(given[::2], given[1::2], strict=True):
        assert (one.status_code, one.content) == (other.status_code, other.content)
        shown: dict[str, Any] = one.json()
        endings[shown.get("code") or shown["status"]] += 1
    return endings


def test_64_payouts_asked_of_two_processes_spend_what_there_is_once(
    pg_server: PgServer, tmp_path: Path
) -> None:
    url, simulator = pg_server.migrated(), Simulator(seed=3, now=int(time.time()))

    async def prepare() -> None:
        async with service(url, simulator) as it:
            await funded(it, 12_500, "bakery")
            await funded(it, 60_000, "florist")
            # Florist is owed more than the platform has left.
            simulator.acts.pay_out_bank("usd", 40_000)

    async def spend(addresses: list[str], had: int) -> None:
        async with callers(addresses) as clients:
            endings = await all_at_once(clients, "first")
            assert sum(endings.values()) == AT_ONCE
            assert set(endings) <= {"completed", *OVER}, endings
            assert 0 < endings["completed"] <= had // AMOUNT
            # The same again, to both at once, is answered and does nothing.
            assert await all_at_once(clients, "first") == endings
            # What was held back while it was not certain can be had now, to the last payout.
            more = 0
            while (await answer(clients[more % 2], "florist", f"more-{more}")).status_code == 201:
                more += 1
            assert endings["completed"] + more == had // AMOUNT

    run(prepare)
    had = simulator.world.home.totals["usd"]["available"]
    with ExitStack() as stack:
        stripe = stack.enter_context(served(simulator))
        both = [stack.enter_context(process(url, stripe, tmp_path)) for _ in range(2)]
        run(lambda: spend(both, had))

    async def look() -> None:
        async with service(url, simulator, first_id=100_000) as it:
            made = transfers(it)
            assert sum(t["amount"] for t in made) <= had
            assert len({t["metadata"]["reconciler_payout"] for t in made}) == len(made)
            rows = await it.query(
                "SELECT merchant, SUM(amount) AS paid FROM payouts"
                " WHERE status = 'completed' GROUP BY merchant"
            )
            assert sum(int(row["paid"]) for row in rows) == sum(t["amount"] for t in made)
            await it.listen()
            await sound(it)

    run(look)
