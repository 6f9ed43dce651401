"""A session: the statements of one task on one connection, the same words on both engines."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from reconciler.store.dialect import (
    Batch,
    Dialect,
    Statement,
    arrays,
    chunks,
    flat,
    postgresql_insert,
    prepared,
    sqlite_insert,
)
from reconciler.store.errors import SessionMisuse, translated

Row = Mapping[str, Any]
T = TypeVar("T")

_open: ContextVar[Session | None] = ContextVar("session", default=None)


class AtOnce:
    """A SQLite connection in aiosqlite's words, used in the caller's thread while its own is idle.

    For a few statements by key: each takes some 5 µs, and asking the thread for it 60. What may
    take long must not be asked for here: everything else waits for it.
    """

    def __init__(self, raw: Any) -> None:
        self.connection: sqlite3.Connection = raw._conn

    async def execute(self, sql: str) -> None:
        self.connection.execute(sql).close()

    async def execute_fetchall(self, sql: str, values: Any) -> list[sqlite3.Row]:
        return self.connection.execute(sql, values).fetchall()

    async def executemany(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        self.connection.executemany(sql, rows)

    async def rollback(self) -> None:
        self.connection.rollback()


class Session:
    """Statements on one connection, for the one task that opened it."""

    def __init__(self, dialect: Dialect, raw: Any, database: str, *, writes: bool = False) -> None:
        self.dialect = dialect
        self._raw = raw
        self._database = database
        self._task = asyncio.current_task()
        self.ended = False
        self.failure: BaseException | None = None
        self._writes = writes
        self._last: list[Callable[[Session], Awaitable[None]]] = []

    async def all(self, sql: str, /, **values: Any) -> list[Row]:
        """Every row the statement returns.

        Straight from the driver: `databases` would compile the statement each time and ask its
        thread five times for one answer, which is most of what a command costs.
        """
        statement = prepared(sql, self.dialect)
        given = statement.values(values)
        self._refuse_misuse()
        return [dict(row) for row in await self._answer(self._fetched(statement, given))]

    async def _fetched(self, statement: Statement, given: Mapping[str, Any]) -> Any:
        """What the driver returns; a connection that was lost says so when it is asked."""
        if self.dialect == "sqlite":
            return await self._raw.execute_fetchall(statement.text.text, given)
        text, order = statement.numbered
        return await self._raw.fetch(text, *(given[name] for name in order))

    async def many(self, sql: str, /, **values: Any) -> list[Row]:
        """`all`, said where rows come by the hundred."""
        return await self.all(sql, **values)

    async def stream(
        self, sql: str, /, *, at_once: int = 1000, **values: Any
    ) -> AsyncIterator[Sequence[Row]]:
        """The rows the statement returns, some at a time, so that they need not all fit in memory.

        Inside a transaction only: on PostgreSQL what is read on lives no longer than that.
        """
        statement = prepared(sql, self.dialect)
        given = statement.values(values)
        self._refuse_misuse()
        cursor: Any
        if self.dialect == "sqlite":
            cursor = await self._answer(self._raw.execute(statement.text.text, given))
            fetch = cursor.fetchmany
        else:
            text, order = statement.numbered
            cursor = await self._answer(self._raw.cursor(text, *(given[name] for name in order)))
            fetch = cursor.fetch
        while rows := await self._answer(fetch(at_once)):
            yield [dict(row) for row in rows]

    async def one(self, sql: str, /, **values: Any) -> Row | None:
        """The only row, or None; two rows are a mistake in the statement and raise SessionMisuse.

        A conditional write ends in RETURNING and is asked for with this: None means it did nothing.
        """
        rows = await self.all(sql, **values)
        if len(rows) > 1:
            raise SessionMisuse(f"One row was asked for and {len(rows)} came: {sql}")
        return rows[0] if rows else None

    async def run(self, sql: str, /, **values: Any) -> None:
        """The statement has run. There is no result: what the driver returns cannot be trusted."""
        await self.all(sql, **values)

    async def write_many(self, batch: Batch, rows: Sequence[Sequence[object]]) -> None:
        """All `rows` are written, in this transaction."""
        self._refuse_misuse()
        if not rows:
            return
        raw = self._raw
        if self.dialect == "sqlite":
            await self._answer(raw.executemany(sqlite_insert(batch, 1), rows))
        else:
            await self._answer(raw.execute(postgresql_insert(batch), *arrays(rows)))

    async def write_many_returning(
        self, batch: Batch, rows: Sequence[Sequence[object]]
    ) -> list[Row]:
        """All `rows` are written, in this transaction; the rows RETURNING names, unordered."""
        self._refuse_misuse()
        if not rows:
            return []
        raw = self._raw
        if self.dialect == "postgresql":
            records = await self._answer(raw.fetch(postgresql_insert(batch), *arrays(rows)))
            return [dict(record) for record in records]
        returned: list[Row] = []
        for chunk in chunks(batch, rows):
            statement = raw.execute_fetchall(sqlite_insert(batch, len(chunk)), flat(chunk))
            returned.extend(dict(record) for record in await self._answer(statement))
        return returned

    async def script(self, sql: str) -> None:
        """Every statement of `sql` has run, in this transaction; for the schema, with no values."""
        self._refuse_misuse()
        raw = self._raw
        for statement in [sql] if self.dialect == "postgresql" else _statements(sql):
            await self._answer(raw.execute(statement))

    def at_the_end(self, work: Callable[[Session], Awaitable[None]]) -> None:
        """`work` runs after everything else in this transaction, just before it is committed.

        For a lock that everybody wants: who takes it last, holding whatever else, waits for nobody
        who waits for them, and holds it no longer than the commit takes.
        """
        self._refuse_misuse()
        if not self._writes:
            raise SessionMisuse("Only a transaction that writes has an end to do something at.")
        self._last.append(work)

    async def finish(self) -> None:
        """What was left for the end has been done; unless nothing will be committed anyway."""
        while self._last and self.failure is None:
            await self._last.pop(0)(self)

    async def _answer(self, work: Awaitable[T]) -> T:
        try:
            return await work
        except BaseException as error:
            self.failure = error
            seen = translated(error, self._database)
            if seen is error:
                raise
            raise seen from error

    def _refuse_misuse(self) -> None:
        if self.ended:
            raise SessionMisuse("This session has ended; open another.")
        if asyncio.current_task() is not self._task:
            raise SessionMisuse(
                "A session belongs to the task that opened it: read first, start tasks, write last."
            )


@asynccontextmanager
async def opened_session(
    dialect: Dialect, raw: Any, database: str, *, writes: bool = False
) -> AsyncIterator[Session]:
    """A session on a driver's connection, until the block ends."""
    session = Session(dialect, raw, database, writes=writes)
    _open.set(session)
    try:
        yield session
    finally:
        session.ended = True
        _open.set(None)


def refuse_nesting() -> None:
    """Raises SessionMisuse inside a session: it would wait for what it holds itself."""
    session = _open.get()
    if session is not None and not session.ended:
        raise SessionMisuse(
            "A session is open already, here or in the task that started this one:"
            " read first, decide, then write, one after the other."
        )


def _statements(script: str) -> list[str]:
    """The statements of a SQLite script, each whole: triggers too, and a last one without `;`."""
    statements: list[str] = []
    pending = ""
    for piece in script.split(";"):
        pending += piece + ";"
        if sqlite3.complete_statement(pending):
            statements.append(pending)
            pending = ""
    # A comment may hold the last semicolon; what is left over must not be dropped unread.
    return [*statements, pending.removesuffix(";")] if pending.strip("; \n") else statements
