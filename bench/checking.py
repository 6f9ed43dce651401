"""A check on a long history beside one on a short history: it should cost what is open.

What is timed is `look` and `reconcile`: reading what is open, judging it, and writing the run.
Walking the lists at Stripe is left out: that is Stripe's time.
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import history
from bench.events import CURRENCY
from bench.outcome import Outcome, Say, progress, require, workplace
from reconciler.app import World, build_context
from reconciler.context import STRIPE_API_VERSION, Context
from reconciler.domain.snapshot import PLATFORM
from reconciler.gateway.client import BalanceReading
from reconciler.intake.mirror_balance import Mirrored
from reconciler.intake.walk import Coverage
from reconciler.reconciling.check import look, reconcile
from reconciler.reconciling.compare_transfers import Compared
from reconciler.settings import Settings
from reconciler.store.database import Database
from tests import engines

SHORT, LONG = 10_000, 1_000_000
ROUNDS = 5
MOST_TIMES_SHORT = 1.5
LONGEST_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class _Side:
    """One history, ready to be checked."""

    context: Context
    mirrored: Mirrored
    compared: Compared

    async def check(self) -> dict[str, Any]:
        started = self.context.now()
        looks = await look(self.context, [self.mirrored], self.compared, None)
        assert looks is not None
        return await reconcile(self.context, looks, started)


def measure(console: Console) -> list[Outcome]:
    """Both histories are built, then checked in turn."""
    with workplace() as folder, progress(console, "Checking") as say:
        balances: dict[int, int] = {}
        files = {count: folder / str(count) for count in (SHORT, LONG)}
        urls: dict[int, str] = {}
        for count, place in files.items():
            place.mkdir()
            urls[count] = engines.migrated_url("sqlite", place, None)
            file = Path(urls[count].removeprefix("sqlite:///"))
            begun = time.perf_counter()
            balances[count] = history.build(file, count, STRIPE_API_VERSION, say)
            took = time.perf_counter() - begun
            say(f"{count:,} movements: built in {took:.1f} s, {file.stat().st_size / 1e6:,.0f} MB")
        seconds = asyncio.run(_rounds(urls, balances, say))
    return _outcomes(seconds)


async def _rounds(urls: dict[int, str], balances: dict[int, int], say: Say) -> dict[int, float]:
    """The median seconds of a check on each history, taken in turn."""
    seconds: dict[int, list[float]] = {count: [] for count in urls}
    async with AsyncExitStack() as stack:
        sides = {
            count: _side(
                url, await stack.enter_async_context(Database(url)), balances[count], count
            )
            for count, url in urls.items()
        }
        for count, side in sides.items():
            _check(await side.check(), count)
        for _ in range(ROUNDS):
            for count, side in sides.items():
                begun = time.perf_counter()
                await side.check()
                seconds[count].append(time.perf_counter() - begun)
                say(f"{count:,} movements: checked in {seconds[count][-1] * 1000:.0f} ms")
    return {count: statistics.median(taken) for count, taken in seconds.items()}


def _side(url: str, database: Database, balance: int, count: int) -> _Side:
    """A check whose reading of Stripe's balance equals the ledger, an hour after the last
    movement."""
    now = history.newest(count) + 3600
    numbers = itertools.count(1)
    settings = Settings.model_validate({"DATABASE_URL": url})
    world = World(lambda: now, lambda prefix: f"{prefix}_{next(numbers):08d}")
    reading = BalanceReading({CURRENCY: balance}, {}, False)
    movements, transfers = (
        Coverage(stream, PLATFORM, 0, now, 1, 0, 0, True)
        for stream in ("balance_transactions", "transfers")
    )
    mirrored = Mirrored(PLATFORM, reading, now, False, (movements,), held={CURRENCY: balance})
    return _Side(build_context(settings, database, world), mirrored, Compared(transfers, ()))


def _check(run: dict[str, Any], count: int) -> None:
    """The run found what is open and nothing else, and explained every cent."""
    found = run["counts"]["open"] + run["counts"]["timing"]
    require(found == history.OPEN, f"{found} findings in a history of {count:,} movements")
    require(run["status"] == "drift", f"the run is {run['status']} and should be drift")
    (bridge,) = run["bridge"]
    require(bridge["unexplained"] == 0, f"{bridge['unexplained']} cents are unexplained")
    drift = bridge["stripe"] - bridge["books"]
    named = sum(line["amount"] for line in bridge["differences"])
    require(drift == named != 0, f"Stripe minus books is {drift}, its lines say {named}")


def _outcomes(seconds: dict[int, float]) -> list[Outcome]:
    short, long = seconds[SHORT], seconds[LONG]
    return [
        Outcome(
            f"a check, {LONG:,} movements against {SHORT:,}",
            f"{short * 1000:.0f} ms",
            f"{long * 1000:.0f} ms",
            f"{long / short:.2f} x",
            f"<= {MOST_TIMES_SHORT} x",
            long <= MOST_TIMES_SHORT * short,
        ),
        Outcome(
            f"a check, {LONG:,} movements",
            f"{LONGEST_SECONDS:.0f} s",
            f"{long:.2f} s",
            f"{long / LONGEST_SECONDS:.2f} x",
            f"< {LONGEST_SECONDS:.0f} s",
            long < LONGEST_SECONDS,
        ),
    ]
