"""One commit for many: each member whole or absent by itself, and told only when it is durable."""

import asyncio
import signal
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from reconciler.store import shared_commit
from reconciler.store.database import Database, DatabaseUnavailable, SessionMisuse
from tests.engines import outcome
from tests.store.notes import PLAIN_NOTES, ROOT, elsewhere, ids, put, with_tables
from tests.store.test_transactions import interrupted_everywhere

INSERT = "INSERT INTO notes (id, n) VALUES (:id, :n)"


async def note(database: Database, id: str, n: int = 0) -> None:
    async with database.write(brief=True) as session:
        await session.run(INSERT, id=id, n=n)


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    """What the writer's connection is asked to do meanwhile."""
    seen: list[str] = []
    assert database._writer is not None
    raw = database._writer.raw_connection._conn
    raw.set_trace_callback(seen.append)
    try:
        yield seen
    finally:
        raw.set_trace_callback(None)


def test_those_who_come_together_share_one_commit(sqlite_url: str) -> None:
    async def body(database: Database) -> None:
        with statements(database) as seen:
            await asyncio.gather(*(note(database, str(number)) for number in range(20)))
        assert [text for text in seen if text.startswith(("BEGIN", "COMMIT"))] == [
            "BEGIN IMMEDIATE",
            "COMMIT",
        ]
        assert len(await ids(database)) == 20

    with_tables(sqlite_url, body)


def test_one_commit_takes_only_so_many(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_commit, "MOST_IN_ONE", 3)

    async def body(database: Database) -> None:
        with statements(database) as seen:
            await asyncio.gather(*(note(database, str(number)) for number in range(7)))
        assert seen.count("COMMIT") == 3
        assert len(await ids(database)) == 7

    with_tables(sqlite_url, body)


@pytest.mark.parametrize(
    "failure", [KeyError("a"), asyncio.CancelledError(), GeneratorExit()], ids=repr
)
def test_a_member_that_fails_is_undone_alone(url: str, failure: BaseException) -> None:
    async def body(database: Database) -> None:
        async def fail() -> None:
            async with database.write_books(brief=True) as session:
                await session.run(INSERT, id="lost", n=1)
                await session.write_many(PLAIN_NOTES, [("lost too", 2)])
                raise failure

        done = await asyncio.gather(
            note(database, "before"), outcome(fail()), note(database, "after")
        )
        assert done == [None, failure, None]
        assert await ids(database) == ["after", "before"]

    with_tables(url, body)


def test_a_member_whose_statement_fails_is_undone_alone(url: str) -> None:
    async def body(database: Database) -> None:
        await put(database, "taken")

        async def twice(*, caught: bool) -> None:
            async with database.write(brief=True) as session:
                await session.run(INSERT, id=f"lost {caught}", n=1)
                again = session.run(INSERT, id="taken", n=1)
                await (outcome(again) if caught else again)

        first, seen, hidden, last = await asyncio.gather(
            note(database, "a"),
            outcome(twice(caught=False)),
            outcome(twice(caught=True)),
            note(database, "b"),
        )
        assert first is last is None
        assert "unique" in str(seen).lower()
        assert isinstance(hidden, SessionMisuse)
        assert await ids(database) == ["a", "b", "taken"]

    with_tables(url, body)


def test_a_member_sees_those_before_it_and_not_what_was_undone(sqlite_url: str) -> None:
    async def body(database: Database) -> None:
        async def count(*, fail: bool = False) -> int:
            async with database.write(brief=True) as session:
                row = await session.one("SELECT count(*) AS n FROM notes")
                assert row is not None
                await session.run(INSERT, id=f"note {row['n']}", n=0)
                if fail:
                    raise KeyError
                return int(row["n"])

        found = await asyncio.gather(count(), outcome(count(fail=True)), count(), count())
        assert [found[0], *found[2:]] == [0, 1, 2]
        assert len(await ids(database)) == 3

    with_tables(sqlite_url, body)


def test_nobody_is_told_before_it_is_durable(sqlite_url: str) -> None:
    async def body(database: Database) -> None:
        held, release = asyncio.Event(), asyncio.Event()

        async def slow() -> None:
            async with database.write(brief=True) as session:
                await session.run(INSERT, id="slow", n=0)
                held.set()
                await release.wait()

        quick, waiting = asyncio.create_task(note(database, "quick")), asyncio.create_task(slow())
        await held.wait()
        for _ in range(10):
            await asyncio.sleep(0)
        # It has ended and shares the commit of one that has not: a crash now would lose both.
        assert not quick.done()
        assert await ids(database) == []
        release.set()
        await asyncio.gather(quick, waiting)
        assert await ids(database) == ["quick", "slow"]

    with_tables(sqlite_url, body)


def test_cancelled_at_any_await_a_member_is_whole_or_absent_and_harms_no_other(url: str) -> None:
    async def body(database: Database) -> None:
        others: list[asyncio.Task[None]] = []

        async def work(n: int) -> None:
            others.append(elsewhere(note(database, f"{n}-before")))
            await asyncio.sleep(0)
            others.append(elsewhere(note(database, f"{n}-after")))
            async with database.write_books(brief=True) as session:
                await session.run(INSERT, id=f"{n}-one", n=1)
                await asyncio.sleep(0)
                await session.write_many(PLAIN_NOTES, [(f"{n}-two", 2)])

        async def check(n: int) -> None:
            await asyncio.gather(*others)
            around = [f"{n}-after"] * (len(others) > 1) + [f"{n}-before"]
            others.clear()
            found = [id for id in await ids(database) if id.startswith(f"{n}-")]
            assert found in (around, sorted([*around, f"{n}-one", f"{n}-two"]))
            async with Database(url, busy_timeout_seconds=0.001) as other:
                await put(other, f"free-{n}")

        assert await interrupted_everywhere(work, check) > 3

    with_tables(url, body)


def test_a_member_cancelled_before_its_turn_is_passed_over(sqlite_url: str) -> None:
    async def body(database: Database) -> None:
        async with database.write() as session:
            members = [elsewhere(note(database, id)) for id in ("a", "gone", "b")]
            await asyncio.sleep(0)
            members[1].cancel()
            await session.run(INSERT, id="first", n=0)
        found = [await outcome(member) for member in members]
        assert found[0] is found[2] is None
        assert isinstance(found[1], asyncio.CancelledError)
        assert await ids(database) == ["a", "b", "first"]

    with_tables(sqlite_url, body)


def test_a_commit_that_fails_fails_for_all_and_leaves_the_connection_usable(
    sqlite_url: str,
) -> None:
    async def body(database: Database) -> None:
        async def nowhere() -> None:
            async with database.write(brief=True) as session:
                await session.run("INSERT INTO pages (note) VALUES ('nowhere')")

        found = await asyncio.gather(
            outcome(note(database, "a")), outcome(nowhere()), outcome(note(database, "b"))
        )
        assert [type(error) for error in found] == [sqlite3.IntegrityError] * 3
        assert await ids(database) == []
        await note(database, "kept")
        assert await ids(database) == ["kept"]

    with_tables(sqlite_url, body)


def test_a_locked_file_is_an_outage_for_all_who_wait(sqlite_url: str) -> None:
    async def body(_: Database) -> None:
        async with (
            Database(sqlite_url) as holder,
            Database(sqlite_url, busy_timeout_seconds=0.01) as database,
        ):
            async with holder.write():
                work = [elsewhere(note(database, str(number))) for number in range(3)]
                found = [await outcome(each) for each in work]
            assert [type(error) for error in found] == [DatabaseUnavailable] * 3
            await note(database, "kept")
            assert await ids(database) == ["kept"]

    with_tables(sqlite_url, body)


def test_a_full_disk_loses_nothing_that_was_acknowledged(sqlite_url: str) -> None:
    async def body(database: Database) -> None:
        async def large(number: int) -> None:
            async with database.write(brief=True) as session:
                id, text = f"{number:03}", "x" * 3000
                await session.run(
                    "INSERT INTO notes (id, body) VALUES (:id, CAST(:text AS BLOB))",
                    id=id,
                    text=text,
                )

        async with database.write() as session:
            await session.run("PRAGMA max_page_count = 40")
        found = await asyncio.gather(*(outcome(large(number)) for number in range(100)))
        kept = [f"{number:03}" for number, error in enumerate(found) if error is None]
        errors = [error for error in found if error is not None]
        assert errors
        assert all(isinstance(error, DatabaseUnavailable) for error in errors)
        assert await ids(database) == kept
        async with database.write() as session:
            await session.run("PRAGMA max_page_count = 1000")
        await large(999)

    with_tables(sqlite_url, body)


def test_members_and_those_who_write_alone_take_turns(url: str) -> None:
    async def body(database: Database) -> None:
        async with Database(url) as other:

            async def add_one(instance: Database, *, brief: bool) -> None:
                async with instance.write_books(brief=brief) as session:
                    row = await session.one("SELECT n FROM notes WHERE id = 'a'")
                    assert row is not None
                    await session.run("UPDATE notes SET n = :n WHERE id = 'a'", n=row["n"] + 1)

            await put(database, "a", 0)
            turns = [([database, other][n % 2], n % 3 > 0) for n in range(60)]
            await asyncio.gather(*(add_one(instance, brief=brief) for instance, brief in turns))
            async with database.read(brief=True) as session:
                assert await session.one("SELECT n FROM notes") == {"n": 60}

    with_tables(url, body)


def test_a_session_inside_a_brief_one_is_refused(url: str) -> None:
    async def body(database: Database) -> None:
        for outer in (database.write, database.write_books, database.read):
            async with outer(brief=True):
                for inner in (database.write, database.write_books, database.read):
                    with pytest.raises(SessionMisuse):
                        async with inner(brief=True):
                            pass

    with_tables(url, body)


def test_a_brief_snapshot_sees_one_moment(url: str) -> None:
    async def body(database: Database) -> None:
        count = "SELECT count(*) AS n FROM notes"
        async with database.read(snapshot=True, brief=True) as session:
            before = await session.one(count)
            await elsewhere(note(database, "a"))
            assert await session.one(count) == before == {"n": 0}
        async with database.read(brief=True) as session:
            assert await session.one(count) == {"n": 1}

    with_tables(url, body)


def test_a_brief_read_cannot_write(sqlite_url: str) -> None:
    async def body(database: Database) -> None:
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            async with database.read(brief=True) as session:
                await session.run(INSERT, id="a", n=0)

    with_tables(sqlite_url, body)


DIES_BETWEEN = """
import asyncio, os, signal, sys
from reconciler.store.database import Database

async def note(database, id, dies):
    async with database.write(brief=True) as session:
        await session.run("INSERT INTO notes (id) VALUES (:id)", id=id)
        if dies:
            os.kill(os.getpid(), signal.SIGKILL)
    print(id, flush=True)

async def main():
    async with Database(sys.argv[1]) as database:
        for number in range(5):
            await asyncio.gather(*(
                note(database, f"{number}-{member}", number == 4 and member == 2)
                for member in range(4)
            ))

asyncio.run(main())
"""


def test_a_crash_between_members_leaves_none_of_them_and_all_that_was_told(
    sqlite_url: str,
) -> None:
    async def body(database: Database) -> None:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", DIES_BETWEEN, sqlite_url, cwd=ROOT, stdout=asyncio.subprocess.PIPE
        )
        told, _ = await child.communicate()
        assert child.returncode == -signal.SIGKILL
        whole = [f"{number}-{member}" for number in range(4) for member in range(4)]
        assert told.decode().split() == whole
        assert await ids(database) == whole

    with_tables(sqlite_url, body)
