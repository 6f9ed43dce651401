"""`reconciler import-invoices`: invoices from a CSV file, and every line that was not taken.

Exit 0: all taken; 1: some lines were not; 2: the file could not be read.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.markup import escape
from rich.table import Table

from reconciler.command_line.terminal import (
    FINE,
    PROBLEM,
    local_actor,
    out,
    print_json,
    with_context,
)
from reconciler.context import Context
from reconciler.invoicing.import_invoices import import_file, import_shown
from reconciler.settings import BadSettings

LISTED = 200


def import_invoices(
    file: Annotated[Path, typer.Argument(help="CSV: id, customer, amount, currency, due_on, …")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be.")] = False,
    all_or_nothing: Annotated[
        bool, typer.Option("--all-or-nothing", help="Take nothing if any line is bad.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make invoices from a CSV file."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise BadSettings(f"{file} cannot be read: {error.strerror}.") from None

    async def work(context: Context) -> int:
        outcome = await import_file(
            context, content, local_actor(), all_or_nothing=all_or_nothing, dry_run=dry_run
        )
        shown = import_shown(outcome)
        if json:
            print_json(shown)
        else:
            _print(shown)
        return PROBLEM if outcome.bad else FINE

    with_context(work)


def _print(shown: Mapping[str, Any]) -> None:
    would = "would be " if shown["dry_run"] else ""
    out.print(
        f"{shown['lines']} lines: {shown['created']} {would}created,"
        f" {shown['unchanged']} were there already, {shown['bad']} bad",
        highlight=False,
    )
    if shown["bad"] and shown["all_or_nothing"]:
        out.print("Nothing was taken, because not every line was good.", style="yellow")
    if not shown["errors"]:
        return
    table = Table("line", "column", "what is wrong", box=box.SIMPLE_HEAD)
    for row in shown["errors"][:LISTED]:
        table.add_row(str(row["line"]), escape(row["column"]), escape(row["message"]))
    out.print(table)
    if len(shown["errors"]) > LISTED:
        out.print(f"and {len(shown['errors']) - LISTED} more; --json lists them all")
