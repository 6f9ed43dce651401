"""A run of many findings as a file: how long it takes, and whether a longer one needs more memory.

Each file is written by a process of its own, so that its memory is its own.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.outcome import Outcome, Say, peak_megabytes, progress, require, workplace
from reconciler.app import World, build_context
from reconciler.domain.findings import Cause, Finding, FindingKind
from reconciler.reconciling.exports import exported
from reconciler.settings import Settings
from reconciler.store import runs
from reconciler.store.database import Database
from tests import engines

FEW, MANY = 10_000, 100_000
LONGEST_SECONDS = 10.0
MOST_TIMES_MEMORY = 1.25
NOW = 1_790_000_000
FORMATS = ("xlsx", "csv", "json")


def measure(console: Console) -> list[Outcome]:
    """Both runs are written, then each is exported in every format."""
    told: dict[tuple[str, int], dict[str, Any]] = {}
    with workplace() as folder, progress(console, "Exporting") as say:
        url = engines.migrated_url("sqlite", folder, None)
        asyncio.run(_write(url, say))
        for format in FORMATS:
            for count in (FEW, MANY):
                told[format, count] = _exported(url, count, format, folder)
                seconds = told[format, count]["seconds"]
                say(f"{format}, {count:,} findings: {seconds:.1f} s")
    return [outcome for format in FORMATS for outcome in _outcomes(format, told)]


async def _write(url: str, say: Say) -> None:
    coverage = {"as_of": NOW, "complete": True, "errors": [], "walks": [], "stripe_accounts": []}
    async with Database(url) as database:
        for count in (FEW, MANY):
            say(f"writing a run of {count:,} findings")
            found = [(f"fnd_{n:07d}", NOW, _finding(n)) for n in range(count)]
            async with database.write() as session:
                run = {
                    "id": f"run_{count}", "started_at": NOW, "finished_at": NOW,
                    "status": "drift", "coverage": coverage, "bridge": [],
                    "drift": {"drift": {}, "timing": {}}, "counts": {"open": count, "timing": 0},
                }  # fmt: skip
                stored = [_stored(*one) for one in found]
                await runs.save_run(session, run, stored)


def _finding(number: int) -> Finding:
    return Finding(
        FindingKind.MISSING_IN_BOOKS,
        Cause.EVENT_NOT_RECEIVED,
        "platform",
        f"ch_{number:024d}",
        "usd",
        1_000 + number,
        0,
        f"Stripe sent evt_{number:024d} (charge.succeeded); it was not received.",
        at_risk=1_000 + number,
        repair=f"resync ch_{number:024d}",
        evidence=({"object": f"ch_{number:024d}", "as_of": NOW},),
    )


def _stored(id: str, first_seen: int, finding: Finding) -> dict[str, Any]:
    return {
        **finding.told(),
        "id": id,
        "status": "open",
        "difference": finding.difference,
        "first_seen": first_seen,
        "last_seen": first_seen,
        "expected_clear_by": 0,
        "cleared_at": 0,
        "explanation": finding.explanation,
        "proposed_repair": finding.repair,
    }


def _exported(url: str, count: int, format: str, folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.exporting", url, f"run_{count}", format]
    file = folder / f"run.{format}"
    with file.open("wb") as out:
        done = subprocess.run(command, check=True, stdout=out, stderr=subprocess.PIPE)
    require(file.stat().st_size > 10 * count, f"the {format} of {count:,} findings is too short")
    return dict(json.loads(done.stderr))


async def _export(url: str, id: str, format: str) -> None:
    settings = Settings.model_validate({"DATABASE_URL": url})
    async with Database(url) as database:
        context = build_context(settings, database, World(lambda: NOW, lambda prefix: prefix))
        async with database.read() as session:
            run = await runs.run(session, id)
        require(run is not None, f"there is no {id}")
        assert run is not None
        begun = time.perf_counter()
        async for piece in exported(context, run, format):
            sys.stdout.buffer.write(piece)
        seconds = time.perf_counter() - begun
    megabytes = peak_megabytes()
    sys.stderr.write(json.dumps({"seconds": seconds, "megabytes": megabytes}))


def _outcomes(format: str, told: dict[tuple[str, int], dict[str, Any]]) -> list[Outcome]:
    few, many = told[format, FEW], told[format, MANY]
    seconds, grown = many["seconds"], many["megabytes"] / few["megabytes"]
    return [
        Outcome(
            f"{format} of {MANY:,} findings",
            f"{LONGEST_SECONDS:.0f} s",
            f"{seconds:.1f} s",
            f"{seconds / LONGEST_SECONDS:.2f} x",
            f"< {LONGEST_SECONDS:.0f} s",
            seconds < LONGEST_SECONDS,
        ),
        Outcome(
            f"its memory against {FEW:,}",
            f"{few['megabytes']:.0f} MB",
            f"{many['megabytes']:.0f} MB",
            f"{grown:.2f} x",
            f"<= {MOST_TIMES_MEMORY} x",
            grown <= MOST_TIMES_MEMORY,
        ),
    ]


if __name__ == "__main__":
    asyncio.run(_export(*sys.argv[1:4]))
