"""The commands about findings: list them, look at one, repair it, repair many.

Must not do anything that a use case does not do. A repair is shown first; `--yes` does what was
shown. Exit 0: fine; 1: something stands, or was refused; 2: the newest check cannot be relied on.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from reconciler.command_line import printing
from reconciler.command_line.terminal import (
    COULD_NOT_RUN,
    FINE,
    PROBLEM,
    err,
    local_actor,
    out,
    print_json,
    with_context,
)
from reconciler.context import Context
from reconciler.domain.casework import AGES, STATUSES, first_seen_between
from reconciler.domain.money import major
from reconciler.domain.refusals import Refusal
from reconciler.domain.repairs import Choice, Repair
from reconciler.reconciling.repairing import bulk, repair, views
from reconciler.reconciling.repairing.repair import Asked, Shown
from reconciler.settings import BadSettings
from reconciler.store import findings, repair_jobs, runs
from reconciler.store.findings import Chosen

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Status = Annotated[str, typer.Option(help=f"{', '.join(STATUSES)}; all that stand.")]
Kind = Annotated[str, typer.Option(help="A kind, as missing_in_books.")]
CauseOf = Annotated[str, typer.Option("--cause", help="A cause, as made_outside.")]
Currency = Annotated[str, typer.Option(help="A currency, as usd.")]
Age = Annotated[str, typer.Option(help=f"In days: {', '.join(age.name for age in AGES)}.")]
Account = Annotated[str, typer.Option(help="Who bears an adjustment: platform, merchant:ID …")]
Reason = Annotated[str, typer.Option(help="Why an adjustment is posted, of the closed list.")]
Note = Annotated[str, typer.Option(help="What to keep beside it.")]
Days = Annotated[int | None, typer.Option(help="For how long a finding is set aside.")]

repairs_cli = typer.Typer(help="Bulk repairs: plan, confirm, follow.", no_args_is_help=True)


def chosen(now: int, status: str, kind: str, cause: str, currency: str, age: str) -> Chosen:
    """The findings that the options choose. Raises BadSettings for what can choose none."""
    if status and status not in STATUSES:
        raise BadSettings(f"--status must be one of {', '.join(STATUSES)}.")
    seen = first_seen_between(age, now)
    if age and seen is None:
        raise BadSettings(f"--age must be one of {', '.join(each.name for each in AGES)}.")
    since, until = seen or (0, 2**62)
    return Chosen(status, kind, cause, currency, seen_from=since, seen_to=until)


def list_findings(
    status: Status = "",
    kind: Kind = "",
    cause: CauseOf = "",
    currency: Currency = "",
    age: Age = "",
    limit: int = 100,
    json: AsJson = False,
) -> None:
    """What does not agree at present, newest first, and how old it is."""
    chosen(0, status, kind, cause, currency, age)  # what is misspelt is said before anything opens

    async def work(context: Context) -> int:
        now = context.now()
        which = chosen(now, status, kind, cause, currency, age)
        async with context.database.read() as session:
            found = await findings.page(session, which, limit, None)
            summary = await views.summary(session, which, now)
            still_open = await findings.page(session, Chosen("open"), 1, None)
            newest = await runs.run(session, "latest")
        unsure = newest is None or newest["status"] == "incomplete"
        if json:
            print_json([views.shown(row, now) for row in found])
        elif found or not unsure:
            printing.findings(out, found)
            ages = ", ".join(f"{name} days: {n}" for name, n in summary["ages"].items())
            out.print(f"By age: {ages}", highlight=False)
        if unsure:
            err.print("The newest check is missing or incomplete: there may be more.")
            return COULD_NOT_RUN
        wanted = status in ("", "open")
        return PROBLEM if wanted and still_open else FINE

    with_context(work)


def one_finding(
    id: Annotated[str, typer.Argument(help="A finding's id.")], json: AsJson = False
) -> None:
    """One finding: both sides, what can be done, and its time line."""

    async def work(context: Context) -> int:
        now = context.now()
        async with context.database.read(snapshot=True) as session:
            row = await runs.finding(session, id)
            found = await views.whole(session, row, now) if row else None
        if row is None or found is None:
            return _refused(repair.unknown(id))
        if json:
            print_json(found)
            return FINE
        printing.findings(out, [row])
        out.print(f"status {found['status']}, {found['age']} days old, digest {found['digest']}")
        for offer in found["repairs"]:
            needs = f" (asks for {', '.join(offer['needs'])})" if offer["needs"] else ""
            out.print(f"  {offer['repair']}: {escape(offer['says'])}{needs}", highlight=False)
        for event in found["time_line"]:
            said = f": {escape(event['note'])}" if event["note"] else ""
            out.print(f"  {event['action']} by {escape(event['actor'])}{said}", highlight=False)
        return FINE

    with_context(work)


def _refused(refusal: Refusal) -> int:
    err.print(f"{refusal.message} ({refusal.code})", highlight=False, markup=False)
    return PROBLEM


def _repair(name: str) -> Repair:
    if name not in tuple(Repair):
        raise BadSettings(f"The repair must be one of {', '.join(Repair)}.")
    return Repair(name)


def repair_finding(
    finding: Annotated[str, typer.Argument(help="A finding's id.")],
    name: Annotated[str, typer.Argument(metavar="REPAIR", help=", ".join(Repair))],
    account: Account = "",
    merchant: Annotated[str, typer.Option(help="Whose payout an adopted transfer is.")] = "",
    amount: Annotated[int | None, typer.Option(min=1, help="In minor units; all of it.")] = None,
    reason: Reason = "",
    note: Note = "",
    cap: Annotated[int | None, typer.Option(min=0, help="In minor units.")] = None,
    days: Days = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do what is shown.")] = False,
    json: AsJson = False,
) -> None:
    """Show what a repair would do; with --yes, do just that."""
    choice = Choice(_repair(name), account, merchant, amount, reason, note, cap, days)

    async def work(context: Context) -> int:
        actor = local_actor()
        shown = await repair.preview(context, finding, choice, actor)
        if isinstance(shown, Shown):
            return _refused(shown.refusal)
        if not json:
            _print(shown)
        if not yes:
            if json:
                print_json(shown)
            return FINE if shown["clears"] else PROBLEM
        done = await repair.apply(context, finding, choice, shown["digest"], Asked(actor))
        if isinstance(done, Shown):
            return _refused(done.refusal)
        if json:
            print_json(done)
        else:
            left = "cleared" if not done["left"] else "still stands"
            out.print(f"done: {done['repair']['made']}; the finding {left}", highlight=False)
        return PROBLEM if done["left"] else FINE

    with_context(work)


def _print(shown: dict[str, Any]) -> None:
    foreseen = shown["foreseen"] or {"entries": [], "clearing": []}
    table = Table("ledger account", "for", "amount", "", title="What it posts")
    for entry in [*shown["entries"], *foreseen["entries"]]:
        figure = major(entry["amount"], entry["currency"])
        later = "once Stripe has done it" if entry in foreseen["entries"] else ""
        table.add_row(entry["account"], entry["reference"], f"{figure} {entry['currency']}", later)
    out.print(table)
    for row in foreseen["clearing"] or shown["clearing"]:
        before, after = (major(row[side], row["currency"]) for side in ("before", "after"))
        out.print(f"open: {before} -> {after} {row['currency']}", highlight=False)
    for said in [*shown["says"], *shown["waits"]]:
        out.print(escape(said), highlight=False)
    left = shown["remains"]
    out.print("It would clear." if not left else f"It would not clear: {left['explanation']}")


@repairs_cli.command("plan")
def plan(
    name: Annotated[str, typer.Argument(metavar="REPAIR", help=", ".join(Repair))],
    status: Status = "",
    kind: Kind = "",
    cause: CauseOf = "",
    currency: Currency = "",
    age: Age = "",
    account: Account = "",
    reason: Reason = "",
    note: Note = "",
    days: Days = None,
    json: AsJson = False,
) -> None:
    """Which findings a repair would be for, counted. Nothing is done."""
    choice = Choice(_repair(name), account=account, reason=reason, note=note, days=days)
    given = {"status": status, "kind": kind, "cause": cause, "currency": currency, "age": age}
    told = {option: value for option, value in given.items() if value}
    if not told:
        raise BadSettings("Say which findings: by --kind, --cause, --currency, --age or --status.")

    async def work(context: Context) -> int:
        which = chosen(context.now(), **given)
        done = await bulk.plan(context, bulk.Plan(which, choice, told), local_actor())
        return _job(done, json)

    with_context(work)


def _job(done: dict[str, Any] | Refusal, json: bool) -> int:
    if isinstance(done, Refusal):
        return _refused(done)
    if json:
        print_json(done)
        return FINE
    progress = done["progress"]
    out.print(
        f"{done['id']}: {done['repair']}, {done['status']}, {progress['done']} of"
        f" {progress['total']} done, digest {done['digest']}",
        highlight=False,
    )
    for row in done["outcomes"]:
        money = (
            f"{major(row['amount'], row['currency'])} {row['currency']}" if row["currency"] else ""
        )
        out.print(f"  {row['outcome']}: {row['findings']} {money}", highlight=False)
    return FINE


@repairs_cli.command("confirm")
def confirm(
    job: Annotated[str, typer.Argument(help="A plan's id.")],
    digest: Annotated[str, typer.Option(help="The digest that the plan showed.")],
    json: AsJson = False,
) -> None:
    """Do what a plan showed, finding by finding; the service goes on with it if this stops."""

    async def work(context: Context) -> int:
        done = await bulk.confirm(context, job, digest, local_actor())
        if isinstance(done, Refusal):
            return _refused(done)
        await bulk.go_on(context)
        return await _show(context, job, json)

    with_context(work)


async def _show(context: Context, job: str, json: bool) -> int:
    async with context.database.read(snapshot=True) as session:
        if await repair_jobs.get(session, job) is None:
            return _refused(bulk.unknown(job))
        return _job(await bulk.shown(session, job), json)


@repairs_cli.command("show")
def show(
    job: Annotated[str, typer.Argument(help="A bulk repair's id.")], json: AsJson = False
) -> None:
    """How far a bulk repair is."""
    with_context(lambda context: _show(context, job, json))


@repairs_cli.command("cancel")
def cancel(
    job: Annotated[str, typer.Argument(help="A bulk repair's id.")], json: AsJson = False
) -> None:
    """Stop a bulk repair; what is repaired stays repaired."""

    async def work(context: Context) -> int:
        return _job(await bulk.cancel(context, job, local_actor()), json)

    with_context(work)
