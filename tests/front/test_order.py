"""Any order and any repetition of one set of events ends in the same state (promise 2)."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from pathlib import Path

import msgspec

from reconciler.intake.apply import apply_all
from reconciler.intake.envelopes import open_envelope
from reconciler.intake.ingest import keep
from reconciler.reconciling.self_check import self_check
from reconciler.simulator import Simulator
from reconciler.store.database import Database
from tests.harness import run, service, state_of


def _a_busy_week(seed: int) -> Simulator:
    """Payments, captures, refunds that fail late, disputes, bank payouts: many in one second."""
    chance = random.Random(seed)
    stripe = Simulator(seed=seed)
    cards = ["pm_card_visa", "pm_card_bypassPending", "pm_card_createDispute", "pm_card_refundFail"]
    for number in range(12):
        metadata = {"merchant_id": f"m{number % 3}", "platform_fee": "25"}
        card = chance.choice(cards)
        intent = stripe.acts.pay(chance.randint(500, 9000), "usd", card=card, metadata=metadata)
        if card != "pm_card_createDispute" and chance.random() < 0.6:
            stripe.clock.advance(chance.choice([0, 1, 90]))
            stripe.acts.refund(payment_intent=intent["id"], amount=chance.randint(1, 400))
        stripe.clock.advance(chance.choice([0, 0, 1, 3600]))
    stripe.clock.advance(5 * 86400)
    payout = stripe.acts.pay_out_bank("usd")
    stripe.clock.advance(4 * 86400)
    stripe.acts.fail_payout(payout["id"])
    return stripe


def _events_of(stripe: Simulator) -> list[bytes]:
    """The platform's events as Stripe would send them, in order."""
    events = stripe.world.home.shelf("event").values()
    return [
        msgspec.json.encode({k: v for k, v in event.items() if k[0] != "_"}) for event in events
    ]


def test_every_order_and_repetition_of_a_weeks_events_ends_in_the_same_state(
    tmp_path: Path,
) -> None:
    async def applied(stripe: Simulator, name: str, seed: int | None) -> bytes:
        bodies = _events_of(stripe)
        if seed is not None:
            bodies = bodies + random.Random(seed).sample(bodies, len(bodies) // 2)
            random.Random(seed).shuffle(bodies)
        async with service(f"sqlite:///{tmp_path / name}.db", simulator=Simulator(seed=1)) as it:
            size = 1000 if seed is None else 5 + seed
            for at in range(0, len(bodies), size):
                chunk = [open_envelope(body, "platform", 1) for body in bodies[at : at + size]]
                await keep(it.context.database, chunk)
                done = await apply_all(it.context)
                assert done.failed == 0
            async with it.context.database.read() as session:
                return msgspec.json.encode(await state_of(session))

    for week in range(2):
        stripe = _a_busy_week(week)
        expected = run(lambda: applied(stripe, f"in-order-{week}", None))  # noqa: B023
        for seed in range(4):
            name = f"shuffled-{week}-{seed}"
            assert run(lambda: applied(stripe, name, seed)) == expected  # noqa: B023


def test_several_instances_that_apply_one_inbox_at_once_end_in_the_same_state(
    database_url: str, tmp_path: Path
) -> None:
    stripe = _a_busy_week(5)
    bodies = _events_of(stripe)

    async def alone() -> bytes:
        async with service(f"sqlite:///{tmp_path / 'alone.db'}", simulator=Simulator(seed=1)) as it:
            await keep(it.context.database, [open_envelope(b, "platform", 1) for b in bodies])
            await apply_all(it.context)
            async with it.context.database.read() as session:
                return msgspec.json.encode(await state_of(session))

    async def together() -> bytes:
        async with (
            service(database_url, simulator=Simulator(seed=1)) as it,
            Database(database_url) as second,
            Database(database_url) as third,
        ):
            await keep(it.context.database, [open_envelope(b, "platform", 1) for b in bodies])
            contexts = [it.context, *(replace(it.context, database=d) for d in (second, third))]
            done = await asyncio.gather(*(apply_all(c, limit=7) for c in contexts))
            assert sum(d.applied + d.irrelevant for d in done) == len(bodies)
            assert sum(d.failed for d in done) == 0
            assert await self_check(it.context) == []
            async with it.context.database.read() as session:
                return msgspec.json.encode(await state_of(session))

    assert run(together) == run(alone)
