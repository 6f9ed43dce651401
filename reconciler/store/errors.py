"""What can go wrong with the database, in words; nothing here touches one.

The drivers' own exceptions stay inside this room. A caller sees `DatabaseUnavailable` when waiting
may help, `WeakDurability` when the service must not start, and `SessionMisuse` or `UnportableSQL`
for a mistake in our own code. Everything else, a broken constraint first of all, passes unchanged.
"""

import re
import sqlite3

import asyncpg


class DatabaseUnavailable(Exception):
    """The database could not answer: locked, full, unreadable or gone. Its message says which."""


class WeakDurability(Exception):
    """A commit would not survive a power cut; its message names the setting and the fix."""


class SessionMisuse(RuntimeError):
    """A session used in a way that would break a transaction; a mistake in our own code."""


class UnportableSQL(ValueError):
    """SQL text that does not mean the same on both engines; a mistake in our own code."""


# Primary SQLite result codes that say something about the file, not about the statement.
_SQLITE_UNAVAILABLE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_PROTOCOL,
    }
)

# The file was moved or deleted under the open connection; plain SQLITE_READONLY is a write through
# a reader, which is our own mistake.
_SQLITE_MOVED = sqlite3.SQLITE_READONLY_DBMOVED

_LOST = re.compile(r"clos|released back to the pool")
_POSTGRESQL_UNAVAILABLE = (
    asyncpg.PostgresConnectionError,
    asyncpg.exceptions.InsufficientResourcesError,
    asyncpg.exceptions.InternalClientError,
    asyncpg.exceptions.InvalidAuthorizationSpecificationError,
    asyncpg.exceptions.InvalidCatalogNameError,
    asyncpg.exceptions.LockNotAvailableError,
    asyncpg.exceptions.OperatorInterventionError,
    asyncpg.exceptions.PostgresIOError,
    asyncpg.exceptions.TransactionRollbackError,
    OSError,  # refused, reset, unreachable, and TimeoutError
)


def unavailable(error: BaseException) -> str | None:
    """The reason the database could not answer, or None if `error` is about something else."""
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", None)
        if code is None:
            return None
        known = code & 0xFF in _SQLITE_UNAVAILABLE or code == _SQLITE_MOVED
        return str(error) if known else None
    if isinstance(error, _POSTGRESQL_UNAVAILABLE):
        return " ".join(str(error).split()) or type(error).__name__
    # asyncpg uses one class for a lost connection and for wrong arguments.
    if isinstance(error, asyncpg.InterfaceError):
        return "the connection was lost" if _LOST.search(str(error)) else None
    # aiosqlite's word for a statement after close().
    if isinstance(error, ValueError) and str(error) in (
        "Connection closed",
        "no active connection",
    ):
        return str(error).lower()
    return None


def translated(error: BaseException, database: str) -> BaseException:
    """`error` as callers should see it: DatabaseUnavailable where waiting may help, else itself."""
    if isinstance(error, DatabaseUnavailable):
        return error
    reason = unavailable(error)
    if reason is None:
        return error
    return DatabaseUnavailable(f"The database {database} is unavailable: {reason}.")
