"""One commit for many brief transactions on SQLite, each of them whole or absent by itself.

Whoever comes while others are at work or being committed goes into the same commit or the next, so
a flush to the disk is paid for by all who wait for it. Members run one after another, each between
a savepoint and its release: one that fails is undone alone. Must not know what a member does.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from databases.core import Connection

from reconciler.store import connection as connections
from reconciler.store.connection import finished, settled
from reconciler.store.errors import DatabaseUnavailable
from reconciler.store.session import AtOnce

MOST_IN_ONE = 64
"""Whoever is first in a commit waits for the last of it, and other writers wait for all of them."""


def _future() -> asyncio.Future[Any]:
    return asyncio.get_running_loop().create_future()


@dataclass(slots=True, eq=False)
class _Member:
    """One transaction: told when it may run, tells when it has, told what became of it."""

    turn: asyncio.Future[AtOnce] = field(default_factory=_future)
    ended: asyncio.Future[None] = field(default_factory=_future)
    durable: asyncio.Future[None] = field(default_factory=_future)

    def committed(self) -> None:
        """What it wrote is durable; whoever was undone does not listen."""
        if not self.durable.cancelled():
            self.durable.set_result(None)

    def failed(self, error: BaseException) -> None:
        """Nothing of it is, because of this; whoever gave up or was undone does not listen."""
        stopped = DatabaseUnavailable("The service stopped before this was committed.")
        told = error if isinstance(error, Exception) else stopped
        if not self.turn.done():
            self.turn.set_exception(told)
        elif not self.turn.cancelled() and not self.durable.cancelled():
            self.durable.set_exception(told)


class SharedCommit:
    """For one event loop. `writing` gives the writer's connection to one at a time; `translated`
    says what went wrong in words that callers know."""

    def __init__(
        self,
        writing: Callable[[], AbstractAsyncContextManager[Connection]],
        translated: Callable[[Awaitable[None]], Awaitable[None]],
    ) -> None:
        self._writing = writing
        self._translated = translated
        self._waiting: deque[_Member] = deque()
        self._committing: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def member(self) -> AsyncIterator[AtOnce]:
        """The writer's connection, for this block alone. What the block wrote is durable after it,
        and undone if it raises. A cancellation while it is committed is raised afterwards."""
        member = _Member()
        self._waiting.append(member)
        if self._committing is None or self._committing.done():
            self._committing = asyncio.create_task(self._commit())
        try:
            raw = await member.turn
            await raw.execute("SAVEPOINT member")
            try:
                yield raw
                await raw.execute("RELEASE member")
            except BaseException:
                await _undo(raw)
                raise
        except BaseException:
            member.durable.cancel()
            raise
        finally:
            member.ended.set_result(None)
        await finished(member.durable)

    async def _commit(self) -> None:
        """Commit after commit, for as long as anybody waits."""
        while self._waiting:
            try:
                async with self._writing() as connection:
                    await self._one(connection)
            except BaseException as error:
                for member in self._waiting:  # who could not begin has written nothing
                    member.failed(error)
                self._waiting.clear()
                if not isinstance(error, Exception):
                    raise

    async def _one(self, connection: Connection) -> None:
        """Those who wait run one after another, and are committed together."""
        raw = connection.raw_connection
        members: list[_Member] = []
        try:
            await self._translated(settled(connections.begin("sqlite", raw)))
            await self._run(AtOnce(raw), members)
            await self._translated(settled(connections.commit("sqlite", raw)))
        except BaseException as error:
            try:
                await settled(connections.rollback("sqlite", raw))
            finally:  # also where the undoing was cancelled: they wait for nothing else
                for member in members:
                    member.failed(error)
            if not members or not isinstance(error, Exception):
                raise
        else:
            for member in members:
                member.committed()

    async def _run(self, raw: AtOnce, members: list[_Member]) -> None:
        """Each who waits has had its turn, or as many as one commit takes."""
        while self._waiting and len(members) < MOST_IN_ONE:
            member = self._waiting.popleft()
            if member.turn.cancelled():  # it gave up before its turn
                continue
            members.append(member)
            member.turn.set_result(raw)
            await finished(member.ended)
            if not raw.connection.in_transaction:
                raise DatabaseUnavailable("SQLite has undone all that shared one commit.")


async def _undo(raw: AtOnce) -> None:
    """What stands since the savepoint is undone; where that is not possible, everything is."""
    try:
        await raw.execute("ROLLBACK TO member")
        await raw.execute("RELEASE member")
    except sqlite3.Error:
        await raw.rollback()
