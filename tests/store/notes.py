"""Two small tables that tests of the database layer write to."""

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from reconciler.store.database import (
    Batch,
    Database,
)

ROOT = Path(__file__).parents[2]

TABLES = {
    engine: f"""
    CREATE TABLE notes (id TEXT PRIMARY KEY, n BIGINT, body {blob});
    CREATE TABLE pages (
        note TEXT NOT NULL REFERENCES notes (id) DEFERRABLE INITIALLY DEFERRED
    );
    """
    for engine, blob in (("sqlite", "BLOB"), ("postgresql", "BYTEA"))
}
NOTES = Batch(
    "notes",
    (("id", "text"), ("n", "bigint"), ("body", "bytes")),
    "ON CONFLICT (id) DO NOTHING RETURNING id, n",
)
PLAIN_NOTES = Batch("notes", (("id", "text"), ("n", "bigint")))


@asynccontextmanager
async def tables(url: str, **options: Any) -> AsyncIterator[Database]:
    async with Database(url, **options) as database:
        async with database.write() as session:
            await session.script(TABLES[database.dialect])
        yield database


def with_tables(url: str, body: Callable[[Database], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        async with tables(url) as database:
            await asyncio.wait_for(body(database), timeout=30)

    asyncio.run(main())


async def put(database: Database, id: str, n: int = 0) -> None:
    async with database.write() as session:
        await session.run("INSERT INTO notes (id, n) VALUES (:id, :n)", id=id, n=n)


async def ids(database: Database) -> list[str]:
    async with database.read() as session:
        return [row["id"] for row in await session.all("SELECT id FROM notes ORDER BY id")]


def elsewhere(work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
    """A task that stands for another process, and so does not know of any session here."""
    return asyncio.create_task(work, context=contextvars.Context())
