"""A simulator that stands by itself: time passes, webhooks go out, its state survives a restart.

The only place that reads the machine's clock and writes a file. It adds nothing to what a simulator
in a test does, only that somebody turns the handle.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

if TYPE_CHECKING:
    from reconciler.simulator.simulator import Simulator

_TURN = 0.1
_SAVE_EVERY = 1.0
# Of all the time, at most this part is spent on saving.
_SAVING_PART = 10
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class StateFile:
    """A file that always holds one whole state: the one before, or the one after."""

    def __init__(self, simulator: Simulator, path: Path) -> None:
        self._simulator = simulator
        self._path = path
        self._saved: tuple[int, ...] | None = None

    def load(self) -> bool:
        """Go on where the file ends; whether there was one."""
        if not self._path.exists():
            return False
        self._simulator.load(self._path.read_bytes())
        return True

    async def save(self) -> None:
        """Write what is now, unless nothing happened since the last time."""
        world = self._simulator.world
        seen = (world.journal.written, self._simulator.webhooks.pending())
        if seen == self._saved:
            return
        document = self._simulator.dump()
        await asyncio.to_thread(self._replace, document)
        self._saved = seen

    def _replace(self, document: bytes) -> None:
        beside = self._path.with_name(f"{self._path.name}.part")
        with beside.open("wb") as file:
            file.write(document)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._path)


def standing(
    simulator: Simulator, *, file: StateFile | None = None, hosts: tuple[str, ...] = LOOPBACK
) -> Starlette:
    """The simulator's app with everything that has to be done while it stands.

    Only requests for `hosts` are taken, so that a web page cannot reach it under a name of its own;
    none means any name.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        simulator.webhooks.stamp = lambda: max(simulator.clock.now(), int(time.time()))
        work = [asyncio.create_task(_turn(simulator)), asyncio.create_task(_deliver(simulator))]
        if file is not None:
            await file.save()
            work.append(asyncio.create_task(_save(file)))
        try:
            yield
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
            if file is not None:
                await file.save()

    app = _OnlyAs(simulator.app, hosts) if hosts else simulator.app
    return Starlette(routes=[Mount("/", app)], lifespan=lifespan)


class _OnlyAs:
    """Takes requests only under the names that are the simulator's own."""

    def __init__(self, app: ASGIApp, hosts: tuple[str, ...]) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        named = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
        if re.sub(r":\d+$", "", named).lower() in self._hosts:
            await self._app(scope, receive, send)
            return
        refusal = PlainTextResponse(f"This simulator does not answer as {named!r}.\n", 421)
        await refusal(scope, receive, send)


async def _turn(simulator: Simulator) -> None:
    """Let what is due happen, also while nobody asks."""
    while True:
        simulator.clock.catch_up()
        await asyncio.sleep(_TURN)


async def _deliver(simulator: Simulator) -> None:
    while True:
        with suppress(OSError):
            await simulator.courier.deliver()
        await asyncio.sleep(_TURN)


async def _save(file: StateFile) -> None:
    while True:
        started = time.monotonic()
        await file.save()
        took = time.monotonic() - started
        await asyncio.sleep(max(_SAVE_EVERY, took * _SAVING_PART))
