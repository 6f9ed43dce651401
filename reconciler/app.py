"""The wiring: the only module that sees every room, and builds the one value they are given.

Must not decide anything. Settings are read before this; after it, nothing reads the environment.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import secrets
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException

from handlers.problems import broken, no_route
from handlers.routes import build_routes
from handlers.state import Endpoint, State
from jobs.schedule import Schedule
from reconciler.context import STRIPE_API_VERSION, Context, Policy
from reconciler.gateway import transport
from reconciler.gateway.budget import LIVE, TEST, Limits, Pace
from reconciler.gateway.client import Gateway
from reconciler.gateway.inspection import Inspector
from reconciler.gateway.snapshots import Reading
from reconciler.intake.apply import requeue_dead
from reconciler.intake.ingest import Intake
from reconciler.oversight.keys import bootstrap_key
from reconciler.settings import Settings, load
from reconciler.store.database import Database
from reconciler.store.migrate import migrate


@dataclass(frozen=True, slots=True)
class World:
    """What a run takes from outside: replaced as a whole in tests and in the demo."""

    now: Callable[[], int]
    new_id: Callable[[str], str]
    stripe_app: Any = None  # an ASGI app that answers in place of Stripe
    pace: Pace = field(default_factory=lambda: Pace(time.monotonic, asyncio.sleep))


def real_world() -> World:
    return World(lambda: int(time.time()), lambda prefix: f"{prefix}_{secrets.token_hex(12)}")


def build_context(settings: Settings, database: Database, world: World) -> Context:
    """The value that use cases are given."""
    reading = Reading(settings.merchant_key, settings.fee_key, settings.foreign_rules)
    key = settings.stripe_secret_key.get_secret_value()
    stripe = None
    if key:
        stripe = Gateway(
            key,
            transport.Transport(transport.client(world.stripe_app)),
            api_version=STRIPE_API_VERSION,
            api_base=settings.stripe_api_base,
            reading=reading,
            limits=limits(settings),
            pace=world.pace,
        )
    policy = Policy(
        reading=reading,
        disputes_borne_by=settings.disputes_borne_by,
        approval_seconds=settings.approval_hours * 3600,
        livemode=settings.livemode,
        capabilities=tuple(settings.connect_capabilities.split(",")),
    )
    return Context(
        database,
        world.now,
        world.new_id,
        policy,
        stripe,
        system=settings.payment_system(),
        inspector=Inspector(stripe, world.pace.now) if stripe else None,
        base_url=settings.base_url.rstrip("/"),
    )


def limits(settings: Settings) -> Limits:
    """What this process may ask of Stripe in a second: its share of what the account may."""
    usual = LIVE if settings.livemode else TEST
    return Limits(
        settings.stripe_rate or usual.everything,
        settings.stripe_endpoint_rate or usual.endpoint,
        max(settings.stripe_endpoint_rate or 0, usual.apart),
    ).shared(settings.instances)


@asynccontextmanager
async def opened(settings: Settings, world: World | None = None) -> AsyncIterator[Context]:
    """A context on an open, migrated database; everything is closed afterwards."""
    outside = world or real_world()
    async with Database(settings.database_url) as database:
        await migrate(database, now=outside.now())
        context = build_context(settings, database, outside)
        try:
            yield context
        finally:
            if context.stripe is not None:
                await context.stripe.close()


def build_app(
    settings: Settings, world: World | None = None, *, http: bool = True, jobs: bool = True
) -> Starlette:
    """The ASGI app. `http` serves the API and the webhooks, `jobs` runs the schedule; health
    answers either way."""
    metrics_key = settings.metrics_key.get_secret_value()
    state = State(settings.base_url, settings.proxies, metrics_key)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with opened(settings, world) as context:
            await bootstrap_key(context, settings.admin_key.get_secret_value())
            await requeue_dead(context)
            state.open(context, _endpoints(settings, context) if http else {})
            schedule = Schedule(context, secrets.token_hex(4), settings.interval_scale)
            if jobs:
                schedule.start()
            try:
                yield
            finally:
                state.close()
                await schedule.stop()

    app = Starlette(
        routes=build_routes(state, http=http),
        lifespan=lifespan,
        exception_handlers={HTTPException: no_route, Exception: broken},
    )
    app.state.shared = state
    return app


def from_environment() -> Starlette:
    """The app for a worker process of `reconciler serve`; RECONCILER_ONLY says which half."""
    settings = load()
    configure_logging(settings.log_level)
    app = build_app(settings, http=settings.only != "jobs", jobs=settings.only != "http")
    keep_for_good()
    return app


def keep_for_good() -> None:
    """What is alive now is not looked at again: each full collection would stop the webhooks for
    tens of milliseconds to find all of it still there."""
    gc.collect()
    gc.freeze()


def _endpoints(settings: Settings, context: Context) -> dict[str, Endpoint]:
    intake = Intake(context.database)
    return {
        channel: Endpoint(
            channel,
            settings.webhook_secrets(connect=channel == "connect"),
            intake,
            context.now,
        )
        for channel in ("platform", "connect")
    }


def configure_logging(level: str) -> None:
    """One JSON line per unit of work on stderr. Tracebacks without local variables: they hold
    secrets."""
    # The level is the handler's: `databases` has its logger at INFO, so that values are not shown.
    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(logging.WARNING)
    logging.basicConfig(handlers=[handler], format="%(message)s")
    for name in ("stripe", "httpx", "apscheduler"):
        logging.getLogger(name).setLevel(logging.WARNING)
    plain = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.ExceptionRenderer(plain),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )
