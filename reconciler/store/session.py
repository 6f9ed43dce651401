"""A session: the statements of one task on one connection, the same words on both engines."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, TypeVar

from databases.core import Connection

from reconciler.store.dialect import (
    Batch,
    Dialect,
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


class Session:
    """Statements on one connection, for the one task that opened it."""

    def __init__(self, dialect: Dialect, connection: Connection, database: str) -> None:
        self.dialect = dialect
        self._connection = connection
        self._database = database
        self._task = asyncio.current_task()
        self.ended = False
        self.failure: BaseException | None = None

    async def all(self, sql: str, /, **values: Any) -> list[Row]:
        """Every row the statement returns."""
        bound = prepared(sql, self.dialect).bound(values)
        self._refuse_misuse()
        records = await self._answer(self._connection.fetch_all(bound))
        if not records:
            return []
        names = tuple(records[0].keys())  # type: ignore[attr-defined]
        return [dict(zip(names, record._mapping, strict=True)) for record in records]

    async def many(self, sql: str, /, **values: Any) -> list[Row]:
        """`all`, straight from the driver: for the hot paths, whose rows come by the hundred."""
        statement = prepared(sql, self.dialect)
        given = statement.values(values)
        self._refuse_misuse()
        raw = self._connection.raw_connection
        if self.dialect == "sqlite":
            work = raw.execute_fetchall(statement.text.text, given)
        else:
            text, order = statement.numbered
            work = raw.fetch(text, *(given[name] for name in order))
        return [dict(row) for row in await self._answer(work)]

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
        bound = prepared(sql, self.dialect).bound(values)
        self._refuse_misuse()
        await self._answer(self._connection.execute(bound))

    async def write_many(self, batch: Batch, rows: Sequence[Sequence[object]]) -> None:
        """All `rows` are written, in this transaction."""
        self._refuse_misuse()
        if not rows:
            return
        raw = self._connection.raw_connection
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
        raw = self._connection.raw_connection
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
        raw = self._connection.raw_connection
        for statement in [sql] if self.dialect == "postgresql" else _statements(sql):
            await self._answer(raw.execute(statement))

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
