"""What the database layer promises, each against the guard that keeps it."""

import ast
import asyncio
import contextvars
import logging
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from reconciler.store import connection as connections
from reconciler.store import dialect
from reconciler.store.database import (
    Batch,
    Database,
    DatabaseUnavailable,
    Session,
    SessionMisuse,
    UnportableSQL,
    WeakDurability,
)
from tests import engines
from tests.engines import outcome

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


@pytest.fixture(params=engines.ENGINES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    engine: str = request.param
    server = request.getfixturevalue("pg_server") if engine == "postgresql" else None
    return engines.empty_url(engine, tmp_path, server)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return engines.empty_url("sqlite", tmp_path, None)


@pytest.fixture
def postgresql_url(pg_server: engines.PgServer) -> str:
    return pg_server.empty()


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


# Statements


def test_one_text_reads_and_writes_on_both_engines(url: str) -> None:
    async def body(database: Database) -> None:
        async with database.write() as session:
            await session.run(
                "INSERT INTO notes (id, n, body) VALUES (:id, :n, :body)",
                id="naïve ü",
                n=2**60,
                body=b"\x00\xff",
            )
            await session.run("INSERT INTO notes (id, n) VALUES (:id, :n)", id="b", n=None)
        async with database.read() as session:
            rows = await session.all("SELECT id, n, body FROM notes ORDER BY id DESC")
            none = await session.one("SELECT id FROM notes WHERE id = :id", id="c")
            cast = await session.one("SELECT CAST(:x AS BIGINT) AS x", x=None)
        assert [dict(row) for row in rows] == [
            {"id": "naïve ü", "n": 2**60, "body": b"\x00\xff"},
            {"id": "b", "n": None, "body": None},
        ]
        assert none is None
        assert cast == {"x": None}

    with_tables(url, body)


def test_a_list_is_passed_as_one_parameter(url: str) -> None:
    async def body(database: Database) -> None:
        awkward = ["a", 'quote " and \\', "ü", "100%", ":name"]
        for number, id in enumerate(awkward):
            await put(database, id, number)
        async with database.write() as session:
            text = "SELECT id FROM notes WHERE id IN {each:ids} ORDER BY n {for_update}"
            assert [row["id"] for row in await session.all(text, ids=awkward)] == awkward
            assert await session.all(text, ids=()) == []
            found = await session.all(
                "SELECT id FROM notes WHERE n IN {each_bigint:ns} ORDER BY n {skip_locked}",
                ns=[1, 2, 9],
            )
            assert [row["id"] for row in found] == awkward[1:3]

    with_tables(url, body)


def test_asking_for_one_row_and_getting_two_is_a_mistake(url: str) -> None:
    async def body(database: Database) -> None:
        await put(database, "a")
        await put(database, "b")
        async with database.read() as session:
            with pytest.raises(SessionMisuse, match="One row was asked for and 2 came"):
                await session.one("SELECT id FROM notes")

    with_tables(url, body)


def test_an_update_that_matches_nothing_says_so(url: str) -> None:
    async def body(database: Database) -> None:
        async with database.write() as session:
            done: Any = await session.run("INSERT INTO notes (id, n) VALUES ('a', 1)")  # type: ignore[func-returns-value]
            missed = await session.one("UPDATE notes SET n = 2 WHERE id = 'b' RETURNING id")
            hit = await session.one("UPDATE notes SET n = 2 WHERE id = 'a' RETURNING id, n")
        assert done is None
        assert missed is None
        assert hit == {"id": "a", "n": 2}

    with_tables(url, body)


@pytest.mark.parametrize(
    ("sql", "complaint"),
    [
        ("SELECT id FROM notes WHERE id LIKE 'a%'", "% is taken for a placeholder"),
        ("SELECT 5 % 2", "% is taken for a placeholder"),
        ("SELECT id FROM notes WHERE id = 'it is :late'", ":late inside a literal"),
        ('SELECT id AS ":name" FROM notes', ":name inside a literal"),
        ("SELECT id FROM notes -- see :id", ":id inside a literal or a comment"),
        ("SELECT id /* :id */ FROM notes", ":id inside a literal or a comment"),
        ("SELECT id FROM notes {for_updat}", "not one of the words in braces"),
        ("SELECT id FROM notes WHERE id IN {every:ids}", "not one of the words in braces"),
        ("SELECT id FROM notes WHERE id = :id", r"names \['id'\]"),
    ],
)
def test_text_the_engines_would_read_differently_is_refused(
    sqlite_url: str, sql: str, complaint: str
) -> None:
    async def body(database: Database) -> None:
        async with database.read() as session:
            for statement in (session.all, session.one, session.run):
                with pytest.raises(UnportableSQL, match=complaint) as refused:
                    await statement(sql)
                assert sql in str(refused.value)

    with_tables(sqlite_url, body)


def test_a_batch_or_a_list_in_the_wrong_place_is_refused(sqlite_url: str) -> None:
    async def body(database: Database) -> None:
        async with database.read() as session:
            with pytest.raises(UnportableSQL, match="is a list and wants"):
                await session.all("SELECT id FROM notes WHERE id = :ids", ids=["a"])

    with pytest.raises(UnportableSQL, match="%"):
        Batch("notes", (("id", "text"),), "ON CONFLICT (id) DO UPDATE SET n = n % 2")
    with_tables(sqlite_url, body)


# Batches


def test_a_durable_insert_returns_only_what_is_new(url: str) -> None:
    async def body(database: Database) -> None:
        rows = [("a", 1, b"\x00"), ("b", None, None), ("a", 3, b"")]
        first = await database.insert_durable(NOTES, rows)
        again = await database.insert_durable(NOTES, [*rows, ("c", 4, b"")])
        assert sorted(first, key=lambda row: row["id"]) == [
            {"id": "a", "n": 1},
            {"id": "b", "n": None},
        ]
        assert again == [{"id": "c", "n": 4}]
        assert await database.insert_durable(NOTES, []) == []

    with_tables(url, body)


def test_a_durable_insert_is_seen_by_others_when_it_returns(url: str) -> None:
    async def body(database: Database) -> None:
        async with Database(url) as other:
            await database.insert_durable(NOTES, [("a", 1, None)])
            assert await ids(other) == ["a"]

    with_tables(url, body)


def test_a_durable_insert_too_long_for_one_statement_is_all_or_nothing(url: str) -> None:
    many = [(f"id-{number}", number, None) for number in range(25_000)]

    async def body(database: Database) -> None:
        assert len(await database.insert_durable(NOTES, many)) == 25_000
        pages = [(row[0],) for row in [*many, *many, *many]] + [(None,)]
        with pytest.raises(Exception, match=r"NOT NULL|not-null|null value") as refused:
            await database.insert_durable(Batch("pages", (("note", "text"),)), pages)
        assert not isinstance(refused.value, DatabaseUnavailable)
        async with database.read() as session:
            assert await session.one("SELECT count(*) AS n FROM pages") == {"n": 0}

    with_tables(url, body)


def test_a_batch_is_cut_to_what_any_sqlite_takes_in_one_statement() -> None:
    rows = [(str(number), number, b"") for number in range(25_000)]
    parts = dialect.chunks(NOTES, rows)
    assert [row for part in parts for row in part] == rows
    assert max(len(dialect.flat(part)) for part in parts) <= 32_766


def test_batches_are_part_of_the_transaction(url: str) -> None:
    many = [(f"id-{number}", number) for number in range(20_000)]

    async def body(database: Database) -> None:
        async def fail() -> None:
            async with database.write() as session:
                await session.write_many(PLAIN_NOTES, many)
                raise KeyError

        with pytest.raises(KeyError):
            await fail()
        assert await ids(database) == []
        upsert = Batch(
            "notes",
            PLAIN_NOTES.columns,
            "ON CONFLICT (id) DO UPDATE SET n = excluded.n + 1 RETURNING id, n",
        )
        async with database.write() as session:
            await session.write_many(PLAIN_NOTES, many)
            await session.write_many(PLAIN_NOTES, [])
            returned = await session.write_many_returning(upsert, many)
            assert await session.write_many_returning(upsert, []) == []
        assert {row["n"] for row in returned} == set(range(1, 20_001))

    with_tables(url, body)


def test_a_batch_is_one_statement_and_not_a_loop(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(database: Database) -> None:
        class Counting:
            calls = 0

            def __init__(self, raw: Any) -> None:
                self._raw = raw

            def __getattr__(self, name: str) -> Any:
                Counting.calls += 1
                return getattr(self._raw, name)

        async with database.write() as session:
            raw = session._connection.raw_connection
            held = type(session._connection)
            monkeypatch.setattr(held, "raw_connection", property(lambda _: Counting(raw)))
            await session.write_many(PLAIN_NOTES, [(str(n), n) for n in range(500)])
            monkeypatch.undo()
        assert Counting.calls == 1

    with_tables(url, body)


# Transactions


def test_an_exception_undoes_everything_and_leaves_the_connection_usable(url: str) -> None:
    async def body(database: Database) -> None:
        async def fail(failure: BaseException) -> None:
            async with database.write() as session:
                await session.run("INSERT INTO notes (id) VALUES ('lost')")
                raise failure

        for failure in (KeyError("a"), asyncio.CancelledError(), GeneratorExit()):
            assert await outcome(fail(failure)) is failure
        await put(database, "kept")
        assert await ids(database) == ["kept"]

    with_tables(url, body)


def test_a_commit_that_fails_leaves_the_connection_usable(url: str) -> None:
    async def body(database: Database) -> None:
        for _ in range(12):  # more than the pool holds
            with pytest.raises(Exception, match=r"FOREIGN KEY|foreign key"):
                async with database.write() as session:
                    await session.run("INSERT INTO pages (note) VALUES ('nowhere')")
        await put(database, "kept")
        assert await ids(database) == ["kept"]

    with_tables(url, body)


def test_a_caught_failure_cannot_half_commit(url: str) -> None:
    async def body(database: Database) -> None:
        await put(database, "a")

        async def catch() -> None:
            async with database.write() as session:
                await session.run("INSERT INTO notes (id) VALUES ('b')")
                await outcome(session.run("INSERT INTO notes (id) VALUES ('a')"))

        with pytest.raises(SessionMisuse, match="nothing was written"):
            await catch()
        assert await ids(database) == ["a"]

    with_tables(url, body)


def test_a_broken_constraint_is_not_an_outage(url: str) -> None:
    async def body(database: Database) -> None:
        await put(database, "a")
        error = await outcome(put(database, "a"))
        assert "unique" in str(error).lower()
        assert not isinstance(error, DatabaseUnavailable)

    with_tables(url, body)


class Interrupted:
    """Work whose task is cancelled the moment it has to wait for the n-th time."""

    def __init__(self, work: Coroutine[Any, Any, Any], n: int) -> None:
        self._work, self._left = work, n

    def __await__(self) -> Generator[Any, None, Any]:
        task = asyncio.current_task()
        assert task is not None
        inner = self._work.__await__()
        value: Any = None
        while True:
            try:
                waited_for = inner.send(value)
            except StopIteration as done:
                return done.value
            while True:
                self._left -= 1
                if self._left == 0:
                    asyncio.get_running_loop().call_soon(task.cancel)
                try:
                    yield waited_for
                    break
                except BaseException as error:
                    try:
                        waited_for = inner.throw(error)
                    except StopIteration as done:
                        return done.value


async def interrupted_everywhere(
    work: Callable[[int], Coroutine[Any, Any, Any]],
    check: Callable[[int], Coroutine[Any, Any, None]],
) -> int:
    """Cancels `work` at its first wait, then its second, and so on until it has no more."""

    async def run(interrupted: Interrupted) -> None:
        await interrupted

    for n in range(1, 200):
        interrupted = Interrupted(work(n), n)
        error = await outcome(asyncio.create_task(run(interrupted)))
        await check(n)
        if interrupted._left > 0:
            assert error is None
            return n
        assert isinstance(error, asyncio.CancelledError), "a cancellation is never swallowed"
    raise AssertionError("it never ended")


def test_cancelled_at_any_await_a_transaction_is_whole_or_absent(url: str) -> None:
    async def body(database: Database) -> None:
        async def work(n: int) -> None:
            async with database.write_books() as session:
                await session.run("INSERT INTO notes (id) VALUES (:id)", id=f"{n}-one")
                await session.all("SELECT id FROM notes")
                await session.write_many(PLAIN_NOTES, [(f"{n}-two", 2)])

        async def check(n: int) -> None:
            found = [id for id in await ids(database) if id.startswith(f"{n}-")]
            assert found in ([], [f"{n}-one", f"{n}-two"])
            async with Database(url, busy_timeout_seconds=0.001) as other:
                await put(other, f"after-{n}")
            await put(database, f"and-{n}")
            assert [id for id in await ids(database) if id.startswith(f"{n}-")] == found

        assert await interrupted_everywhere(work, check) > 5

    with_tables(url, body)


def test_cancelled_at_any_await_a_durable_insert_is_whole_or_absent(url: str) -> None:
    async def body(database: Database) -> None:
        async def work(n: int) -> None:
            rows = [(f"{n}-{number}", number, bytes(2000)) for number in range(500)]
            await database.insert_durable(NOTES, rows)

        async def check(n: int) -> None:
            found = [id for id in await ids(database) if id.startswith(f"{n}-")]
            assert len(found) in (0, 500)
            await put(database, f"after-{n}")
            assert [id for id in await ids(database) if id.startswith(f"{n}-")] == found

        await interrupted_everywhere(work, check)

    with_tables(url, body)


def test_cancelled_at_any_await_a_read_gives_its_connection_back(url: str) -> None:
    async def body(database: Database) -> None:
        count = 0

        def reading(snapshot: bool) -> Callable[[int], Coroutine[Any, Any, None]]:
            async def work(n: int) -> None:
                async with database.read(snapshot=snapshot) as session:
                    await session.all("SELECT id FROM notes")
                    await session.all("SELECT id FROM notes")

            return work

        async def check(n: int) -> None:
            nonlocal count
            count += 1
            await put(database, str(count))
            # All readers are there, and none still looks at a moment long past.
            seen = await asyncio.gather(*(ids(database) for _ in range(8)))
            assert [len(each) for each in seen] == [count] * 8

        for snapshot in (True, False):
            await interrupted_everywhere(reading(snapshot), check)

    with_tables(url, body)


def test_a_read_that_fails_does_not_leave_its_moment_behind(url: str) -> None:
    async def body(database: Database) -> None:
        async def fail() -> None:
            async with database.read(snapshot=True) as session:
                await session.all("SELECT id FROM notes")
                raise KeyError

        for number in range(12):  # more than there are connections
            with pytest.raises(KeyError):
                await fail()
            await put(database, str(number))
            seen = await asyncio.gather(*(ids(database) for _ in range(8)))
            assert [len(each) for each in seen] == [number + 1] * 8

    with_tables(url, body)


def test_a_write_cancelled_twice_has_still_ended_when_it_returns(sqlite_url: str) -> None:
    slow = (
        "WITH RECURSIVE counted(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted"
        " WHERE n < 1000000) SELECT count(*) AS n FROM counted"
    )

    async def body(database: Database) -> None:
        async def work() -> None:
            async with database.write() as session:
                await session.run("INSERT INTO notes (id) VALUES ('lost')")
                started.set()
                await session.all(slow)

        started = asyncio.Event()
        task = asyncio.create_task(work())
        await started.wait()
        for _ in range(3):
            await asyncio.sleep(0)
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with Database(sqlite_url, busy_timeout_seconds=0.001) as other:
            await put(other, "kept")
        assert await ids(database) == ["kept"]

    with_tables(sqlite_url, body)


def test_a_commit_or_a_durable_insert_under_way_is_finished_before_a_cancellation(
    postgresql_url: str,
) -> None:
    async def body(database: Database) -> None:
        async def insert_page() -> None:
            async with database.write() as session:
                await session.run("INSERT INTO pages (note) VALUES ('a')")

        async def count(table: str) -> Any:
            async with database.read() as session:
                return await session.one(f"SELECT count(*) AS n FROM {table}")

        # Either has to wait, while it commits, for somebody who deletes or inserts the same note.
        await put(database, "a")
        cases = (
            ("DELETE FROM notes WHERE id = 'a'", insert_page, "pages", {"n": 1}),
            (
                "INSERT INTO notes (id) VALUES ('b')",
                lambda: database.insert_durable(NOTES, [("b", 1, None)]),
                "notes",
                {"n": 2},
            ),
        )
        for obstacle, work, table, expected in cases:
            task = await waiting_behind(database, obstacle, work)
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await count(table) == expected

    with_tables(postgresql_url, body)


async def waiting_behind(
    database: Database, obstacle: str, work: Callable[[], Coroutine[Any, Any, Any]]
) -> "asyncio.Task[Any]":
    """`work`, cancelled while it waited for a lock that was given up afterwards."""
    waits = "SELECT count(*) AS n FROM pg_locks WHERE NOT granted"
    task: asyncio.Task[Any] | None = None
    try:
        async with database.write() as session:
            await session.run(obstacle)
            task = elsewhere(work())
            while await session.one(waits) == {"n": 0}:
                pass
            task.cancel()
            for _ in range(100):  # as long as giving up would have taken
                await session.one(waits)
            raise KeyError
    except KeyError:
        assert task is not None
        return task


def test_fifty_read_then_write_transactions_from_two_instances_all_succeed(url: str) -> None:
    async def body(database: Database) -> None:
        async with Database(url) as other:

            async def add_one(instance: Database) -> None:
                async with instance.write() as session:
                    row = await session.one("SELECT n FROM notes WHERE id = 'a' {for_update}")
                    assert row is not None
                    await session.run("UPDATE notes SET n = :n WHERE id = 'a'", n=row["n"] + 1)

            await put(database, "a", 0)
            await asyncio.gather(*(add_one([database, other][n % 2]) for n in range(50)))
            async with database.read() as session:
                assert await session.one("SELECT n FROM notes") == {"n": 50}

    with_tables(url, body)


def test_writes_to_the_books_follow_one_another_across_instances(url: str) -> None:
    async def body(database: Database) -> None:
        async with Database(url) as other:

            async def add_one(instance: Database) -> None:
                async with instance.write_books() as session:
                    row = await session.one("SELECT max(n) AS n FROM notes")
                    assert row is not None
                    await session.run(
                        "INSERT INTO notes (id, n) VALUES (:id, :n)",
                        id=str(row["n"] + 1),
                        n=row["n"] + 1,
                    )

            await put(database, "0", 0)
            await asyncio.gather(*(add_one([database, other][n % 2]) for n in range(50)))
            assert len(await ids(database)) == 51

    with_tables(url, body)


def test_the_isolation_of_a_write_does_not_depend_on_how_the_server_is_set(
    postgresql_url: str,
) -> None:
    async def main() -> None:
        async with tables(postgresql_url) as database, database.write() as session:
            name = await session.one("SELECT current_database() AS name")
            assert name is not None
            await session.run(
                f"ALTER DATABASE {name['name']} SET default_transaction_isolation = 'serializable'"
            )
        async with Database(postgresql_url) as database, database.write_books() as session:
            row = await session.one("SHOW transaction_isolation")
            assert row == {"transaction_isolation": "read committed"}

    asyncio.run(main())


def test_waiting_for_the_books_does_not_stop_readers(url: str) -> None:
    async def body(database: Database) -> None:
        waiting = []
        async with database.write_books() as session:
            await session.run("INSERT INTO notes (id) VALUES ('a')")
        release = asyncio.Event()

        async def hold() -> None:
            async with database.write_books() as session:
                await session.run("INSERT INTO notes (id) VALUES ('b')")
                holding.set()
                await release.wait()

        async def wait() -> None:
            async with database.write_books() as session:
                await session.run("UPDATE notes SET n = 1")

        holding = asyncio.Event()
        holder = asyncio.create_task(hold())
        await holding.wait()
        waiting = [asyncio.create_task(wait()) for _ in range(30)]
        await asyncio.sleep(0)
        assert await asyncio.gather(*(ids(database) for _ in range(10))) == [["a"]] * 10
        release.set()
        await asyncio.gather(holder, *waiting)

    with_tables(url, body)


# Reads


def test_a_read_does_not_wait_for_an_open_write(url: str) -> None:
    async def body(database: Database) -> None:
        await put(database, "a")
        wrote, done = asyncio.Event(), asyncio.Event()

        async def write() -> None:
            async with database.write() as session:
                await session.run("INSERT INTO notes (id) VALUES ('b')")
                wrote.set()
                await done.wait()

        writer = asyncio.create_task(write())
        await wrote.wait()
        assert await ids(database) == ["a"]
        done.set()
        await writer
        assert await ids(database) == ["a", "b"]

    with_tables(url, body)


def test_a_snapshot_sees_one_moment_and_a_plain_read_each_commit(url: str) -> None:
    async def body(database: Database) -> None:
        count = "SELECT count(*) AS n FROM notes"
        async with Database(url) as other:
            for snapshot, expected in ((True, [0, 0]), (False, [2, 3])):
                seen = []
                async with database.read(snapshot=snapshot) as session:
                    for turn in (0, 1):
                        row = await session.one(count)
                        assert row is not None
                        seen.append(row["n"])
                        await elsewhere(put(other, f"{snapshot}-{turn}"))
                assert seen == expected

    with_tables(url, body)


def elsewhere(work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
    """A task that stands for another process, and so does not know of any session here."""
    return asyncio.create_task(work, context=contextvars.Context())


def test_a_reader_on_sqlite_cannot_write(sqlite_url: str) -> None:
    async def body(database: Database) -> None:
        for _ in range(5):
            async with database.read() as session:
                with pytest.raises(sqlite3.OperationalError, match="readonly"):
                    await session.run("INSERT INTO notes (id) VALUES ('a')")

    with_tables(sqlite_url, body)


def test_a_snapshot_cannot_write(url: str) -> None:
    async def body(database: Database) -> None:
        with pytest.raises(Exception, match=r"read-?only"):
            async with database.read(snapshot=True) as session:
                await session.run("INSERT INTO notes (id) VALUES ('a')")
        assert await ids(database) == []

    with_tables(url, body)


# One task, one session


def test_a_session_belongs_to_the_task_that_opened_it(url: str) -> None:
    async def body(database: Database) -> None:
        async with database.write() as session:
            statements = (
                lambda: session.all("SELECT id FROM notes"),
                lambda: session.one("SELECT id FROM notes"),
                lambda: session.run("DELETE FROM notes"),
                lambda: session.write_many(PLAIN_NOTES, [("a", 1)]),
                lambda: session.write_many_returning(NOTES, [("a", 1, None)]),
            )
            for statement in statements:
                task = asyncio.create_task(statement())
                assert isinstance(await outcome(task), SessionMisuse)
        for statement in statements:
            assert "has ended" in str(await outcome(statement()))

    with_tables(url, body)


def test_a_session_inside_another_is_refused_and_not_a_deadlock(url: str) -> None:
    async def body(database: Database) -> None:
        async def enter(kind: Callable[[], Any]) -> None:
            async with kind():
                pass

        opening = (
            lambda: enter(database.read),
            lambda: enter(database.write),
            lambda: enter(database.write_books),
            lambda: enter(database.write_schema),
            lambda: database.insert_durable(NOTES, [("a", 1, None)]),
        )
        for outer in (database.write, database.read):
            async with outer():
                for inner in opening:
                    assert isinstance(await outcome(inner()), SessionMisuse)
                    assert isinstance(await outcome(asyncio.create_task(inner())), SessionMisuse)
        for inner in opening:
            assert not isinstance(await outcome(inner()), Exception)

    with_tables(url, body)


def test_any_task_may_use_the_held_connections_and_no_other_is_made(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    class Counted(connections.DurableConnection):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            made.append(self)

    monkeypatch.setattr(connections, "DurableConnection", Counted)

    async def body(database: Database) -> None:
        held = len(made)
        await asyncio.gather(*(put(database, str(n)) for n in range(20)))
        await asyncio.gather(*(ids(database) for _ in range(20)))
        await asyncio.gather(
            *(database.insert_durable(NOTES, [(f"x{n}", n, None)]) for n in range(20))
        )
        assert len(made) == held

    with_tables(sqlite_url, body)


# Durability


def test_every_sqlite_connection_is_durable_and_checks_foreign_keys(sqlite_url: str) -> None:
    async def pragmas(session: Session) -> list[Any]:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        rows = [await session.one(f"PRAGMA {name}") for name in names]
        return [next(iter(row.values())) for row in rows if row is not None]

    async def main() -> None:
        async with Database(sqlite_url, readers=2, busy_timeout_seconds=1.25) as database:
            async with database.write() as session:
                assert await pragmas(session) == ["wal", 2, 1, 1250]
            for _ in range(2):
                async with database.read() as session:
                    assert await pragmas(session) == ["wal", 2, 1, 1250]

    asyncio.run(main())


OPENS_AT_ONCE = """
import sqlite3, sys
from reconciler.store.connection import DurableConnection

for line in sys.stdin:
    connection = sqlite3.connect(line.strip(), isolation_level=None, factory=DurableConnection)
    print(connection.execute("PRAGMA journal_mode").fetchone()[0], flush=True)
    connection.close()
"""


def test_processes_may_open_a_new_sqlite_file_at_the_same_moment(tmp_path: Path) -> None:
    children = [
        subprocess.Popen(
            [sys.executable, "-c", OPENS_AT_ONCE],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    paths = "".join(f"{tmp_path / str(number)}.db\n" for number in range(40))
    for child in children:
        assert child.stdin is not None
        child.stdin.write(paths)
        child.stdin.close()
    for child in children:
        assert child.stdout is not None
        assert child.stdout.read().split() == ["wal"] * 40
        child.stdout.close()
        assert child.wait() == 0


@pytest.mark.parametrize(
    ("pragma", "complaint"),
    [
        ("journal_mode = DELETE", "journal_mode is delete and must be wal"),
        ("synchronous = NORMAL", "synchronous is 1 and must be 2"),
    ],
)
def test_a_weaker_sqlite_is_refused(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, pragma: str, complaint: str
) -> None:
    pragmas = (*connections.DurableConnection.PRAGMAS, pragma)
    monkeypatch.setattr(connections.DurableConnection, "PRAGMAS", pragmas)
    with pytest.raises(WeakDurability, match=complaint):
        asyncio.run(Database(sqlite_url).open())


@pytest.mark.parametrize("level", ["off", "local"])
def test_a_weaker_postgresql_is_refused(postgresql_url: str, level: str) -> None:
    async def main() -> None:
        async with tables(postgresql_url) as database, database.write() as session:
            name = await session.one("SELECT current_database() AS name")
            assert name is not None
            await session.run(f"ALTER DATABASE {name['name']} SET synchronous_commit = {level}")
        with pytest.raises(WeakDurability, match=f"synchronous_commit is {level} and must be on"):
            await Database(postgresql_url).open()

    asyncio.run(main())


def test_a_postgresql_without_fsync_is_refused() -> None:
    class Answers:
        async def fetchval(self, sql: str) -> str:
            return {"SHOW synchronous_commit": "on", "SHOW fsync": "off"}[sql]

    with pytest.raises(WeakDurability, match="fsync is off and must be on"):
        asyncio.run(connections.check_durability("postgresql", Answers()))


def test_a_frozen_process_does_not_hold_locks_for_ever(postgresql_url: str) -> None:
    async def main() -> None:
        async with Database(postgresql_url) as database, database.read() as session:
            row = await session.one("SHOW idle_in_transaction_session_timeout")
            assert row == {"idle_in_transaction_session_timeout": "1min"}

    asyncio.run(main())


INSERTS_UNTIL_KILLED = """
import asyncio, sys
from reconciler.store.database import Batch, Database

async def main():
    database = Database(sys.argv[1])
    await database.open()
    notes = Batch("notes", (("id", "text"),))
    for number in range(100_000):
        await database.insert_durable(notes, [(str(number),)])
        print(number, flush=True)

asyncio.run(main())
"""


def test_what_was_acknowledged_survives_kill_9(url: str) -> None:
    async def body(database: Database) -> None:
        command = [sys.executable, "-c", INSERTS_UNTIL_KILLED, url]
        child = await asyncio.create_subprocess_exec(
            *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE
        )
        assert child.stdout is not None
        acknowledged = [int(await child.stdout.readline()) for _ in range(25)]
        child.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in (await child.stdout.read()).split()]
        await child.wait()
        stored = set(await ids(database))
        assert {str(number) for number in acknowledged} <= stored

    with_tables(url, body)


# When the database cannot answer


def test_a_sqlite_file_locked_by_someone_else_is_an_outage_until_it_is_free(
    sqlite_url: str, tmp_path: Path
) -> None:
    async def main() -> None:
        async with tables(sqlite_url, busy_timeout_seconds=0.05) as database:
            holder = sqlite3.connect(tmp_path / "test.db", isolation_level=None)
            holder.execute("BEGIN IMMEDIATE")
            locked = [
                await outcome(put(database, "a")),
                await outcome(database.insert_durable(NOTES, [("b", 1, None)])),
            ]
            assert await ids(database) == []
            holder.execute("ROLLBACK")
            holder.close()
            for error in locked:
                assert isinstance(error, DatabaseUnavailable)
                assert "test.db is unavailable: database is locked." in str(error)
                assert isinstance(error.__cause__, sqlite3.OperationalError)
            await put(database, "a")
            await database.insert_durable(NOTES, [("b", 1, None)])
            assert await ids(database) == ["a", "b"]

    asyncio.run(main())


def test_a_postgresql_row_locked_by_someone_else_is_an_outage_until_it_is_free(
    postgresql_url: str,
) -> None:
    async def main() -> None:
        async with (
            tables(postgresql_url) as holder,
            Database(postgresql_url, busy_timeout_seconds=0.05) as database,
        ):
            await put(holder, "a", 1)
            locked, release = asyncio.Event(), asyncio.Event()

            async def hold() -> None:
                async with holder.write() as session:
                    await session.run("UPDATE notes SET n = 2")
                    locked.set()
                    await release.wait()

            async def change() -> None:
                async with database.write() as session:
                    await session.run("UPDATE notes SET n = 3")

            task = asyncio.create_task(hold())
            await locked.wait()
            with pytest.raises(DatabaseUnavailable, match="lock timeout"):
                await change()
            release.set()
            await task
            await change()

    asyncio.run(main())


def test_a_full_disk_is_an_outage_and_loses_nothing_acknowledged(sqlite_url: str) -> None:
    async def body(database: Database) -> None:
        async with database.write() as session:
            await session.run("PRAGMA max_page_count = 40")
        acknowledged: list[str] = []
        full: set[str] = set()
        for number in range(100):
            rows = [(f"{number}-{part}", number, bytes(3000)) for part in range(3)]
            error = await outcome(database.insert_durable(NOTES, rows))
            if isinstance(error, DatabaseUnavailable):
                full.add(str(error))
            else:
                acknowledged += [row["id"] for row in error]
        assert len(full) == 1
        assert "database or disk is full" in full.pop()
        assert await ids(database) == sorted(acknowledged)
        with pytest.raises(DatabaseUnavailable, match="full"):
            async with database.write() as session:
                await session.write_many(NOTES_WITHOUT_RETURNING, [("z", 1, bytes(200_000))])
        async with database.write() as session:
            await session.run("PRAGMA max_page_count = 1000")
        await database.insert_durable(NOTES, [("zz", 1, bytes(100_000))])
        assert await ids(database) == sorted([*acknowledged, "zz"])

    with_tables(sqlite_url, body)


NOTES_WITHOUT_RETURNING = Batch("notes", NOTES.columns)


def test_a_lost_backend_is_an_outage_once(postgresql_url: str) -> None:
    async def body(database: Database) -> None:
        async with Database(postgresql_url) as other:

            async def lose_all() -> None:
                async with other.write() as session:
                    await session.all(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE pid <> pg_backend_pid() AND datname = current_database()"
                    )

            async def lost_inside() -> None:
                async with database.write() as session:
                    await session.run("INSERT INTO notes (id) VALUES ('lost')")
                    lose.set()
                    await gone.wait()
                    await session.run("INSERT INTO notes (id) VALUES ('also lost')")

            for _ in range(10):  # more than the pool holds
                lose, gone = asyncio.Event(), asyncio.Event()
                task = asyncio.create_task(lost_inside())
                losing = asyncio.create_task(lose.wait())
                await asyncio.wait((task, losing), return_when=asyncio.FIRST_COMPLETED)
                losing.cancel()
                await lose_all()
                gone.set()
                assert isinstance(await outcome(task), DatabaseUnavailable)
            # Each connection may fail once; none stays broken.
            after = [await outcome(put(database, f"kept-{number}")) for number in range(20)]
            assert after[-10:] == [None] * 10
            assert "lost" not in " ".join(await ids(database))

    with_tables(postgresql_url, body)


def test_a_backend_lost_before_commit_is_an_outage_and_nothing_is_kept(
    postgresql_url: str,
) -> None:
    async def body(database: Database) -> None:
        async with Database(postgresql_url) as other:

            async def lose(id: str) -> None:
                async with database.write() as session:
                    row = await session.one(
                        "INSERT INTO notes (id) VALUES (:id) RETURNING pg_backend_pid() AS pid",
                        id=id,
                    )
                    assert row is not None
                    await elsewhere(terminate(other, row["pid"]))

            for number in range(10):  # more than the pool holds
                with pytest.raises(DatabaseUnavailable):
                    await lose(str(number))
            assert await ids(database) == []

    with_tables(postgresql_url, body)


def test_a_backend_lost_after_its_answer_is_nobodys_problem(postgresql_url: str) -> None:
    def lose_at_once(pid: int) -> None:
        async def main() -> None:
            async with Database(postgresql_url) as other:
                await terminate(other, pid)

        # In a thread that the loop waits for, so that it cannot notice before the session ends.
        thread = threading.Thread(target=lambda: asyncio.run(main()))
        thread.start()
        thread.join()

    async def body(database: Database) -> None:
        for _ in range(10):  # more than the pool holds
            async with database.read() as session:
                row = await session.one("SELECT pg_backend_pid() AS pid")
                assert row is not None
                lose_at_once(row["pid"])
        await put(database, "kept")

    with_tables(postgresql_url, body)


async def terminate(database: Database, pid: int) -> None:
    async with database.read() as session:
        await session.one("SELECT pg_terminate_backend(:pid) AS done", pid=pid)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda folder: f"sqlite:///{folder}/nowhere/test.db", "unable to open database file"),
        (lambda folder: f"sqlite:///{junk(folder)}", "file is not a database"),
        (lambda folder: f"postgresql://me:secret@/x?host={folder}", "No such file"),
        (lambda _: "postgresql://me:secret@127.0.0.1:1/x", "refused|Connect call failed"),
    ],
)
def test_a_database_that_cannot_be_opened_says_why_and_no_secret(
    tmp_path: Path, make: Callable[[Path], str], reason: str
) -> None:
    with pytest.raises(DatabaseUnavailable, match=reason) as refused:
        asyncio.run(Database(make(tmp_path)).open())
    assert "secret" not in str(refused.value)


def junk(folder: Path) -> Path:
    path = folder / "junk.db"
    path.write_bytes(b"not a database at all" * 500)
    return path


def test_a_database_not_open_is_an_outage(url: str) -> None:
    async def main() -> None:
        database = Database(url)
        for _ in range(2):
            for work in (ids(database), put(database, "a"), database.insert_durable(NOTES, [()])):
                with pytest.raises(DatabaseUnavailable, match="is not open"):
                    await work
            await database.open()
            await database.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("sqlite:///:memory:", "in memory loses every event"),
        ("sqlite://", "with a path"),
        ("sqlite://test.db", "with a path"),
        ("sqlite:///test.db?mode=ro", "takes no options"),
        ("mysql://localhost/x", "begins with sqlite:/// or postgresql://, not mysql"),
        ("test.db", "not nothing"),
    ],
)
def test_a_url_we_cannot_use_is_refused_with_a_sentence(url: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Database(url)


def test_the_short_scheme_of_postgresql_works_too(postgresql_url: str) -> None:
    async def main() -> None:
        async with Database(postgresql_url.replace("postgresql://", "postgres://")) as database:
            assert database.dialect == "postgresql"
            async with database.read() as session:
                assert await session.one("SELECT 1 AS one") == {"one": 1}

    asyncio.run(main())


def test_transport_security_asked_for_in_the_url_is_not_dropped() -> None:
    received = []

    async def server_without_tls(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        received.append(await reader.readexactly(8))
        writer.write(b"N")
        received.append(await reader.read(1))
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(server_without_tls, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(DatabaseUnavailable, match="rejected SSL upgrade"):
            await Database(f"postgresql://me:x@127.0.0.1:{port}/x?sslmode=require").open()
        server.close()
        await server.wait_closed()

    asyncio.run(main())
    assert received[1:] == [b""], "nothing was sent in the clear"


# What is kept quiet, and who may look


def test_bound_values_never_reach_a_log(url: str, caplog: pytest.LogCaptureFixture) -> None:
    async def body(database: Database) -> None:
        logging.getLogger("databases").setLevel(logging.DEBUG)
        logging.getLogger("aiosqlite").setLevel(logging.DEBUG)
        await put(database, "card-4242")
        await database.insert_durable(NOTES, [("card-4243", 1, None)])
        async with database.read() as session:
            await session.all("SELECT id FROM notes WHERE id = :id", id="card-4242")

    with caplog.at_level(logging.DEBUG):
        with_tables(url, body)
    assert "card-42" not in caplog.text
    assert not [
        record
        for record in caplog.records
        if record.name in ("databases", "aiosqlite") and record.levelno < logging.INFO
    ]


DRIVERS = {"databases", "aiosqlite", "asyncpg", "sqlite3", "sqlalchemy"}
UNTRUSTED = {"execute", "execute_many"}


def modules() -> list[Path]:
    rooms = ("reconciler", "handlers", "jobs")
    return [path for room in rooms for path in sorted((ROOT / room).rglob("*.py"))]


def imported(tree: ast.AST) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.partition(".")[0])
    return names


def results_read(tree: ast.AST) -> set[int]:
    """Lines that use what execute() or execute_many() returned."""
    awaited = {
        id(node.value.value if isinstance(node.value, ast.Await) else node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr)
    }
    return {
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in UNTRUSTED
        and id(node) not in awaited
    }


def test_only_the_store_knows_a_database_driver() -> None:
    store = ROOT / "reconciler" / "store"
    for path in modules():
        if store not in path.parents:
            found = imported(ast.parse(path.read_text(encoding="utf-8"))) & DRIVERS
            assert not found, f"{path.relative_to(ROOT)} imports {found}"


def test_nobody_reads_what_execute_returns() -> None:
    assert results_read(ast.parse("row = await session.execute(sql)")) == {1}
    assert results_read(ast.parse("await raw.execute(sql)")) == set()
    layer = {"session.py", "connection.py"}  # pass it to a function that drops it
    for path in modules():
        lines = results_read(ast.parse(path.read_text(encoding="utf-8")))
        if path.parent.name == "store" and path.name in layer:
            continue
        assert not lines, f"{path.relative_to(ROOT)}:{sorted(lines)}"


def test_the_layer_loads_without_a_warning() -> None:
    command = [sys.executable, "-W", "error", "-c", "import reconciler.store.database"]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0
