"""Chains that do not hold are found with the money at risk, and clear when they are mended."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from reconciler.domain.chains import REINSTATED_SECONDS
from reconciler.intake.importing import import_files
from reconciler.money_out.recover_cost import recover_due
from tests.front.asking import ask, payout
from tests.front.asking import paid as paid_in
from tests.harness import Service, run, service

OWNED = {"merchant_id": "bakery"}


async def found(it: Service) -> list[tuple[Any, ...]]:
    checked = await it.check()
    names = ("reference", "cause", "difference", "at_risk", "status")
    return [tuple(f[name] for name in names) for f in checked["found"]]


def test_what_was_refunded_and_charged_back_is_found_until_the_dispute_is_won(
    database_url: str,
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            acts = it.simulator.acts
            paid = acts.pay(10_000, "usd", metadata=OWNED)
            acts.refund(paid["id"], amount=4_000)
            case = acts.dispute(paid["latest_charge"], amount=10_000)
            await it.listen()
            assert await found(it) == [(paid["latest_charge"], "returned_twice", 0, 4_000, "open")]
            acts.close_dispute(case["id"], "won")
            await it.listen()
            assert await found(it) == []

    run(story)


def test_a_dispute_won_without_its_money_is_timing_for_some_days_and_then_open(
    database_url: str, tmp_path: Path
) -> None:
    """Stripe says `won`, and the movement that gives the money back is not listed yet."""

    async def story() -> None:
        async with service(database_url) as it:
            paid = it.simulator.acts.pay(10_000, "usd", metadata=OWNED)
            case = it.simulator.acts.dispute(paid["latest_charge"])
            await it.listen()
            assert await found(it) == []
            assert it.context.stripe is not None
            listed = await it.context.stripe.get("/v1/events", {"type": "charge.dispute.created"})
            [told] = json.loads(json.dumps(listed["data"]))
            told |= {"id": "evt_won", "type": "charge.dispute.closed"}
            told["created"] = it.simulator.clock.now()
            told["data"]["object"]["status"] = "won"
            file = tmp_path / "won.json"
            file.write_text(json.dumps(told))
            await import_files(it.context, [file])
            assert await found(it) == [(case["id"], "won_not_returned", 0, 0, "timing")]
            it.simulator.clock.advance(REINSTATED_SECONDS)
            assert await found(it) == [(case["id"], "won_not_returned", 0, 10_000, "open")]
            it.simulator.acts.close_dispute(case["id"], "won")
            await it.listen()
            assert await found(it) == []

    run(story)


def test_a_refund_whose_share_stays_with_a_merchant_who_was_paid_is_open_after_a_day(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        async with service(f"sqlite:///{tmp_path / 'recovery.db'}") as it:
            account = await it.merchant("bakery")
            intent = await paid_in(it, 10_000)
            await paid_in(it, 20_000, "florist")
            await payout(it, 10_000)
            it.simulator.acts.pay_out_bank("usd", 10_000, account=account)
            asked = {"payment": intent["id"], "recover_from_merchant": True}
            made = (await ask(it, "/v1/refunds", asked)).json()
            assert it.context.stripe is not None
            await recover_due(it.context, it.context.stripe)
            await it.listen()
            assert await found(it) == [(made["id"], "recovery_open", 0, 0, "timing")]
            it.simulator.clock.advance(86400)
            assert await found(it) == [(made["id"], "recovery_open", 0, 10_000, "open")]
            await paid_in(it, 15_000)
            await recover_due(it.context, it.context.stripe)
            assert await found(it) == []

    run(story)
