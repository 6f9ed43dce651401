"""Transactions whole or absent, reads that wait for nobody, one session for one task."""

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine, Generator
from typing import Any

import pytest

from reconciler.store import connection as connections
from reconciler.store.database import (
    Database,
    DatabaseUnavailable,
    SessionMisuse,
)
from tests.engines import outcome
from tests.store.notes import NOTES, PLAIN_NOTES, elsewhere, ids, put, tables, with_tables

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
