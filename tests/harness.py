"""The service on a simulated Stripe, driven through its own doors: what most tests stand on."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx
import stamina

from reconciler.app import World, build_app
from reconciler.context import Context
from reconciler.gateway.budget import Pace
from reconciler.intake.apply import apply_all
from reconciler.intake.recover import recover_events
from reconciler.intake.reread import reread_due
from reconciler.reconciling.check import check
from reconciler.settings import Settings
from reconciler.simulator import Simulator
from reconciler.store import merchants, objects, runs
from reconciler.store.database import Session

T = TypeVar("T")


class Hourglass:
    """Virtual time for what is asked of Stripe: it stands still but for the simulator's clock, and
    whoever would sleep moves it instead. So nobody waits, and the budget is kept all the same."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now, self.slept = now, 0.0

    def now(self) -> float:
        return self._now() + self.slept

    async def sleep(self, seconds: float) -> None:
        self.slept += seconds
        await asyncio.sleep(0)

    @property
    def pace(self) -> Pace:
        return Pace(self.now, self.sleep)


BASE = "http://service.test"
SECRET = "whsec_platform_0123456789"
CONNECT_SECRET = "whsec_connect_0123456789"
ADMIN_KEY = "rec_admin_key_for_tests_only"


def settings(database_url: str, **more: Any) -> Settings:
    """Settings for a service on a simulator; `more` overrides by environment name."""
    return Settings.model_validate(
        {
            "DATABASE_URL": database_url,
            "STRIPE_SECRET_KEY": Simulator.secret_key,
            "STRIPE_WEBHOOK_SECRET": SECRET,
            "STRIPE_CONNECT_WEBHOOK_SECRET": CONNECT_SECRET,
            "STRIPE_API_BASE": "http://stripe.test",
            "RECONCILER_ADMIN_KEY": ADMIN_KEY,
            "RECONCILER_BASE_URL": BASE,
            **more,
        }
    )


@dataclass
class Service:
    """A running service, the Stripe beneath it, and a client in front of it."""

    simulator: Simulator
    context: Context
    http: httpx.AsyncClient

    async def send(self, url: str, headers: dict[str, str], body: bytes) -> int:
        return (await self.http.post(url, headers=headers, content=body)).status_code

    async def listen(self) -> dict[str, int]:
        """Webhooks that are due arrive, are applied, and what they left in doubt is read."""
        counts = await self.simulator.webhooks.deliver(self.send)
        await self.settle()
        return counts

    async def settle(self) -> None:
        """Apply what the inbox holds; then read what is waited for, however long it may wait."""
        await apply_all(self.context)
        self.simulator.clock.advance(20)
        while await reread_due(self.context):
            pass

    async def sweep(self) -> None:
        """Find the events that no webhook brought, and apply them."""
        assert self.context.stripe is not None
        await recover_events(self.context, self.context.stripe)
        await self.settle()

    async def check(self, **options: Any) -> dict[str, Any]:
        """A run, with its findings under `found`."""
        assert self.context.stripe is not None
        run = await check(self.context, self.context.stripe, **options)
        async with self.context.database.read() as session:
            return {**run, "found": await runs.run_findings(session, run["id"])}

    async def get(self, path: str, key: str = ADMIN_KEY, **params: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {key}"}
        return await self.http.get(path, headers=headers, params=params)

    async def merchant(self, id: str, country: str = "US") -> str:
        """A merchant with an onboarded connected account; the account's id."""
        account = self.simulator.acts.connect_account(country=country)
        async with self.context.write() as session:
            await merchants.connect(session, id, id.title(), account, self.context.now())
        return account

    async def query(self, sql: str, **values: Any) -> list[dict[str, Any]]:
        async with self.context.database.read() as session:
            return [dict(row) for row in await session.all(sql, **values)]

    async def balances(self) -> dict[tuple[str, str], int]:
        """Every ledger account that is not zero."""
        rows = await self.query("SELECT account, currency, books + facts AS amount FROM balances")
        return {(r["account"], r["currency"]): r["amount"] for r in rows if r["amount"]}


@asynccontextmanager
async def service(
    database_url: str,
    simulator: Simulator | None = None,
    pace: Pace | None = None,
    first_id: int = 1,
    **more: Any,
) -> AsyncIterator[Service]:
    """A service with its schema in place and both webhook endpoints registered; no jobs run.

    A second one on the same database counts its ids from another `first_id`.
    """
    stripe = simulator or Simulator(seed=3)
    if not stripe.world.home.shelf("webhook_endpoint"):
        stripe.webhooks.register(f"{BASE}/webhooks/stripe", SECRET)
        stripe.webhooks.register(f"{BASE}/webhooks/stripe/connect", CONNECT_SECRET, connect=True)
    numbers = itertools.count(first_id)
    world = World(
        stripe.clock.now,
        lambda prefix: f"{prefix}_{next(numbers):04d}",
        stripe.app,
        pace or Hourglass(stripe.clock.now).pace,
    )
    stamina.set_testing(True, attempts=2)
    app = build_app(settings(database_url, **more), world, jobs=False)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
            yield Service(stripe, app.state.shared.context, client)


async def ask_stripe(it: Service, path: str, **form: str) -> dict[str, Any]:
    """What the platform's own code asks of Stripe, past this service."""
    transport = httpx.ASGITransport(app=it.simulator.app)
    headers = {"Authorization": f"Bearer {it.simulator.secret_key}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://stripe.test") as client:
        answer = await client.post(path, data=form, headers=headers)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


def run(work: Callable[[], Awaitable[T]]) -> T:
    """The result of an async function, on a loop of its own."""

    async def main() -> T:
        return await work()

    return asyncio.run(main())


async def state_of(session: Session) -> dict[str, list[dict[str, Any]]]:
    """Everything that must not depend on the order in which events came."""
    asked = {
        "objects": f"SELECT {objects.COLUMNS}, needs FROM objects ORDER BY id",
        "positions": "SELECT reference, kind, family, stripe_account, merchant, lines"
        " FROM positions WHERE lines <> '[]' ORDER BY reference",
        "balances": "SELECT stripe_account, account, currency, kind, books, facts FROM balances"
        " WHERE books <> 0 OR facts <> 0 ORDER BY stripe_account, account, currency",
        "fetches": "SELECT object_id, stripe_account, reason, not_before FROM fetches"
        " ORDER BY object_id",
    }
    return {name: [dict(r) for r in await session.all(sql)] for name, sql in asked.items()}
