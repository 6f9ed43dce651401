"""Many payouts at once on one balance, from two instances: never overspent, never stuck."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from dataclasses import replace
from typing import Any

from reconciler.context import Context
from reconciler.domain.refusals import Refusal
from reconciler.money_out.pay_out import pay_out
from reconciler.money_out.refund import Wanted, refund
from reconciler.money_out.resolve import resolve_outcomes
from reconciler.store.database import Database
from tests.front.asking import funded, owed, paid, refunds, sound, transfers
from tests.harness import Service, run, service

AT_ONCE = 64


def _another(it: Service, database: Database) -> Context:
    """The same service as a second instance: its own connections, ids and door to Stripe."""
    numbers = itertools.count(1)
    return replace(
        it.context, database=database, new_id=lambda prefix: f"{prefix}_b{next(numbers):04d}"
    )


def _endings(done: list[Any]) -> Counter[str]:
    return Counter(d.code if isinstance(d, Refusal) else d["status"] for d in done)


async def _payouts(contexts: tuple[Context, ...], merchants: tuple[str, ...], amount: int) -> Any:
    work = []
    for number in range(AT_ONCE):
        context = contexts[number % len(contexts)]
        assert context.stripe is not None
        merchant = merchants[number % len(merchants)]
        work.append(pay_out(context, context.stripe, merchant, amount, "usd"))
    return await asyncio.gather(*work)


def test_payouts_at_once_never_overspend_what_a_merchant_is_owed(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it, Database(database_url) as second:
            await funded(it, 20_000)
            await paid(it, 90_000, "florist")
            contexts = (it.context, _another(it, second))
            done = await _payouts(contexts, ("bakery",), 1_000)
            assert _endings(done) == {"completed": 20, "insufficient_merchant_balance": 44}
            assert (await owed(it))["balance"] == 0
            assert sum(t["amount"] for t in transfers(it)) == 20_000
            await sound(it)

    run(story)


def test_payouts_at_once_never_overspend_what_the_platform_has(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it, Database(database_url) as second:
            await funded(it, 20_000)
            await funded(it, 90_000, "florist")
            it.simulator.acts.pay_out_bank("usd", 90_000)
            assert it.context.stripe is not None
            had = (await it.context.stripe.balance()).available["usd"]
            contexts = (it.context, _another(it, second))
            it.simulator.faults.add(
                method="POST", path="/v1/transfers", when="after", times=None, probability=0.3
            )
            done = await _payouts(contexts, ("bakery", "florist"), 1_000)
            endings = _endings(done)
            assert set(endings) <= {"completed", "unknown", "insufficient_platform_available"}
            assert "failed" not in endings
            sent = sum(t["amount"] for t in transfers(it))
            assert sent == 1_000 * (endings["completed"] + endings["unknown"])
            assert sent <= had
            it.simulator.faults.clear()
            it.simulator.clock.advance(120)
            # Both instances settle what is unknown, at the same time.
            await asyncio.gather(*(resolve_outcomes(c, it.context.stripe) for c in contexts))
            it.simulator.clock.advance(120)
            await resolve_outcomes(it.context, it.context.stripe)
            rows = await it.query("SELECT DISTINCT status FROM payouts")
            assert rows == [{"status": "completed"}]
            assert sum(t["amount"] for t in transfers(it)) == sent
            # What was held back for safety can be had now, to the last whole payout.
            while isinstance(
                await pay_out(it.context, it.context.stripe, "florist", 1_000, "usd"), dict
            ):
                pass
            assert had - sum(t["amount"] for t in transfers(it)) < 1_000
            await sound(it)

    run(story)


def test_refunds_at_once_never_give_back_more_than_was_paid(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it, Database(database_url) as second:
            await it.merchant("bakery")
            intent = await paid(it, 10_000)
            await paid(it, 90_000, "florist")
            contexts = (it.context, _another(it, second))
            work = []
            for number in range(32):
                context = contexts[number % 2]
                assert context.stripe is not None
                work.append(refund(context, context.stripe, Wanted(intent["id"], 1_000)))
            endings = _endings(await asyncio.gather(*work))
            assert endings["succeeded"] == 10
            assert endings["already_refunded"] + endings["refund_too_large"] == 22
            assert sum(r["amount"] for r in refunds(it)) == 10_000
            await sound(it)

    run(story)
