"""The database: who may read, who may write, and what is durable when a call returns.

All SQL of the service goes through a `Session`. On SQLite one held connection writes, one
transaction at a time, and a few held connections read; on PostgreSQL each session takes a
connection from the pool. Statements are written once for both (see `dialect`). Nothing here knows
a table of ours.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self, TypeVar

from databases.core import Connection

from reconciler.store import connection as connections
from reconciler.store.connection import closed, opened, settled
from reconciler.store.dialect import (
    Batch,
    ColumnType,
    Dialect,
    arrays,
    chunks,
    flat,
    postgresql_insert,
    sqlite_insert,
)
from reconciler.store.errors import (
    DatabaseUnavailable,
    SessionMisuse,
    UnportableSQL,
    WeakDurability,
    translated,
)
from reconciler.store.session import AtOnce, Row, Session, opened_session, refuse_nesting
from reconciler.store.shared_commit import SharedCommit

__all__ = [
    "Batch",
    "ColumnType",
    "Database",
    "DatabaseUnavailable",
    "Dialect",
    "Row",
    "Session",
    "SessionMisuse",
    "UnportableSQL",
    "WeakDurability",
]

T = TypeVar("T")

_POSTGRESQL_WRITERS = 4

# Advisory lock keys; any two numbers nobody else uses in this database.
_BOOKS_LOCK = 7_236_001
_SCHEMA_LOCK = 7_236_002


class Database:
    """One database by its URL, open between `open` and `close`; also an async context manager."""

    def __init__(self, url: str, *, readers: int = 4, busy_timeout_seconds: float = 5.0) -> None:
        connections.silence_values()
        self._target = connections.target(
            url,
            connections=readers + _POSTGRESQL_WRITERS,
            busy_timeout_seconds=busy_timeout_seconds,
        )
        self.dialect: Dialect = self._target.dialect
        self._reader_count = readers
        self._writer: Connection | None = None
        self._readers: list[Connection] = []
        self._idle_readers: asyncio.Queue[Connection] = asyncio.Queue()
        # On SQLite whoever writes, on PostgreSQL whoever posts to the books, from this process.
        self._turn = asyncio.Lock()
        self._shared = SharedCommit(self._writing, self._translated)

    async def open(self) -> None:
        """Connected, and every commit is durable; raises WeakDurability or DatabaseUnavailable."""
        try:
            await self._translated(self._target.pool.connect())
            if self.dialect == "sqlite":
                await self._open_sqlite()
            else:
                async with self._pooled() as connection:
                    raw = connection.raw_connection
                    await self._translated(connections.check_durability(self.dialect, raw))
        except BaseException:
            await settled(self.close())
            raise

    async def _open_sqlite(self) -> None:
        await self._translated(asyncio.to_thread(connections.probe, self._target))
        self._writer = await opened(self._target)
        raw = self._writer.raw_connection
        await self._translated(connections.check_durability(self.dialect, raw))
        for _ in range(self._reader_count):
            reader = await opened(self._target)
            self._readers.append(reader)
            await reader.raw_connection.execute("PRAGMA query_only = ON")
            self._idle_readers.put_nowait(reader)

    async def close(self) -> None:
        """Every connection is closed, after the transaction under way on SQLite."""
        async with self._turn:
            held = [*self._readers, *([self._writer] if self._writer else [])]
            self._readers, self._writer, self._idle_readers = [], None, asyncio.Queue()
            for connection in held:
                await closed(connection)
            await self._target.pool.disconnect()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @asynccontextmanager
    async def read(self, *, snapshot: bool = False, brief: bool = False) -> AsyncIterator[Session]:
        """Reads that never wait for a writer nor make one wait.

        Each statement sees all that was committed before it; with `snapshot`, all statements see
        the same moment. Waits while `readers` sessions are open already. What is `brief` is a few
        statements that find their rows by key: on SQLite they run at once, in this thread.
        """
        refuse_nesting()
        async with self._reading() as connection:
            raw = connection.raw_connection
            if brief and self.dialect == "sqlite":
                raw = AtOnce(raw)
            try:
                if snapshot:
                    await self._translated(connections.begin(self.dialect, raw, snapshot=True))
                async with opened_session(self.dialect, raw, self._target.name) as session:
                    yield session
                if snapshot:
                    await settled(connections.rollback(self.dialect, raw))
            except BaseException:
                await settled(connections.rollback(self.dialect, raw))
                raise

    @asynccontextmanager
    async def write(self, *, brief: bool = False) -> AsyncIterator[Session]:
        """One transaction: durable when the block ends well, undone on any exception.

        A statement that failed undoes it too, even if its error was caught: the engines disagree
        on what would be left. A cancellation that arrives while COMMIT runs finds it committed.

        What is `brief` is a few statements by key and waits for nothing else: on SQLite they run
        at once, in this thread, and the commit is shared with others that are. If that fails, it
        fails for all of them.
        """
        refuse_nesting()
        if brief and self.dialect == "sqlite":
            async with self._shared.member() as raw, self._statements(raw) as session:
                yield session
            return
        async with self._writing() as connection, self._transaction(connection) as session:
            yield session

    @asynccontextmanager
    async def write_books(self, *, brief: bool = False) -> AsyncIterator[Session]:
        """`write`, and nobody else on any instance posts to the ledger until it ends. On PostgreSQL
        nothing is shared: one's locks would be held while another takes its own."""
        if self.dialect == "sqlite":
            async with self.write(brief=brief) as session:
                yield session
            return
        refuse_nesting()
        # One waiter per process, so that those in line do not use up the pool.
        async with (
            self._turn,
            self._pooled() as connection,
            self._transaction(connection) as session,
        ):
            await session.run("SELECT pg_advisory_xact_lock(:key)", key=_BOOKS_LOCK)
            yield session

    @asynccontextmanager
    async def write_schema(self) -> AsyncIterator[Session]:
        """`write`, alone among all that change the schema, however long another one takes.

        SQLite checks foreign keys at the end instead of all along, because a table is changed
        there by copying and dropping it.
        """
        refuse_nesting()
        async with self._writing() as connection:
            raw = connection.raw_connection
            if self.dialect == "postgresql":
                async with self._transaction(connection) as session:
                    await session.run("SET LOCAL lock_timeout = 0")
                    await session.run("SELECT pg_advisory_xact_lock(:key)", key=_SCHEMA_LOCK)
                    yield session
                return
            try:
                await raw.execute("PRAGMA foreign_keys = OFF")
                async with self._transaction(connection) as session:
                    yield session
                    broken = await session.all("PRAGMA foreign_key_check")
                    if broken:
                        raise SessionMisuse(f"The change leaves broken foreign keys: {broken[:3]}")
            finally:
                await settled(connections.run(raw, "PRAGMA foreign_keys = ON"))

    async def insert_durable(self, batch: Batch, rows: Sequence[Sequence[object]]) -> list[Row]:
        """All `rows` are committed, or none and this raises; what RETURNING names, unordered.

        One statement is its own transaction, so many callers can share one commit. A cancelled
        caller may find them committed.
        """
        refuse_nesting()
        if not rows:
            return []
        if self.dialect == "postgresql":
            async with self._pooled() as connection:
                raw = connection.raw_connection
                work = raw.fetch(postgresql_insert(batch), *arrays(rows))
                return [dict(record) for record in await self._translated(settled(work))]
        async with self._writing() as connection:
            raw = connection.raw_connection
            if len(chunks(batch, rows)) > 1:
                async with self._transaction(connection) as session:
                    return await session.write_many_returning(batch, rows)
            statement = connections.fetch(raw, sqlite_insert(batch, len(rows)), flat(rows))
            return [dict(record) for record in await self._translated(settled(statement))]

    @asynccontextmanager
    async def _transaction(self, connection: Connection) -> AsyncIterator[Session]:
        raw = connection.raw_connection
        try:
            await self._translated(connections.begin(self.dialect, raw))
            async with self._statements(raw) as session:
                yield session
            await self._translated(settled(connections.commit(self.dialect, raw)))
        except BaseException:
            await settled(connections.rollback(self.dialect, raw))
            raise

    @asynccontextmanager
    async def _statements(self, raw: Any) -> AsyncIterator[Session]:
        """All of one transaction's, those that come last included; raises if any has failed."""
        name = self._target.name
        async with opened_session(self.dialect, raw, name, writes=True) as session:
            yield session
            await session.finish()
        if session.failure is not None:
            raise SessionMisuse(
                "A statement of this transaction failed and its error was caught, so nothing"
                " was written; use ON CONFLICT where a failure is expected."
            ) from session.failure

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[Connection]:
        if self.dialect == "postgresql":
            async with self._pooled() as connection:
                yield connection
            return
        async with self._turn:
            if self._writer is None:
                raise DatabaseUnavailable(f"The database {self._target.name} is not open.")
            yield self._writer

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[Connection]:
        if self.dialect == "postgresql":
            async with self._pooled() as connection:
                yield connection
            return
        if not self._readers:
            raise DatabaseUnavailable(f"The database {self._target.name} is not open.")
        idle = self._idle_readers
        reader = await idle.get()
        try:
            yield reader
        finally:
            idle.put_nowait(reader)

    @asynccontextmanager
    async def _pooled(self) -> AsyncIterator[Connection]:
        if not self._target.pool.is_connected:
            raise DatabaseUnavailable(f"The database {self._target.name} is not open.")
        connection = await opened(self._target)
        try:
            yield connection
        finally:
            await settled(closed(connection))

    async def _translated(self, work: Awaitable[T]) -> T:
        try:
            return await work
        except Exception as error:
            seen = translated(error, self._target.name)
            if seen is error:
                raise
            raise seen from error
