"""The command line. Exit 0: fine; 1: drift or a problem was found; 2: could not run, or incomplete.

Must not do anything that a use case does not do. Every read takes `--json`.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Annotated, NoReturn

import typer
import uvicorn

from reconciler.app import configure_logging, real_world
from reconciler.command_line import printing
from reconciler.command_line.audit import audit_cli
from reconciler.command_line.delivery import show_delivery
from reconciler.command_line.doctor import examine
from reconciler.command_line.findings import (
    list_findings,
    one_finding,
    repair_finding,
    repairs_cli,
)
from reconciler.command_line.invoices import import_invoices
from reconciler.command_line.keys import keys_cli
from reconciler.command_line.resync import resync_objects
from reconciler.command_line.runs import export, verify
from reconciler.command_line.simulator import simulator_cli
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
from reconciler.gateway.outcomes import StripeUnavailable
from reconciler.intake import importing
from reconciler.intake.apply import apply_all, requeue_dead
from reconciler.reconciling.check import check as check_now
from reconciler.settings import BadSettings, load
from reconciler.store import runs
from reconciler.store.database import Database, DatabaseUnavailable, WeakDurability
from reconciler.store.migrate import NewerSchema
from reconciler.store.migrate import migrate as migrate_now

EXPECTED = (BadSettings, DatabaseUnavailable, WeakDurability, NewerSchema, StripeUnavailable)

cli = typer.Typer(
    help="Keeps a platform's books right against Stripe, and proves it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
cli.add_typer(audit_cli, name="audit")
cli.add_typer(keys_cli, name="keys")
cli.add_typer(repairs_cli, name="repairs")
cli.add_typer(simulator_cli, name="simulator")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def main() -> None:
    """The console script: one sentence instead of a traceback for whatever was to be expected."""
    try:
        cli()
    except EXPECTED as error:
        _stop(str(error))
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _stop(sentence: str) -> NoReturn:
    err.print(f"reconciler: {sentence}", style="bold red", highlight=False, markup=False)
    raise SystemExit(COULD_NOT_RUN)


@cli.command()
def serve(
    host: str = "127.0.0.1",
    port: int = 8000,
    workers: int = 1,
    only: Annotated[str, typer.Option(help="http or jobs: run half of the service.")] = "",
) -> None:
    """Run the service."""
    if only not in ("", "http", "jobs"):
        raise BadSettings("--only must be http or jobs.")
    settings = load()
    settings.require_stripe()
    settings.require_webhooks()
    if only:  # the workers import the app by name and read this, like every other setting
        os.environ["RECONCILER_ONLY"] = only
    if workers > 1:  # each takes its share of what may be asked of Stripe
        os.environ["RECONCILER_INSTANCES"] = str(settings.instances * workers)
    asyncio.run(_preflight(settings.database_url))
    uvicorn.run(
        "reconciler.app:from_environment",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        lifespan="on",
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,  # RECONCILER_TRUSTED_PROXIES decides, not the server
        timeout_keep_alive=10,
        timeout_graceful_shutdown=10,
    )


async def _preflight(url: str) -> None:
    """The schema is there before any worker starts; what is wrong is said once."""
    async with Database(url) as database:
        await migrate_now(database, now=real_world().now())


@cli.command()
def demo(
    port: int = 8000,
    once: Annotated[bool, typer.Option(help="Stop after the reports.")] = False,
) -> None:
    """A believable month on a simulated Stripe, the drift report, and the service on top."""
    from reconciler.demo.run import run  # imports the simulator, which the service does not need

    configure_logging("error")
    asyncio.run(run(port, out, serve=not once))


cli.command("doctor")(examine)
cli.command("import-invoices")(import_invoices)
cli.command("resync")(resync_objects)
cli.command("delivery")(show_delivery)
cli.command("findings")(list_findings)
cli.command("finding")(one_finding)
cli.command("repair")(repair_finding)
cli.command("export")(export)
cli.command("verify")(verify)


@cli.command()
def migrate() -> None:
    """Bring the database's schema up to date."""
    url = load().database_url

    async def run() -> None:
        async with Database(url) as database:
            result = await migrate_now(database, now=real_world().now())
        out.print(f"schema version {result.before} -> {result.after}")

    asyncio.run(run())


@cli.command()
def check(
    full: Annotated[
        bool, typer.Option("--full", help="Recompute everything without the ledger, too.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Mirror Stripe's balance and reconcile now; print the report."""

    async def work(context: Context) -> int:
        assert context.stripe is not None
        run = await check_now(context, context.stripe, actor=local_actor(), full=full)
        async with context.database.read() as session:
            found = await runs.run_findings(session, run["id"])
        if json:
            print_json({"run": run, "findings": found})
        else:
            printing.run(out, run, found, "Drift report")
        return {"clean": FINE, "drift": PROBLEM}.get(run["status"], COULD_NOT_RUN)

    with_context(work, stripe=True)


@cli.command()
def replay(
    events: Annotated[list[str] | None, typer.Argument(help="Ids of dead events.")] = None,
    failed: Annotated[bool, typer.Option("--failed", help="All dead events.")] = False,
    reason: Annotated[str, typer.Option(help="Why, for the audit log.")] = "",
) -> None:
    """Try events again that could not be applied."""
    if bool(events) is failed:
        raise BadSettings("Name the events to replay, or say --failed for all that are dead.")

    async def work(context: Context) -> int:
        ids = None if failed else events
        asked = await requeue_dead(context, ids, local_actor(), reason)
        done = await apply_all(context)
        out.print(f"{asked} tried again: {done.applied} applied, {done.failed} failed")
        return PROBLEM if done.failed or (events and asked < len(events)) else FINE

    with_context(work)


@cli.command("import-events")
def import_events(
    files: Annotated[list[Path], typer.Argument(help="Files, folders, or JSON Lines.")],
    json: AsJson = False,
) -> None:
    """Apply stored events as if they had been received."""

    async def work(context: Context) -> int:
        shown = None if json else out
        summary = await importing.import_files(context, files, shown, local_actor())
        if json:
            print_json(summary)
        else:
            printing.imported(out, summary)
        return PROBLEM if summary["unreadable"] or summary["dead"] else FINE

    with_context(work)
