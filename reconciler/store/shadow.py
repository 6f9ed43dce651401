"""Shadow tables: for the length of one transaction, each table of ours has an empty one in front of
it, on this connection alone.

What reads by a table's plain name then reads the shadow, so that the service's own statements can
be tried on rows that never were in the books. The caller always rolls back. What is planted names
the shadow outright: without one it fails, and cannot reach a real table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler.store.database import Batch, ColumnType, Session
from reconciler.store.dialect import Dialect

_TABLES: Mapping[Dialect, str] = {
    "sqlite": "SELECT name, 'main' AS home FROM main.sqlite_master WHERE type = 'table'"
    " AND SUBSTR(name, 1, 7) <> 'sqlite_' ORDER BY name",
    "postgresql": "SELECT CAST(tablename AS TEXT) AS name, CAST(schemaname AS TEXT) AS home"
    " FROM pg_tables"
    " WHERE schemaname = current_schema() ORDER BY tablename",
}
_ROOM: Mapping[Dialect, str] = {"sqlite": "temp", "postgresql": "pg_temp"}

_IN_FRONT = "SELECT set_config('search_path', 'pg_temp, ' || current_setting('search_path'), true)"
"""By a setting and not by PostgreSQL's own order alone: a statement prepared before is then parsed
again. https://www.postgresql.org/docs/current/sql-prepare.html"""

Planted = Mapping[str, Sequence[Mapping[str, object]]]
"""Rows by the name of their table; all rows of a table have the same columns."""


async def plant(session: Session, rows: Planted) -> None:
    """Every table is shadowed until the transaction ends, and the shadows hold these rows.

    A table without rows is shadowed by a view of nothing: that costs no file.
    """
    room = _ROOM[session.dialect]
    tables = await session.all(_TABLES[session.dialect])
    await session.script(";".join(_shadow(row["name"], row["home"], rows) for row in tables))
    if session.dialect == "postgresql":
        await session.run(_IN_FRONT)
    for table, planted in rows.items():
        columns = tuple((name, _type(value)) for name, value in planted[0].items())
        batch = Batch(f"{room}.{table}", columns)
        await session.write_many(batch, [[row[name] for name, _ in columns] for row in planted])


def _shadow(name: str, home: str, rows: Planted) -> str:
    what = "TABLE" if name in rows else "VIEW"
    return f"CREATE TEMP {what} {name} AS SELECT * FROM {home}.{name} WHERE 1 = 0"


def _type(value: object) -> ColumnType:
    if isinstance(value, bytes):
        return "bytes"
    return "bigint" if isinstance(value, int) else "text"
