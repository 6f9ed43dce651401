"""One text for two engines, one row at a time or many at once."""

from typing import Any

import pytest

from reconciler.store import dialect
from reconciler.store.database import (
    Batch,
    Database,
    DatabaseUnavailable,
    SessionMisuse,
    UnportableSQL,
)
from tests.store.notes import NOTES, PLAIN_NOTES, ids, put, with_tables

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
            monkeypatch.setattr(session, "_raw", Counting(session._raw))
            await session.write_many(PLAIN_NOTES, [(str(n), n) for n in range(500)])
            monkeypatch.undo()
        assert Counting.calls == 1

    with_tables(url, body)
