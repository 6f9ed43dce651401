"""Brings the schema to the version this code was written for; knows no table but its own.

`schema.sql` is the readable sum of all migrations; a fresh database gets it in one go, an older one
the migrations it has not had. Either way all of it happens or none. One text serves both engines;
what only one of them understands stands in a special comment:

    /*+sqlite … */    /*+postgresql … */

which is opened on that engine and dropped on the other.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from reconciler.store.database import Database, Session
from reconciler.store.dialect import Dialect

_MIGRATION_FILE = re.compile(r"(\d{4})_(\w+)\.sql")
_ONLY = re.compile(r"/\*\+(\w+)\s(.*?)\*/", re.DOTALL)

_VERSION_TABLE = """
CREATE TABLE IF NOT EXISTS schema_version (
    version BIGINT PRIMARY KEY,
    name TEXT NOT NULL,
    applied_at BIGINT NOT NULL
);
"""
_VERSION_TABLE_EXISTS: dict[Dialect, str] = {
    "sqlite": "SELECT 1 AS found FROM sqlite_master WHERE type = 'table' AND name = :name",
    "postgresql": "SELECT 1 AS found WHERE to_regclass(:name) IS NOT NULL",
}


class NewerSchema(Exception):
    """The database has been through migrations this code does not know."""


@dataclass(frozen=True)
class Migration:
    """One step: its number, counted from 1, its name and its text."""

    version: int
    name: str
    sql: str


@dataclass(frozen=True)
class Schema:
    """What a fresh database gets, and the steps that lead an older one to the same."""

    fresh: str
    migrations: tuple[Migration, ...]

    def __post_init__(self) -> None:
        versions = [migration.version for migration in self.migrations]
        if not versions or versions != list(range(1, len(versions) + 1)):
            raise ValueError(f"Migrations count from 0001 without a gap; these are {versions}.")

    @property
    def newest(self) -> Migration:
        return self.migrations[-1]


@dataclass(frozen=True)
class MigrationResult:
    """The version before and after, and the names of what was applied, in order."""

    before: int
    after: int
    applied: tuple[str, ...]


async def migrate(database: Database, *, now: int, schema: Schema | None = None) -> MigrationResult:
    """The database has the newest schema, whichever process brought it there.

    Several may start at once: one migrates, the others wait and find it done. Raises NewerSchema
    and changes nothing if the database is ahead of this code.
    """
    schema = schema or load_schema()
    async with database.write_schema() as session:
        await session.script(_VERSION_TABLE)
        before = await _version(session)
        newest = schema.newest
        if before > newest.version:
            raise NewerSchema(
                f"The database has schema version {before} and this service knows"
                f" {newest.version}: upgrade the service."
            )
        if before == 0:
            await session.script(for_dialect(schema.fresh, database.dialect))
            await _stamp(session, newest, now)
            return MigrationResult(0, newest.version, ("schema.sql",))
        missing = schema.migrations[before:]
        for migration in missing:
            await session.script(for_dialect(migration.sql, database.dialect))
            await _stamp(session, migration, now)
        return MigrationResult(before, newest.version, tuple(step.name for step in missing))


async def schema_version(database: Database) -> int:
    """The version of the schema the database has; 0 if it never had one."""
    async with database.read() as session:
        exists = await session.one(_VERSION_TABLE_EXISTS[database.dialect], name="schema_version")
        return await _version(session) if exists else 0


def load_schema() -> Schema:
    """The schema as shipped: beside this file in a wheel, at the root in a checkout."""
    packaged = Path(__file__).with_name("schema.sql")
    root = Path(__file__).parents[2] / "schema.sql"
    fresh = packaged if packaged.exists() else root
    migrations = load_migrations(Path(__file__).with_name("migrations"))
    return Schema(fresh.read_text(encoding="utf-8"), migrations)


def load_migrations(folder: Path) -> tuple[Migration, ...]:
    """The steps in `folder`, by number; raises ValueError for a file that is not NNNN_word.sql."""
    migrations = []
    for path in sorted(folder.glob("*.sql")):
        match = _MIGRATION_FILE.fullmatch(path.name)
        if match is None:
            raise ValueError(f"A migration is named NNNN_word.sql, not {path.name}.")
        migrations.append(Migration(int(match[1]), path.stem, path.read_text(encoding="utf-8")))
    return tuple(migrations)


def for_dialect(sql: str, dialect: Dialect) -> str:
    """`sql` with what is meant for this engine opened, and what is meant for the other dropped."""

    def opened(match: re.Match[str]) -> str:
        if match[1] not in ("sqlite", "postgresql"):
            raise ValueError(f"/*+{match[1]} names no engine we know.")
        return match[2] if match[1] == dialect else ""

    return _ONLY.sub(opened, sql)


async def _version(session: Session) -> int:
    row = await session.one("SELECT coalesce(max(version), 0) AS version FROM schema_version")
    assert row is not None
    version: int = row["version"]
    return version


async def _stamp(session: Session, migration: Migration, now: int) -> None:
    await session.run(
        "INSERT INTO schema_version (version, name, applied_at) VALUES (:version, :name, :now)",
        version=migration.version,
        name=migration.name,
        now=now,
    )
