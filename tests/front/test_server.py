"""The service as a process of its own: what it acknowledged survives its sudden death."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import httpx
import msgspec

from reconciler.intake.apply import apply_all
from reconciler.simulator import Simulator
from reconciler.simulator.outside.webhooks.delivery import signature
from tests.front.test_webhooks import encoded, event, events
from tests.harness import ADMIN_KEY, CONNECT_SECRET, SECRET, run, service

ENOUGH = 300
AT_ONCE = 20

# `reconciler serve` on a socket that is open already: whoever connects waits until it answers.
SERVE = """
import functools, sys, uvicorn
uvicorn.run = functools.partial(uvicorn.run, fd=int(sys.argv.pop()))
from reconciler.command_line import main as cli
cli.main()
"""


def serve(door: socket.socket, folder: Path) -> subprocess.Popen[bytes]:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "DATABASE_URL": f"sqlite:///{folder / 'books.db'}",
        "STRIPE_SECRET_KEY": Simulator.secret_key,
        "STRIPE_WEBHOOK_SECRET": SECRET,
        "STRIPE_CONNECT_WEBHOOK_SECRET": CONNECT_SECRET,
        "STRIPE_API_BASE": "http://127.0.0.1:9",
        "RECONCILER_ADMIN_KEY": ADMIN_KEY,
    }
    command = [sys.executable, "-c", SERVE, "serve", str(door.fileno())]
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        pass_fds=[door.fileno()],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def address(door: socket.socket) -> str:
    return f"http://127.0.0.1:{door.getsockname()[1]}"


def too_large(door: socket.socket) -> bytes:
    """The answer to a body that was announced and never sent."""
    with socket.create_connection(door.getsockname(), timeout=60) as caller:
        head = b"POST /webhooks/stripe HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n"
        caller.sendall(head)
        answer = b""
        while piece := caller.recv(65_536):  # until the service hangs up
            answer += piece
        return answer


def test_every_acknowledged_event_is_there_after_kill_9(tmp_path: Path) -> None:
    simulator = Simulator(seed=3, now=int(time.time()))
    for number in range(200):
        simulator.acts.pay(1_000 + number, "usd", metadata={"merchant_id": "bakery"})

    async def bombard(
        door: socket.socket, process: subprocess.Popen[bytes]
    ) -> tuple[set[str], int]:
        """Send until enough were acknowledged, and kill the service while more are under way."""
        acknowledged: set[str] = set()
        waiting = [encoded(one) for one in events(simulator)]
        total = len(waiting)
        async with httpx.AsyncClient(base_url=address(door), timeout=60) as http:
            first = await http.get("/readyz")
            assert first.json() == {"status": "ready"}
            door.close()  # the process has its own; after its death nobody may wait at ours

            async def sender() -> None:
                while waiting:
                    body = waiting.pop()
                    header = signature([SECRET], int(time.time()), body)
                    try:
                        answer = await http.post(
                            "/webhooks/stripe",
                            content=body,
                            headers={"Stripe-Signature": header},
                        )
                    except httpx.TransportError:
                        return
                    assert answer.json() == {"received": True, "duplicate": False}
                    acknowledged.add(msgspec.json.decode(body)["id"])
                    if len(acknowledged) == ENOUGH:
                        process.send_signal(signal.SIGKILL)

            await asyncio.gather(*(sender() for _ in range(AT_ONCE)))
        return acknowledged, total

    with socket.create_server(("127.0.0.1", 0), backlog=128) as door:
        process = serve(door, tmp_path)
        try:
            acknowledged, total = run(lambda: bombard(door, process))
        finally:
            process.kill()
            said = process.communicate()[1].decode()
    assert process.returncode == -signal.SIGKILL, said
    assert ENOUGH <= len(acknowledged) < total

    path = tmp_path / "books.db"
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as held:
        rows = held.execute("SELECT event_id FROM inbox").fetchall()
    held.close()
    assert acknowledged <= {id for (id,) in rows}
    for secret in (Simulator.secret_key, SECRET, CONNECT_SECRET, ADMIN_KEY):
        assert secret not in said

    async def go_on() -> None:
        async with service(f"sqlite:///{path}", simulator) as it:
            await apply_all(it.context)
            left = await it.query("SELECT event_id FROM inbox WHERE status <> 'applied'")
            assert left == []
            # What was not acknowledged, the next sweep finds.
            it.simulator.clock.advance(1)
            await it.sweep()
            assert sum((await it.balances()).values()) == 0
            paid = sum(1_000 + number for number in range(200))
            assert (await it.balances())["merchant:bakery", "usd"] == -paid

    run(go_on)


def test_a_served_event_is_answered_as_the_interface_says(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=16) as door:
        process = serve(door, tmp_path)
        try:
            with httpx.Client(base_url=address(door), timeout=60) as http:
                body = encoded(event())
                headers = {"Stripe-Signature": signature([SECRET], int(time.time()), body)}
                for duplicate in (False, True):
                    answer = http.post("/webhooks/stripe", content=body, headers=headers)
                    assert answer.json() == {"received": True, "duplicate": duplicate}
                assert too_large(door).startswith(b"HTTP/1.1 413 ")
                odd = http.post(
                    "/webhooks/stripe",
                    content=body,
                    headers=[(b"Stripe-Signature", b"t=1,v1=\xff")],
                )
                assert odd.status_code == 400
                key = {"Authorization": f"Bearer {ADMIN_KEY}"}
                (listed,) = http.get("/v1/events", headers=key).json()["data"]
                assert listed["id"] == "evt_1"
                assert http.get("/v1/events").status_code == 401
                assert http.get(
                    "/v1/events", headers={"Authorization": "x" * 8000}
                ).status_code in (
                    400,
                    401,
                    431,
                )
                assert "server" not in answer.headers
        finally:
            process.terminate()
            said = process.communicate(timeout=30)[1].decode()
    assert "Traceback" not in said, said
    for secret in (Simulator.secret_key, SECRET, CONNECT_SECRET, ADMIN_KEY):
        assert secret not in said
