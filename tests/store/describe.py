"""Says in lines of text what a database's schema is, so that two of them can be compared.

Column order, spacing and the way something came to be there do not show: only what holds now.
Lines of two engines differ; compare like with like.
"""

import re

from reconciler.store.database import Database, Session

_TOKEN = re.compile(
    r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|[\w.]+|[<>=!|:]+|[^\w\s]", re.DOTALL
)

_POSTGRESQL: tuple[str, ...] = (
    """
    SELECT 'table ' || c.relname AS line
    FROM pg_class c
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
    """,
    """
    SELECT 'view ' || c.relname || ' ' || pg_get_viewdef(c.oid) AS line
    FROM pg_class c
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('v', 'm')
    """,
    """
    SELECT 'column ' || c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
           || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END
           || CASE a.attidentity WHEN '' THEN '' ELSE ' IDENTITY ' || a.attidentity::text END
           || coalesce(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), '')
           || CASE WHEN co.collname = 'default' OR co.collname IS NULL THEN ''
                   ELSE ' COLLATE ' || co.collname END AS line
    FROM pg_attribute a
    JOIN pg_class c ON c.oid = a.attrelid
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    LEFT JOIN pg_collation co ON co.oid = a.attcollation
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
      AND a.attnum > 0 AND NOT a.attisdropped
    """,
    """
    SELECT 'constraint ' || k.conrelid::regclass::text || ' ' || k.conname || ' '
           || pg_get_constraintdef(k.oid) AS line
    FROM pg_constraint k WHERE k.connamespace = current_schema()::regnamespace AND k.conrelid <> 0
      AND k.contype <> 'n'
    """,
    """
    SELECT 'index ' || indexdef AS line FROM pg_indexes WHERE schemaname = current_schema()
    """,
    """
    SELECT 'trigger ' || pg_get_triggerdef(t.oid) AS line
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    WHERE c.relnamespace = current_schema()::regnamespace AND NOT t.tgisinternal
    """,
    """
    SELECT 'function ' || p.proname || ' ' || pg_get_functiondef(p.oid) AS line
    FROM pg_proc p WHERE p.pronamespace = current_schema()::regnamespace AND p.prokind = 'f'
    """,
)


async def describe(database: Database) -> list[str]:
    """One line per table, column, constraint, index, trigger and function, sorted."""
    async with database.read(snapshot=True) as session:
        if database.dialect == "sqlite":
            lines = await _sqlite(session)
        else:
            lines = [row["line"] for sql in _POSTGRESQL for row in await session.all(sql)]
    return sorted(_plain(line) for line in lines)


async def _sqlite(session: Session) -> list[str]:
    lines = []
    for item in await session.all("SELECT type, name, tbl_name, sql FROM sqlite_master"):
        if item["type"] == "table" and not item["name"].startswith("sqlite_"):
            lines += await _sqlite_table(session, item["name"], item["sql"])
        elif item["type"] in ("trigger", "view", "index") and item["sql"]:
            lines.append(f"{item['type']} {item['sql']}")
    return lines


async def _sqlite_table(session: Session, table: str, sql: str) -> list[str]:
    kinds = await session.one(
        "SELECT wr, strict FROM pragma_table_list WHERE schema = 'main' AND name = :name",
        name=table,
    )
    assert kinds is not None
    rowid = " WITHOUT ROWID" if kinds["wr"] else ""
    lines = [f"table {table}{rowid}{' STRICT' if kinds['strict'] else ''}"]
    for column in await session.all("SELECT * FROM pragma_table_xinfo(:name)", name=table):
        lines.append(
            f"column {table}.{column['name']} {column['type']}"
            f"{' NOT NULL' if column['notnull'] else ''}"
            f"{'' if column['dflt_value'] is None else ' DEFAULT ' + column['dflt_value']}"
            f"{' KEY ' + str(column['pk']) if column['pk'] else ''}"
            f"{' GENERATED' if column['hidden'] else ''}"
        )
    for key in await session.all("SELECT * FROM pragma_foreign_key_list(:name)", name=table):
        lines.append(
            f"foreign key {table}.{key['from']} -> {key['table']}.{key['to']}"
            f" update {key['on_update']} delete {key['on_delete']}"
        )
    for index in await session.all("SELECT * FROM pragma_index_list(:name)", name=table):
        if index["origin"] == "c":
            continue  # made by CREATE INDEX, and described by its text
        columns = await session.all("SELECT name FROM pragma_index_info(:name)", name=index["name"])
        kind = {"u": "unique", "pk": "primary key"}[index["origin"]]
        lines.append(f"{kind} {table} ({', '.join(column['name'] for column in columns)})")
    lines += [f"check {table} {check}" for check in _checks(sql)]
    return lines


def _checks(sql: str) -> list[str]:
    """The conditions of a CREATE TABLE, which SQLite keeps nowhere but in its text."""
    found: list[str] = []
    tokens = iter(_tokens(sql))
    for token in tokens:
        if token.upper() != "CHECK":
            continue
        condition = [next(tokens)]
        depth = 1
        while depth:
            condition.append(next(tokens))
            depth += {"(": 1, ")": -1}.get(condition[-1], 0)
        found.append(" ".join(condition))
    return found


def _plain(sql: str) -> str:
    """Without comments, and with the same spacing whoever wrote it."""
    return " ".join(_tokens(sql))


def _tokens(sql: str) -> list[str]:
    return [token for token in _TOKEN.findall(sql) if not token.startswith(("--", "/*"))]
