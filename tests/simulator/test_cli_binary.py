"""The official Stripe CLI itself triggers every event of the simulated part, over real HTTP.

Its binary comes inside the npm package `@stripe/cli` (`make stripe-cli`). It has a home of its own,
sends no telemetry, and reaches nothing but the simulator: its look for newer versions goes to a
proxy that is not there.
"""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from reconciler.simulator import Simulator
from tests.simulator.cli_fixtures import SEQUENCES
from tests.simulator.sdk import types

ROOT = Path(__file__).parent.parent.parent
DAY = 86_400
NOWHERE = "http://127.0.0.1:9"


class Stage:
    """One server for all tests, and a simulator of its own for each."""

    def __init__(self) -> None:
        self.simulator: Simulator | None = None
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(self._app, interface="asgi3", log_level="error", lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True
        )

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        assert self.simulator is not None
        await self.simulator.app(scope, receive, send)

    def open(self) -> None:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join()


@pytest.fixture(scope="module")
def binary() -> Path:
    named = os.environ.get("STRIPE_CLI")
    installed = sorted(ROOT.glob(".stripe-cli/node_modules/@stripe/cli-*/bin/stripe"))
    found = [Path(named)] if named else installed
    if not found:
        pytest.skip("the Stripe CLI is not installed: make stripe-cli")
    return found[0]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    stage = Stage()
    stage.open()
    yield stage
    stage.close()


@pytest.mark.parametrize("event", SEQUENCES)
def test_trigger(event: str, binary: Path, stage: Stage, tmp_path: Path) -> None:
    sim = stage.simulator = Simulator()
    sim.acts.topup(500_000, "usd")
    environment = {
        "DO_NOT_TRACK": "1",
        "HOME": str(tmp_path),
        "HTTPS_PROXY": NOWHERE,
        "STRIPE_CLI_TELEMETRY_OPTOUT": "1",
    }

    done = subprocess.run(
        [binary, "trigger", event, "--api-base", stage.address, "--api-key", sim.secret_key],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    sim.clock.advance(15 * DAY)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Trigger succeeded!" in done.stdout
    assert event in {type_ for account in sim.world.books for type_ in types(sim, account)}
    assert sim.audit() == []
