"""What is durable, what an outage looks like, and what is kept quiet."""

import ast
import asyncio
import logging
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.store import connection as connections
from reconciler.store.database import (
    Batch,
    Database,
    DatabaseUnavailable,
    Session,
    WeakDurability,
)
from tests.engines import outcome
from tests.store.notes import NOTES, ROOT, elsewhere, ids, put, tables, with_tables

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
