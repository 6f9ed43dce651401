"""`python -m bench [NAME …]`: run the measurements, all or those named, and print one table.

A target that is missed is shown and fails nothing, since the machine may be busy; what was measured
doing its work wrongly exits with 1.
"""

from __future__ import annotations

import argparse
import os
import platform
import sqlite3
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

from bench import applying, audit, checking, commands, exporting, simulator, webhooks
from bench.outcome import Outcome, Wrong
from reconciler.app import configure_logging

MEASUREMENTS: dict[str, Callable[[Console], list[Outcome]]] = {
    "webhooks": webhooks.measure,
    "applying": applying.measure,
    "checking": checking.measure,
    "audit": audit.measure,
    "exporting": exporting.measure,
    "commands": commands.measure,
    "simulator": simulator.measure,
}


def main() -> int:
    """The exit code: 0, or 1 if a check of correctness failed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Speed, as ratios.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(MEASUREMENTS)}")
    names = parser.parse_args().names or list(MEASUREMENTS)
    unknown = [name for name in names if name not in MEASUREMENTS]
    if unknown:
        parser.error(f"there is no measurement {unknown[0]}; there are {', '.join(MEASUREMENTS)}")
    configure_logging("warning")
    console = Console()
    begun = time.perf_counter()
    outcomes: list[Outcome] = []
    wrong: list[str] = []
    for name in names:
        try:
            outcomes += MEASUREMENTS[name](console)
        except Wrong as error:
            wrong.append(f"{name}: {error}")
    console.print(_table(outcomes))
    console.print(_footing(time.perf_counter() - begun), style="dim")
    for text in wrong:
        console.print(f"WRONG  {text}", style="bold red", markup=False)
    return 1 if wrong else 0


def _table(outcomes: list[Outcome]) -> Table:
    table = Table(title="Speed: ours beside a reference in the same run", title_justify="left")
    for heading in ("measurement", "reference", "ours", "ratio", "target", ""):
        figure = heading not in ("measurement", "")
        table.add_column(heading, justify="right" if figure else "left", no_wrap=figure)
    for outcome in outcomes:
        verdict = "[green]met[/]" if outcome.met else "[yellow]not met[/]"
        table.add_row(
            outcome.measurement,
            outcome.reference,
            outcome.ours,
            outcome.ratio,
            outcome.target,
            verdict,
        )
    return table


def _footing(seconds: float) -> str:
    load = os.getloadavg()[0]
    cores = os.cpu_count() or 1
    busy = " Other work kept the machine busy: expect figures to vary." if load > 2 * cores else ""
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {seconds:.0f} s · {platform.machine()},"
        f" {cores} cores, load {load:.1f} · Python {platform.python_version()}"
        f" · SQLite {sqlite3.sqlite_version} · files in var/ of this checkout.{busy}"
    )


if __name__ == "__main__":
    sys.exit(main())
