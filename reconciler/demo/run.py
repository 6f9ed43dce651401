"""Run the demo: the month, the first report, what heals by itself, what needs a person; then serve.

A fresh SQLite file in a temporary folder, a simulator in the same process, the service in front.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
import uvicorn
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from jobs.schedule import Schedule
from reconciler.app import World, build_app
from reconciler.command_line import printing
from reconciler.context import STRIPE_API_VERSION, Context
from reconciler.demo.month import live_through
from reconciler.demo.stage import DAY, DAYS, Month
from reconciler.intake.apply import apply_all
from reconciler.intake.recover import recover_events
from reconciler.intake.reread import reread_due
from reconciler.reconciling.check import check
from reconciler.reconciling.compose import compose_payouts
from reconciler.reconciling.self_check import self_check
from reconciler.settings import Settings
from reconciler.simulator import Simulator
from reconciler.store import runs


@dataclass(frozen=True, slots=True)
class Demo:
    """A demo, ready to be served."""

    settings: Settings
    simulator: Simulator
    world: World
    admin_key: str


def prepare(folder: Path, port: int) -> Demo:
    """A simulator whose month begins four weeks ago, and settings for a service on top of it."""
    begin = (int(time.time()) // DAY - DAYS - 1) * DAY + 7 * 3600
    simulator = Simulator(seed=7, now=begin, api_version=STRIPE_API_VERSION)
    secret, connect_secret = f"whsec_{secrets.token_hex(16)}", f"whsec_{secrets.token_hex(16)}"
    base = f"http://127.0.0.1:{port}"
    for path, signing, connect in (("", secret, False), ("/connect", connect_secret, True)):
        url = f"{base}/webhooks/stripe{path}"
        simulator.webhooks.register(url, signing, connect, api_version=STRIPE_API_VERSION)
    admin_key = f"rec_{secrets.token_urlsafe(24)}"
    settings = Settings.model_validate(
        {
            "DATABASE_URL": f"sqlite:///{folder / 'demo.db'}",
            "STRIPE_SECRET_KEY": simulator.secret_key,
            "STRIPE_PUBLISHABLE_KEY": "pk_test_simulated",
            "STRIPE_WEBHOOK_SECRET": secret,
            "STRIPE_CONNECT_WEBHOOK_SECRET": connect_secret,
            "STRIPE_API_BASE": "http://stripe.simulator",
            "RECONCILER_ADMIN_KEY": admin_key,
            "RECONCILER_BASE_URL": base,
            "RECONCILER_STRIPE_RATE": 100_000,  # a month in seconds; the simulator takes it
            "RECONCILER_STRIPE_ENDPOINT_RATE": 100_000,
        }
    )
    ids = (f"{number:06d}" for number in range(1, 10**6))
    world = World(simulator.clock.now, lambda prefix: f"{prefix}_{next(ids)}", simulator.app)
    return Demo(settings, simulator, world, admin_key)


async def run(port: int, out: Console, *, serve: bool = True) -> dict[str, object]:
    """The demo's two reports as printed; the second run is returned. Serves until stopped."""
    with tempfile.TemporaryDirectory(prefix="reconciler-demo-") as folder:
        demo = prepare(Path(folder), port)
        app = build_app(demo.settings, demo.world, jobs=False)
        async with app.router.lifespan_context(app):
            context: Context = app.state.shared.context
            month = await _live(demo, app, context, out)
            second = await _report(context, month, out)
            if serve:
                await _serve(demo, app, month, port, out)
            return second


async def _live(demo: Demo, app: object, context: Context, out: Console) -> Month:
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app=app))  # type: ignore[arg-type]

    async def send(url: str, headers: dict[str, str], body: bytes) -> int:
        return (await client.post(url, headers=headers, content=body)).status_code

    month = Month(demo.simulator, context, send)
    with Progress(
        TextColumn("a month on a simulated Stripe"),
        BarColumn(),
        TextColumn("day {task.completed} of {task.total}"),
        TimeElapsedColumn(),
        console=out,
        transient=True,
    ) as bar:
        task = bar.add_task("month", total=DAYS)
        await live_through(month, lambda day, total: bar.update(task, completed=day, total=total))
    return month


async def _report(context: Context, month: Month, out: Console) -> dict[str, object]:
    """The first report; then the sweep that runs every minute; then what is left for people."""
    assert context.stripe is not None
    printing.month(out, month.tally, month.planted)
    first = await check(context, context.stripe)
    await _print(context, first, out, "The first report, before any sweep")
    coverage = await recover_events(context, context.stripe)
    await apply_all(context)
    while await reread_due(context):
        pass
    broken = await self_check(context)
    out.print(
        f"\nThe sweep of Stripe's event list found [bold]{coverage.new}[/] events that no webhook"
        f" had brought, among {coverage.rows}, and applied them. The ledger's self-check found"
        f" {len(broken)} broken invariants.\n"
    )
    second = await check(context, context.stripe, recovered=coverage)
    await compose_payouts(context, context.stripe)
    await _print(context, second, out, "The next report: what is left needs a person")
    return second


async def _print(context: Context, run: dict[str, object], out: Console, title: str) -> None:
    async with context.database.read() as session:
        found = await runs.run_findings(session, str(run["id"]))
    printing.run(out, run, found, title)


async def _serve(demo: Demo, app: object, month: Month, port: int, out: Console) -> None:
    """Serve until stopped, with the simulator's clock going on as real time does."""
    config = uvicorn.Config(
        app,  # type: ignore[arg-type]
        host="127.0.0.1",
        port=port,
        lifespan="off",
        log_level="warning",
        access_log=False,
    )
    server = uvicorn.Server(config)
    schedule = Schedule(month.context, f"demo-{os.getpid()}", demo.settings.interval_scale)
    schedule.start()
    out.print(
        f"\n[bold]Console[/]  {demo.settings.base_url}/console   (any user name; the password is"
        f" the key)\n[bold]Key[/]      {demo.admin_key}\n\n"
        f"curl -H 'Authorization: Bearer {demo.admin_key}' {demo.settings.base_url}/v1/drift/runs\n"
        "\nServing; the month goes on. Ctrl-C stops and removes it.",
        soft_wrap=True,
    )
    clock = asyncio.create_task(_go_on(demo, month))
    try:
        await server.serve()
    finally:
        clock.cancel()
        await schedule.stop()
        await asyncio.gather(clock, return_exceptions=True)


async def _go_on(demo: Demo, month: Month) -> None:
    while True:
        await asyncio.sleep(1)
        demo.simulator.clock.advance(1)
        await month.simulator.webhooks.deliver(month.send)
