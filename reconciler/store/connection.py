"""Opens connections that keep promises, and ends transactions whatever happens.

`databases` 0.9.0 is held at arm's length here. Its connections are made once and held, or taken
from its pool; its transactions are not used, because a failed COMMIT leaves them broken for good;
and its log, which would show every bound value, is kept quiet.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import databases
from databases.core import Connection

from reconciler.store.dialect import Dialect
from reconciler.store.errors import WeakDurability, translated, unavailable

T = TypeVar("T")

# A frozen process must not hold the books' lock for ever; none of our transactions waits on Stripe.
_IDLE_IN_TRANSACTION_SECONDS = 60

# How many may start on one new SQLite file at the same moment.
_OPENING_AT_ONCE = 100

_BEGIN_WRITE: dict[Dialect, str] = {
    # A deferred BEGIN locks at its first write, and fails there if another wrote meanwhile.
    "sqlite": "BEGIN IMMEDIATE",
    "postgresql": "BEGIN ISOLATION LEVEL READ COMMITTED",
}
_BEGIN_SNAPSHOT: dict[Dialect, str] = {
    "sqlite": "BEGIN",
    "postgresql": "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
}


@dataclass(frozen=True)
class Target:
    """A database by its URL: which engine, what to call it in messages, and how to reach it."""

    dialect: Dialect
    name: str
    pool: databases.Database


class DurableConnection(sqlite3.Connection):
    """A SQLite connection whose commits survive a power cut and whose foreign keys are checked."""

    PRAGMAS = (
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        try:
            for pragma in self.PRAGMAS:
                self._set(pragma)
        except BaseException:
            self.close()
            raise
        self.row_factory = sqlite3.Row

    def _set(self, pragma: str) -> None:
        """Set, also while others open the same new file.

        The first switch of a file to WAL fails at once if another connection is at it, whatever
        the busy timeout; a write lock is waited for, and after it the other is done.
        """
        for _ in range(_OPENING_AT_ONCE):
            try:
                self.execute(f"PRAGMA {pragma}").close()
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    raise
            self.execute("BEGIN IMMEDIATE").close()
            self.execute("ROLLBACK").close()
        self.execute(f"PRAGMA {pragma}").close()


class _NoValues(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= logging.INFO


_NO_VALUES = _NoValues()


def silence_values() -> None:
    """No bound value reaches a log through the drivers, whatever level logging is set to later."""
    for name in ("databases", "aiosqlite"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.INFO)
        logger.addFilter(_NO_VALUES)  # adding the same one again changes nothing


def check_url(url: str) -> None:
    """Raises ValueError with a sentence for a URL that names no database we can use."""
    target(url, connections=1, busy_timeout_seconds=1.0)
    if urlsplit(url).port == 0:
        raise ValueError("Port 0 is no port of a database.")


def target(url: str, *, connections: int, busy_timeout_seconds: float) -> Target:
    """The database `url` names; raises ValueError with a sentence for a URL we cannot use."""
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        path = _sqlite_path(url)
        pool = databases.Database(
            url,
            factory=DurableConnection,
            timeout=busy_timeout_seconds,
            # One connection is never used by two at a time, but by its thread and ours in turn.
            check_same_thread=False,
        )
        return Target("sqlite", path, pool)
    if parts.scheme in ("postgresql", "postgres"):
        milliseconds = str(int(busy_timeout_seconds * 1000))
        pool = databases.Database(
            "postgresql://",
            # asyncpg reads the URL: it knows sockets, sslmode and certificates. `databases` would
            # drop what it does not know, sslmode first of all.
            dsn=url,
            host=None,
            port=None,
            user=None,
            password=None,
            database=None,
            min_size=1,
            max_size=connections,
            server_settings={
                "application_name": "reconciler",
                "lock_timeout": milliseconds,
                "idle_in_transaction_session_timeout": str(_IDLE_IN_TRANSACTION_SECONDS * 1000),
            },
        )
        where = f" at {parts.hostname}" if parts.hostname else ""
        return Target("postgresql", f"{unquote(parts.path.lstrip('/'))}{where}", pool)
    raise ValueError(
        f"A database URL begins with sqlite:/// or postgresql://, not {parts.scheme or 'nothing'}."
    )


def _sqlite_path(url: str) -> str:
    parts = urlsplit(url)
    path = unquote(parts.path[1:])
    if ":memory:" in url:
        raise ValueError("A database in memory loses every event it took; name a file instead.")
    if parts.netloc or not path:
        raise ValueError(
            "A SQLite URL is sqlite:///relative.db or sqlite:////absolute/path.db, with a path."
        )
    if parts.query or parts.fragment:
        raise ValueError("A SQLite URL takes no options after the path.")
    return path


def probe(target: Target) -> None:
    """The SQLite file can be opened. Asked first, because aiosqlite mishandles one that cannot:

    its thread reports back to a loop that may be closed by then, and dies complaining.
    """
    sqlite3.connect(target.name, isolation_level=None, **target.pool.options).close()


async def opened(target: Target) -> Connection:
    """A connection of its own, held by the caller until `closed`; any task may use it.

    Made directly: `databases.Database.connection()` would give one task the same one twice.
    """
    connection = Connection(target.pool, target.pool._backend)
    try:
        await connection.__aenter__()
    except Exception as error:
        raise translated(error, target.name) from error
    return connection


async def closed(connection: Connection) -> None:
    """The connection is back in its pool, or gone if it was broken; never the caller's problem."""
    try:
        await connection.__aexit__()
    except Exception as error:
        if unavailable(error) is None:
            raise


async def fetch(raw: Any, sql: str, values: Sequence[object]) -> list[sqlite3.Row]:
    """The rows of one statement on a SQLite connection, in one visit to its thread."""
    return list(await raw.execute_fetchall(sql, values))


async def run(raw: Any, sql: str) -> None:
    """The statement has run, outside any session."""
    await raw.execute(sql)


async def begin(dialect: Dialect, raw: Any, *, snapshot: bool = False) -> None:
    """A transaction is open: to write, or to read everything as of one moment."""
    await raw.execute((_BEGIN_SNAPSHOT if snapshot else _BEGIN_WRITE)[dialect])


async def commit(dialect: Dialect, raw: Any) -> None:
    """The transaction is durable, or this raises and it is still to be rolled back."""
    if dialect == "sqlite":
        await raw.commit()
    else:
        await raw.execute("COMMIT")


async def rollback(dialect: Dialect, raw: Any) -> None:
    """No transaction is open on this connection. A lost connection has rolled back by itself.

    SQLite's statements run in order in the connection's own thread, so one that a cancelled task
    left running ends before this does.
    """
    try:
        if dialect == "sqlite":
            await raw.rollback()
        elif not raw.is_closed():
            await raw.execute("ROLLBACK")
    except Exception as error:
        if unavailable(error) is None:
            raise


async def check_durability(dialect: Dialect, raw: Any) -> None:
    """A commit on this connection survives a power cut; raises WeakDurability if not."""
    if dialect == "sqlite":
        await _check_sqlite(raw)
    else:
        await _check_postgresql(raw)


async def _check_sqlite(raw: Any) -> None:
    journal = (await raw.execute_fetchall("PRAGMA journal_mode"))[0][0]
    if journal != "wal":
        raise WeakDurability(
            f"SQLite's journal_mode is {journal} and must be wal:"
            " keep the file on a local disk that supports it."
        )
    synchronous = (await raw.execute_fetchall("PRAGMA synchronous"))[0][0]
    if synchronous < 2:
        raise WeakDurability(
            f"SQLite's synchronous is {synchronous} and must be 2 (FULL):"
            " use a build of SQLite that allows it."
        )


async def _check_postgresql(raw: Any) -> None:
    commit_level = await raw.fetchval("SHOW synchronous_commit")
    if commit_level != "on" and not commit_level.startswith("remote_"):
        raise WeakDurability(
            f"PostgreSQL's synchronous_commit is {commit_level} and must be on:"
            " set it for this role and database with ALTER ROLE … IN DATABASE … SET."
        )
    if await raw.fetchval("SHOW fsync") != "on":
        raise WeakDurability(
            "PostgreSQL's fsync is off and must be on: set fsync = on in postgresql.conf."
        )


async def settled(work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which ran to its end even if the caller was cancelled meanwhile.

    The cancellation is raised afterwards, so it is late by one statement and never lost.
    """
    return await finished(asyncio.ensure_future(work))


async def finished(future: asyncio.Future[T]) -> T:
    """The result of what somebody else works on, waited for as `settled` waits."""
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        # As `asyncio.wait` does, for one: every transaction waits several times.
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        wake = partial(_wake, woken)
        future.add_done_callback(wake)
        try:
            await woken
        except asyncio.CancelledError as error:
            cancelled = error
            future.remove_done_callback(wake)
    if cancelled is not None:
        if not future.cancelled():
            future.exception()  # looked at, so that asyncio does not report it as forgotten
        raise cancelled
    return future.result()


def _wake(waiting: asyncio.Future[None], _: asyncio.Future[Any]) -> None:
    if not waiting.done():
        waiting.set_result(None)
