"""Reports on a terminal: the bridge of each currency, and the findings with what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from reconciler.domain.money import major

WIDTH_WITHOUT_TERMINAL = 120

STYLES = {"clean": "bold green", "drift": "bold red", "incomplete": "bold yellow"}


def terminal() -> Console:
    """Standard output; wide enough for tables where it is a file or a pipe."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH_WITHOUT_TERMINAL)


def month(out: Console, tally: Mapping[str, int], planted: Sequence[str]) -> None:
    """What the demo did, and what it planted."""
    done = ", ".join(f"{number:,} {what}" for what, number in sorted(tally.items()) if number)
    out.print(f"[bold]A month went by:[/] {done}.")
    out.print("[bold]Planted in it:[/]")
    for line in planted:
        out.print(f"  · {escape(line)}", highlight=False)


def run(
    out: Console, run: Mapping[str, Any], findings: Sequence[Mapping[str, Any]], title: str
) -> None:
    """One run: its verdict, its bridges and its findings."""
    style = STYLES[run["status"]]
    out.rule(f"[bold]{escape(title)}")
    counts = run["counts"]
    out.print(
        f"run {run['id']}: [{style}]{run['status']}[/], {counts['open']} open,"
        f" {counts['timing']} only timing"
    )
    coverage = run["coverage"]
    for error in coverage["errors"]:
        out.print(f"  [yellow]not covered:[/] {escape(error)}")
    canaries = coverage["canaries"]
    out.print(f"{canaries['found']} of {canaries['planted']} planted differences were found")
    for audit in coverage["audits"]:
        said = "[green]agrees[/]" if audit["agrees"] else "[bold red]does not agree[/]"
        out.print(
            f"the full audit of {audit['movements']:,} movements and {audit['objects']:,} records"
            f" {said}: {audit['differences']:,} differences"
        )
    for bridge in run["bridge"]:
        out.print(_bridge(bridge))
    if findings:
        out.print(_findings(findings))


def _bridge(bridge: Mapping[str, Any]) -> Table:
    currency = bridge["currency"]
    table = Table(box=box.SIMPLE_HEAD, title=f"{currency} bridge", title_justify="left")
    table.add_column("from the books to Stripe")
    table.add_column(currency, justify="right")
    for line in bridge["holdings"]:
        table.add_row(f"  {line['label']}", major(line["amount"], currency), style="dim")
    table.add_row("the books say Stripe holds", major(bridge["books"], currency), style="bold")
    for line in bridge["differences"]:
        label = f"  {line['label']}" + (" (timing)" if line["timing"] else "")
        table.add_row(label, major(line["amount"], currency))
    table.add_row("  unexplained", major(bridge["unexplained"], currency))
    table.add_row("Stripe says it holds", major(bridge["stripe"], currency), style="bold")
    table.add_row("drift", major(bridge["drift"], currency), style="bold")
    return table


def _findings(findings: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title="Findings", title_justify="left", show_lines=True)
    table.add_column("what", overflow="fold", min_width=28)
    table.add_column("", no_wrap=True)
    table.add_column("Stripe", justify="right", no_wrap=True)
    table.add_column("books", justify="right", no_wrap=True)
    table.add_column("difference", justify="right", no_wrap=True)
    table.add_column("why, and what to do", ratio=1, overflow="fold")
    for finding in findings:
        table.add_row(*_cells(finding))
    return table


def _cells(finding: Mapping[str, Any]) -> tuple[str, ...]:
    currency = finding["currency"] or "usd"
    amounts = (
        major(finding[name], currency) for name in ("stripe_amount", "books_amount", "difference")
    )
    what = f"[bold]{finding['kind'].replace('_', ' ')}[/]\n{escape(finding['reference'])}"
    if finding["status"] == "timing":
        until = datetime.fromtimestamp(finding["expected_clear_by"], UTC)
        then = f"[green]timing, until {until:%Y-%m-%d %H:%M}[/]"
    else:
        then = f"→ {escape(finding['proposed_repair'])}" if finding["proposed_repair"] else ""
    return (
        what,
        finding["currency"],
        *amounts,
        f"{escape(finding['explanation'])}\n{then}".strip(),
    )


def findings(out: Console, found: Sequence[Mapping[str, Any]]) -> None:
    """Findings alone."""
    out.print(_findings(found) if found else "Nothing differs.")


def imported(out: Console, summary: Mapping[str, Any]) -> None:
    """What became of imported events."""
    out.print(f"{summary['events']} events, {summary['new']} new, {summary['repeated']} repeated")
    table = Table("events", "status", "reason", box=box.SIMPLE_HEAD)
    for row in summary["inbox"]:
        table.add_row(str(row["events"]), row["status"], row["reason"])
    out.print(table)
    for waiting in summary["waiting_for"]:
        out.print(f"  waiting for {waiting['object_id']}: {waiting['reason']}", highlight=False)
    for dead in summary["dead"]:
        out.print(f"  dead {dead['event']}: {escape(dead['error'])}", style="red")
    for name in summary["unreadable"]:
        out.print(f"  left out {escape(name)}", style="yellow")
