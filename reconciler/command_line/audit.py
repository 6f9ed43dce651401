"""The commands about the audit log. Must not do anything that a use case does not do.

`verify` ends with 0 if the chain is unbroken, 1 if it is broken, 2 if it could not be looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from reconciler.command_line.terminal import FINE, PROBLEM, err, out, print_json, with_context
from reconciler.context import Context
from reconciler.moments import moment
from reconciler.oversight import audit
from reconciler.oversight.audit import Action, Anchor, Verified
from reconciler.settings import BadSettings

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
LARGEST_PAGE = 10_000

audit_cli = typer.Typer(help="The audit log: who did what, chained.", no_args_is_help=True)


@audit_cli.command()
def verify(
    anchor: Annotated[
        list[str] | None, typer.Option(metavar="SEQ:HASH", help="What 'audit head' once printed.")
    ] = None,
    anchors: Annotated[
        Path | None, typer.Option(help="A file of anchors, one a line; '#' begins a comment.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Whether any row of the audit log was edited, removed, moved or cut off."""
    known = _anchors(anchor or (), anchors)

    async def work(context: Context) -> int:
        with Progress(console=err, transient=True, disable=json or not err.is_terminal) as bar:
            task = bar.add_task("verifying", total=None)
            found = await audit.verify(
                context,
                known,
                lambda done, total: bar.update(task, completed=done, total=total),
            )
        if json:
            print_json(_as_json(found))
        else:
            _print(out, found)
        return FINE if found.unbroken else PROBLEM

    with_context(work)


@audit_cli.command()
def head(json: AsJson = False) -> None:
    """The last row's number and hash: an anchor, to be kept outside the database."""

    async def work(context: Context) -> int:
        last = await audit.head(context)
        if last is None:
            err.print("The head of the audit log is gone: 'reconciler audit verify' says more.")
            return PROBLEM
        if json:
            print_json({**asdict(last), "anchor": str(last), "at": context.now()})
        else:
            out.print(str(last), highlight=False, soft_wrap=True)
        return FINE

    with_context(work)


@audit_cli.command("list")
def list_rows(
    subject: Annotated[str, typer.Option(help="Only what was done to this id.")] = "",
    action: Annotated[str, typer.Option(help="Only this action, such as key.created.")] = "",
    key: Annotated[str, typer.Option(help="Only what was done with this key, by its id.")] = "",
    before: Annotated[int | None, typer.Option(help="Only rows before this number.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=LARGEST_PAGE)] = 50,
    json: AsJson = False,
) -> None:
    """What was done, newest first."""
    if action and action not in list(Action):
        raise BadSettings(f"--action must be one of {', '.join(Action)}.")

    async def work(context: Context) -> int:
        rows, more = await audit.listed(
            context, limit, before, subject=subject, action=action, key_id=key
        )
        if json:
            print_json(rows)
            return FINE
        table = Table("row", "when", "who", "what", "on", "why")
        for row in rows:
            who = f"{row['actor']} ({row['role']})" + (f" {row['key_id']}" if row["key_id"] else "")
            cells = (who, row["action"], row["subject"], row["reason"])
            table.add_row(str(row["seq"]), moment(row["at"]), *(escape(cell) for cell in cells))
        out.print(table if rows else "Nothing was done yet.")
        if more:
            out.print(f"There are more: --before {rows[-1]['seq']}", highlight=False)
        return FINE

    with_context(work)


def _anchors(written: Sequence[str], file: Path | None) -> list[Anchor]:
    lines = list(written)
    if file is not None:
        try:
            text = file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BadSettings(f"The anchors in {file} cannot be read: {error}.") from None
        plain = (line.partition("#")[0].strip() for line in text.splitlines())
        lines += [line for line in plain if line]
    try:
        return [Anchor.parse(line) for line in lines]
    except ValueError as error:
        raise BadSettings(f"{error}.") from None


def _as_json(found: Verified) -> dict[str, Any]:
    return {
        "unbroken": found.unbroken,
        "rows": found.rows,
        "head": str(found.head),
        "anchors": found.anchors,
        "fault_count": found.fault_count,
        "faults": [asdict(fault) for fault in found.faults],
    }


def _print(out: Console, found: Verified) -> None:
    if found.unbroken:
        out.print(f"{found.rows:,} rows, unbroken; the last is {found.head}", soft_wrap=True)
        if not found.anchors:
            out.print(
                "No anchor was given: that nobody wrote the whole log anew cannot be shown.",
                style="yellow",
            )
        return
    out.print(f"The audit log is broken: {found.fault_count:,} faults in {found.rows:,} rows.")
    for fault in found.faults:
        out.print(f"  {fault.code}: {escape(fault.sentence)}", style="red", highlight=False)
    if found.fault_count > len(found.faults):
        out.print(f"  and {found.fault_count - len(found.faults):,} more")
