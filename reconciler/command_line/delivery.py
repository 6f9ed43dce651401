"""`reconciler delivery`: whether webhooks bring what Stripe lists, and how fast. Exit 0: nothing is
missing; 1: something is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich import box
from rich.markup import escape
from rich.table import Table

from reconciler.command_line.terminal import FINE, PROBLEM, err, out, print_json, with_context
from reconciler.context import Context
from reconciler.moments import moment, rendered
from reconciler.oversight.delivery import MOST_DAYS, USUAL_DAYS, delivery

AT_ONCE = 20


def show_delivery(
    days: Annotated[int, typer.Option(min=1, max=MOST_DAYS, help="Looked back.")] = USUAL_DAYS,
    account: Annotated[str, typer.Option(help="acct_…, or platform.")] = "",
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Stripe's event lists beside what was received."""

    async def work(context: Context) -> int:
        found = await delivery(context, days, account)
        if found is None:
            err.print(f"reconciler: no event list of {account} was ever read", markup=False)
            return PROBLEM
        if json:
            print_json(rendered(found))
        else:
            _print(found)
        return PROBLEM if found["missing"] else FINE

    with_context(work)


def _print(found: Mapping[str, Any]) -> None:
    due = found["delivered"] + found["healed"] + found["missing"]
    out.print(
        f"In {found['days']} days webhooks brought [bold]{_share(found['completeness'])}[/] of"
        f" {due:,} events; the sweep took in {found['healed']:,}, {found['missing']:,} are missing."
    )
    out.print(
        f"From created to applied: half within {_took(found['applied_p50_seconds'])}, 99 of 100"
        f" within {_took(found['applied_p99_seconds'])}."
    )
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("account", "by webhook", "sweep", "missing", "half", "99 %", "list read until"):
        table.add_column(
            name, justify="left" if name in ("account", "list read until") else "right"
        )
    for row in found["accounts"][:AT_ONCE]:
        table.add_row(*_cells(row))
    out.print(table)
    if len(found["accounts"]) > AT_ONCE:
        out.print(f"and {len(found['accounts']) - AT_ONCE} accounts more; --json has them all")
    for gap in found["gaps"][:AT_ONCE]:
        healed = f"healed {moment(gap['healed_at'])}" if gap["healed_at"] else "[red]not healed[/]"
        out.print(
            f"gap of {gap['events']} from {moment(gap['first_created'])}: {healed}"
            f" ({escape(', '.join(gap['types']))})"
        )


def _cells(row: Mapping[str, Any]) -> list[str]:
    read = moment(row["list"]["read_to"]) or "never"
    return [
        escape(row["stripe_account"]),
        _share(row["completeness"]),
        f"{row['healed']:,}",
        f"{row['missing']:,}",
        _took(row["applied_p50_seconds"]),
        _took(row["applied_p99_seconds"]),
        escape(f"{read} {row['list']['error'] or ''}".strip()),
    ]


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.2%}"


def _took(seconds: int | None) -> str:
    return "–" if seconds is None else f"{seconds} s"
