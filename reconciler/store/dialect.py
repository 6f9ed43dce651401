"""One SQL text for two engines: checks it, fills in the parts that differ, builds batch inserts.

Statements are written once, with `:name` parameters. These are filled in per engine:

    {each:ids}         the elements of the list bound to `ids`, as text:   id IN {each:ids}
    {each_bigint:ids}  the same, as integers
    {for_update}       FOR UPDATE on PostgreSQL; nothing on SQLite, where a writer is alone
    {skip_locked}      FOR UPDATE SKIP LOCKED, likewise

PostgreSQL infers a parameter's type from what it is compared with or stored in. Where nothing
says it, as in `SELECT :x` or `:x IS NULL`, write `CAST(:x AS TEXT)` or `CAST(:x AS BIGINT)`.
It does not convert: an int is no value for a text column. Flags are BIGINT 0 or 1.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Literal

import sqlalchemy

from reconciler.store.errors import UnportableSQL

Dialect = Literal["sqlite", "postgresql"]
ColumnType = Literal["text", "bigint", "bytes"]

_POSTGRESQL_TYPE: Mapping[ColumnType, str] = {"text": "text", "bigint": "bigint", "bytes": "bytea"}

# SQLite's limit unless a build raises it; RETURNING needs a version that has at least this.
_SQLITE_VARIABLES = 32_766

# What SQLAlchemy takes for a parameter, wherever it stands, also inside a literal.
_PARAMETER = re.compile(r"(?<![:\w\\]):(\w+)(?!:)")
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/", re.DOTALL)
_MACRO = re.compile(r"\{([a-z_]+)(?::(\w+))?\}")

_SEVERAL = frozenset({list, tuple, set, frozenset, dict})
_as_json = json.JSONEncoder(ensure_ascii=False).encode

_EACH: Mapping[tuple[str, Dialect], str] = {
    ("each", "sqlite"): "(SELECT value FROM json_each(:{}))",
    ("each_bigint", "sqlite"): "(SELECT value FROM json_each(:{}))",
    ("each", "postgresql"): (
        "(SELECT each.value FROM json_array_elements_text(CAST(:{} AS json)) AS each(value))"
    ),
    ("each_bigint", "postgresql"): (
        "(SELECT CAST(each.value AS bigint)"
        " FROM json_array_elements_text(CAST(:{} AS json)) AS each(value))"
    ),
}
_LOCKS: Mapping[tuple[str, Dialect], str] = {
    ("for_update", "sqlite"): "",
    ("for_update", "postgresql"): "FOR UPDATE",
    ("skip_locked", "sqlite"): "",
    ("skip_locked", "postgresql"): "FOR UPDATE SKIP LOCKED",
}


@dataclass(frozen=True)
class Batch:
    """Many rows for one table in one statement. `tail` is what follows the values.

    Such as "ON CONFLICT (id) DO UPDATE SET x = excluded.x RETURNING id". With DO UPDATE the rows
    of one batch must not repeat a key: PostgreSQL refuses to update one row twice.
    """

    table: str
    columns: tuple[tuple[str, ColumnType], ...]
    tail: str = ""

    def __post_init__(self) -> None:
        _refuse_ambiguous(self.tail)
        if not self.columns:
            raise ValueError(f"A batch for {self.table} needs at least one column.")


@dataclass(frozen=True)
class Statement:
    """SQL text ready for one engine, with the names it needs; those in `lists` take a list."""

    text: sqlalchemy.TextClause
    names: frozenset[str]
    lists: frozenset[str]
    sql: str

    @cached_property
    def numbered(self) -> tuple[str, tuple[str, ...]]:
        """The text with asyncpg's own `$1`, `$2` …, and the names that they stand for."""
        order = tuple(sorted(self.names))
        numbers = {name: f"${number}" for number, name in enumerate(order, start=1)}
        return _PARAMETER.sub(lambda match: numbers[match[1]], self.text.text), order

    def values(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """The values as drivers take them; refuses a missing, surplus or unlisted list value."""
        if self.names != given.keys():
            raise UnportableSQL(
                f"The values given are {sorted(given)} and the statement names"
                f" {sorted(self.names)}: {self.sql}"
            )
        if not self.lists and _SEVERAL.isdisjoint(map(type, given.values())):
            return given
        return {name: self._value(name, given[name]) for name in given}

    def _value(self, name: str, value: Any) -> Any:
        if name in self.lists:
            return _as_json(list(value))
        if isinstance(value, tuple(_SEVERAL)):
            raise UnportableSQL(f"{name} is a list and wants {{each:{name}}}: {self.sql}")
        return value


@lru_cache(maxsize=2048)
def prepared(sql: str, dialect: Dialect) -> Statement:
    """The text for `dialect`; raises UnportableSQL for text the engines would read differently."""
    _refuse_ambiguous(sql)
    lists: set[str] = set()
    text = _MACRO.sub(_filler(dialect, lists, sql), sql)
    names = frozenset(_PARAMETER.findall(text))
    return Statement(sqlalchemy.text(text), names, frozenset(lists), sql)


def _filler(dialect: Dialect, lists: set[str], sql: str) -> Callable[[re.Match[str]], str]:
    def fill(match: re.Match[str]) -> str:
        word, name = match[1], match[2]
        if name is None and (word, dialect) in _LOCKS:
            return _LOCKS[word, dialect]
        if name is not None and (word, dialect) in _EACH:
            lists.add(name)
            return _EACH[word, dialect].format(name)
        raise UnportableSQL(f"{match[0]} is not one of the words in braces we know: {sql}")

    return fill


def _refuse_ambiguous(sql: str) -> None:
    if "%" in sql:
        raise UnportableSQL(f"% is taken for a placeholder; pass it in a parameter: {sql}")
    for quoted in _QUOTED.findall(sql):
        found = _PARAMETER.search(quoted)
        if found:
            raise UnportableSQL(
                f"{found[0]} inside a literal or a comment is taken for a parameter;"
                f" pass the text in a parameter: {sql}"
            )


@lru_cache(maxsize=1024)
def sqlite_insert(batch: Batch, count: int) -> str:
    """One INSERT with `count` rows of question marks."""
    marks = "(" + ", ".join("?" * len(batch.columns)) + ")"
    return f"{_insert(batch)} VALUES {', '.join([marks] * count)} {batch.tail}"


@lru_cache(maxsize=256)
def postgresql_insert(batch: Batch) -> str:
    """One INSERT that takes one array per column, for any number of rows."""
    arrays = ", ".join(
        f"${number}::{_POSTGRESQL_TYPE[kind]}[]"
        for number, (_, kind) in enumerate(batch.columns, start=1)
    )
    return f"{_insert(batch)} SELECT * FROM unnest({arrays}) {batch.tail}"


def arrays(rows: Sequence[Sequence[object]]) -> list[list[object]]:
    """Rows turned into one list per column, as `postgresql_insert` takes them."""
    return [list(column) for column in zip(*rows, strict=True)]


def chunks(batch: Batch, rows: Sequence[Sequence[object]]) -> list[Sequence[Sequence[object]]]:
    """`rows` cut so that each part fits one SQLite statement."""
    size = max(1, _SQLITE_VARIABLES // len(batch.columns))
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def flat(rows: Sequence[Sequence[object]]) -> list[object]:
    """Every value of every row, as `sqlite_insert` takes them."""
    return [value for row in rows for value in row]


def _insert(batch: Batch) -> str:
    return f"INSERT INTO {batch.table} ({', '.join(name for name, _ in batch.columns)})"
