"""Runs to take away, and to verify where no service is.

Must not do anything that a use case does not do.
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from reconciler.command_line.terminal import (
    COULD_NOT_RUN,
    FINE,
    PROBLEM,
    err,
    out,
    print_json,
    with_context,
)
from reconciler.context import Context
from reconciler.reconciling import exports
from reconciler.reconciling.verify import NotARun, Said
from reconciler.reconciling.verify import verify as verify_now
from reconciler.settings import BadSettings
from reconciler.store import runs


def export(
    run: Annotated[str, typer.Argument(help="A run's id, or latest.")] = "latest",
    format: Annotated[str, typer.Option(help="json, csv or xlsx.")] = "json",
) -> None:
    """Write a run to standard output as a file."""
    if format not in exports.FORMATS:
        raise BadSettings("--format must be json, csv or xlsx.")
    if format == "xlsx" and sys.stdout.isatty():
        raise BadSettings("A workbook is no text: send it to a file, with > run.xlsx.")

    async def work(context: Context) -> int:
        async with context.database.read() as session:
            row = await runs.run(session, run)
        if row is None:
            raise BadSettings(f"There is no run {run!r}; 'reconciler check' writes one.")
        async for piece in exports.exported(context, row, format):
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        return FINE

    with_context(work)


def verify(
    file: Annotated[Path, typer.Argument(help="A run exported as JSON.")],
    sha256: Annotated[str, typer.Option(help="The run's digest, as the service shows it.")] = "",
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Judge an exported run again, offline: 0 if all of it agrees, 1 if not, 2 if it is none."""
    try:
        said = verify_now(file.read_bytes(), sha256.strip().lower())
    except OSError as error:
        raise _no_run(f"{file} cannot be read: {error.strerror}.") from None
    except NotARun as error:
        raise _no_run(f"{file}: {error}") from None
    if json:
        print_json({"agrees": all(s.agrees for s in said), "parts": [asdict(s) for s in said]})
    else:
        _print(said)
    raise SystemExit(FINE if all(s.agrees for s in said) else PROBLEM)


def _no_run(sentence: str) -> SystemExit:
    err.print(f"reconciler: {sentence}", style="bold red", highlight=False, markup=False)
    return SystemExit(COULD_NOT_RUN)


def _print(said: list[Said]) -> None:
    for part in said:
        mark = "[green]agrees[/]" if part.agrees else "[bold red]differs[/]"
        out.print(f"{mark}  {escape(part.part)}: {escape(part.words)}", highlight=False)
        for line in part.differences:
            out.print(f"           {escape(line)}", highlight=False)
    verdict = "The run agrees in every part." if all(s.agrees for s in said) else "It does not."
    out.print(f"[bold]{verdict}[/]")
