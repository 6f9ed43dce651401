"""Play one month from its seed: live it, plant what is to be found, check, judge."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from reconciler.simulator import Simulator
from reconciler.simulator.kernel.settings import Settings
from tests.corpus import life, plants_events, plants_money, plants_rows, plants_waiting
from tests.corpus.judge import Judgement, judge, judge_healed
from tests.corpus.labels import STAGES, Label, Plant
from tests.corpus.month import DAY, FOREIGN, HOUR, Month
from tests.corpus.stripe_door import Keyhole
from tests.harness import service

PLANTS: tuple[Plant, ...] = (
    *plants_events.PLANTS,
    *plants_money.PLANTS,
    *plants_rows.PLANTS,
    *plants_waiting.PLANTS,
)


def dealt() -> list[list[Plant]]:
    """Every plant once, in as few months as there are plants that want one of their own."""
    lonely = [plant for plant in PLANTS if plant.alone]
    others = [plant for plant in PLANTS if not plant.alone]
    return [[*others[n :: len(lonely)], plant] for n, plant in enumerate(lonely)]


MENDED = ("rows", "recent")
"""Stages in whose plants a second reading of an object would find nothing."""


@dataclass
class Played:
    """What was planted in one month, by the name of the plant, and what came of it."""

    seed: int
    judgement: Judgement
    planted: list[str] = field(default_factory=list)


def chosen(seed: int, count: int) -> list[Plant]:
    """The plants of this month: so many, in turn over all of them, the last of them one of those
    that cannot share a month with another like it."""
    others = [plant for plant in PLANTS if not plant.alone]
    lonely = [plant for plant in PLANTS if plant.alone]
    kept = [others[(seed * (count - 1) + i) % len(others)] for i in range(count - 1)]
    random.Random(seed).shuffle(kept)
    return [*kept, lonely[seed % len(lonely)]]


def stripe(seed: int, plants: Sequence[Plant]) -> Simulator:
    """A Stripe with prices, habits and an API version of its own."""
    drawn = random.Random(seed)
    settings = Settings(
        fee_rate=drawn.choice((Fraction(29, 1000), Fraction(15, 1000), Fraction(0))),
        fee_fixed=drawn.choice((30, 25, 0)),
        fee_tax=drawn.choice(("0", "1/5")),
        dispute_fee_returned_when_won=drawn.random() < 0.5,
        refund_fee=drawn.choice((0, 0, 40)),
        async_capture_seconds=drawn.choice((1, 1, 90)),
        partial_capture_refunds=drawn.random() < 0.5,
        settlement_currencies=drawn.choice((("usd", "eur"), ("usd", "eur", "jpy"))),
    )
    if drawn.random() < 0.3 and not any(p.mended or p.stage in MENDED for p in plants):
        settings.api_version = "2022-08-01"  # each of its events has to be read again
    begin = 1_790_000_000 + seed % 97 * DAY + seed % 11 * HOUR
    made = Simulator(seed=seed, now=begin, settings=settings)
    made.app = Keyhole(made.app)  # type: ignore[assignment]
    return made


async def play(seed: int, url: str, plants: Sequence[Plant], usual: int = 4) -> Played:
    """One month in a fresh database at `url`."""
    async with service(url, stripe(seed, plants), RECONCILER_FOREIGN=FOREIGN) as it:
        month = Month(it, random.Random(seed))
        labels = await _live(month, plants, usual)
        judgement = judge(f"seed {seed}", await it.check(), labels)
        month.wait(HOUR)
        await it.sweep()
        judgement.not_healed += judge_healed(f"seed {seed}", await it.check())
        return Played(seed, judgement, [plant.name for plant in plants])


async def _live(month: Month, plants: Sequence[Plant], usual: int) -> list[Label]:
    labels: list[Label] = []
    await life.begin(month)
    for stage in STAGES:
        if stage == "recent":
            await _settle(month)
        for plant in (p for p in plants if p.stage == stage):
            labels += await plant.act(month)
            if stage in ("unsent", "lost"):
                month.wait(60, 6 * HOUR)
                await life.live(month, month.random.randint(0, 1))
        if stage == "unsent":
            await life.live(month, usual)
            await life.heal(month)
    return labels


async def _settle(month: Month) -> None:
    """What was planted is old by now; what is late has come."""
    month.wait(2 * HOUR, 2 * DAY)
    await month.listen()
    month.wait(HOUR)
    await month.listen()
    month.simulator.webhooks.calm()  # in the last minutes nothing is late unless it is planted
    month.simulator.webhooks.drop(month.is_lost)
