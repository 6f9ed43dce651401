"""Processes that end at any moment: between two statements, before or after Stripe has acted.

All that a process does to the world goes through its database driver and its line to Stripe. Once
it has ended, nothing goes through any more, so what its code still does to clean up changes
nothing, as when the machine is gone. SQLite runs in the loop's own thread here: each story takes
the same course every time, and is quick. PostgreSQL's driver is left as it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import aiosqlite
import asyncpg

from handlers import idempotency
from reconciler.gateway.transport import Transport
from reconciler.store.session import AtOnce

Work = Callable[..., Awaitable[Any]]
SQLITE = aiosqlite.Connection
STATEMENTS = ("execute", "execute_fetchall", "executemany", "fetch", "fetchval")


class Died(BaseException):
    """The process ended here."""


class Life:
    """One process. After `left` more steps to the outside it ends: with the last one done, or not.

    `last` closes what the operating system would have closed.
    """

    now: Life

    def __init__(self, last: Callable[[], None] = lambda: None) -> None:
        self.left = 0
        self.done = False
        self.over = False
        self.end = asyncio.Event()
        self._last = last
        Life.now = self

    def ends_after(self, steps: int, *, done: bool) -> None:
        self.left, self.done = steps, done

    async def step(self, work: Work, *args: Any, **options: Any) -> Any:
        """What `work` gives, if the process lives to see it."""
        if self.over:
            raise Died
        if self.left == 0:
            return await work(*args, **options)
        self.left -= 1
        if self.left:
            return await work(*args, **options)
        try:
            if self.done:
                await work(*args, **options)
        finally:
            self.over = True
            self.end.set()
            self._last()
        raise Died


def _stepping(work: Work) -> Work:
    async def through(*args: Any, **options: Any) -> Any:
        return await Life.now.step(work, *args, **options)

    return through


async def _on_sqlite(connection: Any, work: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """What is undone is undone by the end of a process, too: that needs no life."""
    if work.__name__ == "rollback":
        return await _at_once(connection, work, *args, **options)
    return await Life.now.step(_at_once, connection, work, *args, **options)


async def _at_once(connection: Any, work: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """A statement on SQLite, and then everybody else's turn."""
    if not connection._running or connection._connection is None:
        raise ValueError("Connection closed")
    try:
        return work(*args, **options)
    finally:
        await asyncio.sleep(0)


async def _connected(connection: Any) -> Any:
    connection._connection = connection._connector()
    return connection


def _closed_at_once(connection: Any) -> None:
    connection._running = False
    if connection._connection is not None:
        connection._connection.close()
    connection._connection = None


async def _closed(connection: Any) -> None:
    _closed_at_once(connection)


@contextmanager
def mortal() -> Iterator[None]:
    """Processes end where their `Life` says."""
    patches: list[tuple[Any, str, Any]] = [
        (SQLITE, "_execute", _on_sqlite),
        (SQLITE, "__await__", lambda self: _connected(self).__await__()),
        (SQLITE, "close", _closed),
        (SQLITE, "stop", _closed_at_once),
        (Transport, "request_async", _stepping(Transport.request_async)),
    ]
    # A request that a dead process was at is repeated in vain; nobody waits for that here.
    patches += [(idempotency, "LOOKS", 2), (idempotency, "LOOK_SECONDS", 0.01)]
    for line in (asyncpg.Connection, AtOnce):
        there = [name for name in STATEMENTS if hasattr(line, name)]
        patches += [(line, name, _stepping(getattr(line, name))) for name in there]
    with ExitStack() as stack:
        for owner, name, value in patches:
            stack.enter_context(mock.patch.object(owner, name, value))
        yield
