"""The command line. Exit 0: fine; 1: drift or a problem was found; 2: could not run, or incomplete.

Must not do anything that a use case does not do. Every read takes `--json`.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn

import msgspec
import typer
import uvicorn
from rich.console import Console
from rich.table import Table

from reconciler import exports, importing, keys, printing
from reconciler.app import configure_logging, opened, real_world
from reconciler.check import check as check_now
from reconciler.context import Context
from reconciler.gateway.outcomes import StripeUnavailable
from reconciler.settings import BadSettings, load
from reconciler.store import keys as stored_keys
from reconciler.store import runs
from reconciler.store.database import Database, DatabaseUnavailable, WeakDurability
from reconciler.store.migrate import NewerSchema
from reconciler.store.migrate import migrate as migrate_now

FINE, PROBLEM, COULD_NOT_RUN = 0, 1, 2
EXPECTED = (BadSettings, DatabaseUnavailable, WeakDurability, NewerSchema, StripeUnavailable)

cli = typer.Typer(
    help="Keeps a platform's books right against Stripe, and proves it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
keys_cli = typer.Typer(help="API keys.", no_args_is_help=True)
cli.add_typer(keys_cli, name="keys")

out = printing.terminal()
err = Console(stderr=True)

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


def _with_context(work: Callable[[Context], Awaitable[int]], *, stripe: bool = False) -> NoReturn:
    """Run one piece of work on an open context; its number is the exit code."""
    settings = load()
    configure_logging("warning")
    if stripe:
        settings.require_stripe()

    async def run() -> int:
        async with opened(settings) as context:
            return await work(context)

    raise SystemExit(asyncio.run(run()))


def _print_json(value: Any) -> None:
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")


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


@cli.command()
def simulator(port: int = 12111, seed: int = 1) -> None:
    """The Stripe simulator alone."""
    from reconciler.simulator import Simulator

    stripe = Simulator(seed=seed, now=real_world().now())
    out.print(f"A simulated Stripe on http://127.0.0.1:{port}, key {stripe.secret_key}")
    uvicorn.run(stripe.app, host="127.0.0.1", port=port, log_level="warning")


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
def check(json: AsJson = False) -> None:
    """Mirror Stripe's balance and reconcile now; print the report."""

    async def work(context: Context) -> int:
        assert context.stripe is not None
        run = await check_now(context, context.stripe)
        async with context.database.read() as session:
            found = await runs.run_findings(session, run["id"])
        if json:
            _print_json({"run": run, "findings": found})
        else:
            printing.run(out, run, found, "Drift report")
        return {"clean": FINE, "drift": PROBLEM}.get(run["status"], COULD_NOT_RUN)

    _with_context(work, stripe=True)


@cli.command()
def findings(
    status: Annotated[str, typer.Option(help="open, timing or cleared; all living ones.")] = "",
    limit: int = 100,
    json: AsJson = False,
) -> None:
    """What does not agree at present, newest first."""
    if status not in ("", "open", "timing", "cleared"):
        raise BadSettings("--status must be open, timing or cleared.")

    async def work(context: Context) -> int:
        async with context.database.read() as session:
            found = await runs.findings(session, limit, None, status)
            still_open = await runs.findings(session, 1, None, "open")
        if json:
            _print_json(found)
        else:
            printing.findings(out, found)
        wanted = status in ("", "open")
        return PROBLEM if wanted and still_open else FINE

    _with_context(work)


@cli.command()
def export(
    run: Annotated[str, typer.Argument(help="A run's id, or latest.")] = "latest",
    format: Annotated[str, typer.Option(help="json or csv.")] = "json",
) -> None:
    """Write a run to standard output as a file."""
    if format not in ("json", "csv"):
        raise BadSettings("--format must be json or csv.")

    async def work(context: Context) -> int:
        async with context.database.read(snapshot=True) as session:
            row = await runs.run(session, run)
            found = await runs.run_findings(session, row["id"]) if row else []
        if row is None:
            raise BadSettings(f"There is no run {run!r}; 'reconciler check' writes one.")
        body = exports.as_csv(row, found) if format == "csv" else exports.as_json(row, found)
        sys.stdout.buffer.write(body)
        return FINE

    _with_context(work)


@cli.command("import-events")
def import_events(
    files: Annotated[list[Path], typer.Argument(help="Files, folders, or JSON Lines.")],
    json: AsJson = False,
) -> None:
    """Apply stored events as if they had been received."""

    async def work(context: Context) -> int:
        summary = await importing.import_files(context, files, out if not json else None)
        if json:
            _print_json(summary)
        else:
            printing.imported(out, summary)
        return PROBLEM if summary["unreadable"] or summary["dead"] else FINE

    _with_context(work)


@keys_cli.command("create")
def keys_create(
    role: Annotated[str, typer.Option(help="viewer, operator, finance or admin.")],
    name: str = "",
) -> None:
    """Make an API key; it is shown once."""
    if role.upper() not in keys.Role.__members__:
        raise BadSettings("--role must be viewer, operator, finance or admin.")

    async def work(context: Context) -> int:
        id, key = await keys.create_key(context, name or role, keys.role_named(role))
        out.print(f"{id}\n{key}", highlight=False, soft_wrap=True)
        err.print("Keep it now: only its digest is stored.")
        return FINE

    _with_context(work)


@keys_cli.command("list")
def keys_list(json: AsJson = False) -> None:
    """Every key, living or revoked; never the key itself."""

    async def work(context: Context) -> int:
        async with context.database.read() as session:
            rows = [dict(row) for row in await stored_keys.all_keys(session)]
        if json:
            _print_json(rows)
            return FINE
        table = Table("id", "name", "role", "state")
        for row in rows:
            state = "revoked" if row["revoked_at"] else "living"
            table.add_row(row["id"], row["name"], row["role"], state)
        out.print(table)
        return FINE

    _with_context(work)


@keys_cli.command("revoke")
def keys_revoke(id: str) -> None:
    """Revoke a key by its id."""

    async def work(context: Context) -> int:
        async with context.write() as session:
            done = await stored_keys.revoke(session, id, context.now())
        out.print(f"{id} is revoked" if done else f"there is no living key {id}")
        return FINE if done else PROBLEM

    _with_context(work)
