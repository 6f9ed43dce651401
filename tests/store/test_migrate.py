"""How a database comes to have the newest schema, and that it has all of it or none."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from reconciler.store.database import Database
from reconciler.store.migrate import (
    Migration,
    MigrationResult,
    NewerSchema,
    Schema,
    for_dialect,
    load_migrations,
    load_schema,
    migrate,
    schema_version,
)
from tests import engines
from tests.engines import outcome
from tests.store.describe import describe

ROOT = Path(__file__).parents[2]
NOW = 1_700_000_000

FIRST = """
-- People; with a semicolon in a comment.
CREATE TABLE people (
    id TEXT PRIMARY KEY,
    seq /*+sqlite INTEGER */ /*+postgresql BIGINT */ NOT NULL DEFAULT 0,
    note TEXT NOT NULL DEFAULT 'a; b 100% :x' CHECK (note <> 'x (y')
);
"""
APPEND_ONLY = """
/*+sqlite
CREATE TRIGGER people_stay BEFORE DELETE ON people BEGIN
    SELECT 1;
    SELECT RAISE(ABORT, 'people stay');
END;
*/
/*+postgresql
CREATE FUNCTION people_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'people stay';
END $$;
CREATE TRIGGER people_stay BEFORE DELETE ON people FOR EACH ROW EXECUTE FUNCTION people_stay();
*/
"""
LETTERS = """
CREATE TABLE letters (
    id TEXT PRIMARY KEY,
    person TEXT NOT NULL REFERENCES people (id)
)/*+sqlite WITHOUT ROWID*/;
CREATE INDEX letters_of ON letters (person) WHERE person <> '';
"""
SECOND = (
    """
ALTER TABLE people ADD COLUMN age BIGINT NOT NULL DEFAULT 0 CHECK (age >= 0);
"""
    + APPEND_ONLY
)
THIRD = LETTERS

SCHEMA = Schema(
    fresh=FIRST.replace(
        "note TEXT", "age BIGINT NOT NULL DEFAULT 0\n  CHECK ( age>=0 ),\n  note  TEXT"
    )
    + APPEND_ONLY
    + LETTERS,
    migrations=(
        Migration(1, "0001_baseline", FIRST),
        Migration(2, "0002_age", SECOND),
        Migration(3, "0003_letters", THIRD),
    ),
)


def up_to(version: int) -> Schema:
    return Schema(FIRST, SCHEMA.migrations[:version])


@pytest.fixture(params=engines.ENGINES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    engine: str = request.param
    server = request.getfixturevalue("pg_server") if engine == "postgresql" else None
    return engines.empty_url(engine, tmp_path, server)


@pytest.fixture
def second_url(request: pytest.FixtureRequest, url: str, tmp_path: Path) -> str:
    """Another empty database of the same engine."""
    folder = tmp_path / "second"
    folder.mkdir()
    engine = url.partition(":")[0]
    server = request.getfixturevalue("pg_server") if engine == "postgresql" else None
    return engines.empty_url(engine, folder, server)


def test_a_fresh_database_gets_the_whole_schema_at_the_newest_version(url: str) -> None:
    async def main() -> None:
        async with Database(url) as database:
            assert await schema_version(database) == 0
            result = await migrate(database, now=NOW, schema=SCHEMA)
            assert result == MigrationResult(0, 3, ("schema.sql",))
            assert await schema_version(database) == 3
            assert await migrate(database, now=NOW, schema=SCHEMA) == MigrationResult(3, 3, ())
            async with database.read() as session:
                rows = await session.all("SELECT version, name, applied_at FROM schema_version")
            assert rows == [{"version": 3, "name": "0003_letters", "applied_at": NOW}]

    asyncio.run(main())


def test_an_older_database_gets_what_it_lacks_in_order(url: str) -> None:
    async def main() -> None:
        async with Database(url) as database:
            await migrate(database, now=NOW, schema=up_to(1))
            async with database.write() as session:
                await session.run("INSERT INTO people (id) VALUES ('ann')")
            result = await migrate(database, now=NOW + 9, schema=SCHEMA)
            assert result == MigrationResult(1, 3, ("0002_age", "0003_letters"))
            async with database.read() as session:
                people = await session.all("SELECT id, note, age FROM people")
                stamps = await session.all(
                    "SELECT version, applied_at FROM schema_version ORDER BY version"
                )
            assert people == [{"id": "ann", "note": "a; b 100% :x", "age": 0}]
            assert [(row["version"], row["applied_at"]) for row in stamps] == [
                (1, NOW),
                (2, NOW + 9),
                (3, NOW + 9),
            ]

    asyncio.run(main())


def test_fresh_and_migrated_are_the_same_and_a_difference_shows(url: str, second_url: str) -> None:
    async def main() -> None:
        async with Database(url) as fresh, Database(second_url) as migrated:
            await migrate(fresh, now=NOW, schema=SCHEMA)
            for version in (1, 2, 3):
                await migrate(migrated, now=NOW, schema=up_to(version))
            expected = await describe(fresh)
            assert await describe(migrated) == expected
            for subject in ("table", "column", "trigger", "index", "check"):
                assert any(subject in line.lower() for line in expected)
            for change in (
                "CREATE TABLE more (id TEXT)",
                "ALTER TABLE letters ADD COLUMN more TEXT",
                "ALTER TABLE letters ADD COLUMN checked BIGINT CHECK (checked > 0)",
                "CREATE UNIQUE INDEX letters_once ON letters (id, person)",
                "DROP INDEX letters_of",
                "DROP TRIGGER people_stay"
                + (" ON people" if fresh.dialect == "postgresql" else ""),
            ):
                before = await describe(migrated)
                async with migrated.write_schema() as session:
                    await session.script(change)
                assert await describe(migrated) != before, change

    asyncio.run(main())


def test_the_shipped_schema_is_the_sum_of_the_shipped_migrations(url: str, second_url: str) -> None:
    async def main() -> None:
        shipped = load_schema()
        async with Database(url) as fresh, Database(second_url) as migrated:
            await migrate(fresh, now=NOW)
            for version in range(1, len(shipped.migrations) + 1):
                steps = shipped.migrations[:version]
                await migrate(migrated, now=NOW, schema=Schema(shipped.migrations[0].sql, steps))
            assert await describe(migrated) == await describe(fresh)

    asyncio.run(main())


def test_a_newer_database_is_refused_and_left_alone(url: str) -> None:
    async def main() -> None:
        async with Database(url) as database:
            await migrate(database, now=NOW, schema=SCHEMA)
            before = await describe(database)
            with pytest.raises(
                NewerSchema,
                match=r"has schema version 3 and this service knows 2: upgrade the service\.",
            ):
                await migrate(database, now=NOW, schema=up_to(2))
            assert await describe(database) == before
            assert await schema_version(database) == 3

    asyncio.run(main())


def test_a_migration_that_fails_leaves_nothing_of_itself_nor_of_those_before(url: str) -> None:
    broken = Schema(
        FIRST,
        (
            *SCHEMA.migrations[:2],
            Migration(3, "0003_broken", "CREATE TABLE half (id TEXT);\nCREATE TABLE people (x);"),
        ),
    )
    half_fresh = Schema("CREATE TABLE half (id TEXT);\nCREATE nonsense;", SCHEMA.migrations)

    async def main() -> None:
        async with Database(url) as database:
            nothing = await describe(database)
            assert isinstance(
                await outcome(migrate(database, now=NOW, schema=half_fresh)), Exception
            )
            assert await describe(database) == nothing
            await migrate(database, now=NOW, schema=up_to(1))
            before = await describe(database)
            assert isinstance(await outcome(migrate(database, now=NOW, schema=broken)), Exception)
            assert await describe(database) == before
            assert await schema_version(database) == 1
            await migrate(database, now=NOW, schema=SCHEMA)
            assert await schema_version(database) == 3

    asyncio.run(main())


MIGRATES = """
import asyncio, json, sys
from reconciler.store.database import Database
from reconciler.store.migrate import Migration, Schema, migrate

async def main():
    url, fresh, migrations = json.loads(sys.argv[1])
    schema = Schema(fresh, tuple(Migration(*step) for step in migrations))
    print("ready", flush=True)
    sys.stdin.readline()
    async with Database(url) as database:
        result = await migrate(database, now=1, schema=schema)
        print(json.dumps([result.before, result.after]), flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("before", [0, 1])
def test_processes_that_start_together_migrate_once(url: str, before: int) -> None:
    steps = [[step.version, step.name, step.sql] for step in SCHEMA.migrations]
    argument = json.dumps([url, SCHEMA.fresh, steps])

    async def start() -> "asyncio.subprocess.Process":
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(
            sys.executable, "-c", MIGRATES, argument, cwd=ROOT, stdin=pipe, stdout=pipe
        )

    async def result(child: Any) -> Any:
        out, _ = await child.communicate(b"go\n")
        return json.loads(out)

    async def main() -> None:
        if before:
            async with Database(url) as database:
                await migrate(database, now=NOW, schema=up_to(before))
        children = await asyncio.gather(*(start() for _ in range(2)))
        for child in children:
            assert child.stdout is not None
            await child.stdout.readline()
        results = await asyncio.gather(*(result(child) for child in children))
        assert sorted(results) == [[before, 3], [3, 3]]

    asyncio.run(main())


def test_a_migration_may_wait_for_another_as_long_as_that_takes(
    pg_server: engines.PgServer,
) -> None:
    url = pg_server.empty()

    async def main() -> None:
        async with Database(url) as database:
            async with database.write_schema() as session:
                assert await session.one("SHOW lock_timeout") == {"lock_timeout": "0"}
            async with database.write() as session:
                assert await session.one("SHOW lock_timeout") == {"lock_timeout": "5s"}

    asyncio.run(main())


def test_instances_in_one_process_migrate_once(url: str) -> None:
    async def main() -> None:
        async with Database(url) as one, Database(url) as other:
            results = await asyncio.gather(
                *(migrate(database, now=NOW, schema=SCHEMA) for database in (one, other))
            )
        assert sorted(result.before for result in results) == [0, 3]

    asyncio.run(main())


def test_a_table_can_be_rebuilt_without_losing_what_refers_to_it(url: str) -> None:
    rebuild = """
    /*+sqlite
    CREATE TABLE new_people (id TEXT PRIMARY KEY, note TEXT NOT NULL);
    INSERT INTO new_people SELECT id, note FROM people;
    DROP TABLE people;
    ALTER TABLE new_people RENAME TO people;
    */
    /*+postgresql ALTER TABLE people DROP COLUMN seq; */
    """
    orphans = "DELETE FROM people"

    async def main() -> None:
        async with Database(url) as database:
            plain = Schema(FIRST + LETTERS, SCHEMA.migrations[:1])
            await migrate(database, now=NOW, schema=plain)
            async with database.write() as session:
                await session.run("INSERT INTO people (id) VALUES ('ann')")
                await session.run("INSERT INTO letters (id, person) VALUES ('l', 'ann')")
            steps = (*plain.migrations, Migration(2, "0002_rebuild", rebuild))
            await migrate(database, now=NOW, schema=Schema(FIRST, steps))
            async with database.read() as session:
                assert await session.all("SELECT person FROM letters") == [{"person": "ann"}]
            bad = (*steps, Migration(3, "0003_orphans", orphans))
            assert isinstance(
                await outcome(migrate(database, now=NOW, schema=Schema(FIRST, bad))), Exception
            )
            assert await schema_version(database) == 2

            # Foreign keys are checked again afterwards.
            async def orphan() -> None:
                async with database.write() as session:
                    await session.run("INSERT INTO letters (id, person) VALUES ('m', 'nobody')")

            assert "foreign key" in str(await outcome(orphan())).lower()

    asyncio.run(main())


def test_what_one_engine_alone_understands_is_dropped_for_the_other() -> None:
    text = "a /*+sqlite b\nc */ d /*+postgresql e*/ /* kept */"
    assert for_dialect(text, "sqlite").split() == ["a", "b", "c", "d", "/*", "kept", "*/"]
    assert for_dialect(text, "postgresql").split() == ["a", "d", "e", "/*", "kept", "*/"]
    with pytest.raises(ValueError, match=r"/\*\+mysql names no engine"):
        for_dialect("/*+mysql x */", "sqlite")


def test_migrations_are_read_by_number_and_a_gap_is_refused(tmp_path: Path) -> None:
    (tmp_path / "0002_more.sql").write_text("b")
    (tmp_path / "0001_baseline.sql").write_text("a")
    steps = load_migrations(tmp_path)
    assert steps == (Migration(1, "0001_baseline", "a"), Migration(2, "0002_more", "b"))
    assert Schema("x", steps).newest.version == 2
    with pytest.raises(ValueError, match="without a gap"):
        Schema("x", steps[1:])
    with pytest.raises(ValueError, match="without a gap"):
        Schema("x", ())
    (tmp_path / "3_short.sql").write_text("c")
    with pytest.raises(ValueError, match=r"NNNN_word\.sql, not 3_short\.sql"):
        load_migrations(tmp_path)


def test_a_fresh_url_from_the_fixture_has_the_service_schema(database_url: str) -> None:
    async def main() -> None:
        async with Database(database_url) as database:
            assert await schema_version(database) == load_schema().newest.version

    asyncio.run(main())


@pytest.mark.parametrize("end", ["", ";", " -- end;", "\n-- end;\n", "; -- end", "; /* end; */ "])
def test_the_last_statement_runs_however_the_text_ends(url: str, end: str) -> None:
    async def main() -> None:
        async with Database(url) as database:
            async with database.write_schema() as session:
                await session.script(f"CREATE TABLE a (x BIGINT);\nCREATE TABLE b (x BIGINT){end}")
            assert {"table a", "table b"} <= set(await describe(database))

    asyncio.run(main())
