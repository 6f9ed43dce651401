"""A clock that is put right, and a process that was frozen: neither makes anything happen twice."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any
from unittest import mock

import pytest

from reconciler.gateway.client import Gateway
from reconciler.gateway.outcomes import Ending, Outcome
from reconciler.money_out.resolve import resolve_outcomes
from tests.front.asking import funded, owed, payout, sound, transfers
from tests.harness import Service, run, service

HOUR = 3600


async def resolved_by_a_clock(it: Service, behind: int) -> None:
    """What is unknown is settled by an instance whose clock is so many seconds behind Stripe's."""
    theirs = replace(it.context, now=lambda: it.simulator.clock.now() - behind)
    assert theirs.stripe is not None
    await resolve_outcomes(theirs, theirs.stripe)


@pytest.mark.parametrize("made", [True, False])
def test_a_clock_set_back_since_the_first_request_makes_no_second_transfer(
    database_url: str, made: bool
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await funded(it)
            it.simulator.webhooks.drop("*")
            when = "after" if made else "before"
            it.simulator.faults.add(method="POST", path="/v1/transfers", when=when, effect="reset")
            begun = await payout(it, 12_000)
            assert begun["status"] == "unknown"
            # Stripe has forgotten the key; by a clock set back ten hours it is fifteen hours old.
            it.simulator.clock.advance(25 * HOUR)
            await resolved_by_a_clock(it, 10 * HOUR)
            shown = (await it.get(f"/v1/payouts/{begun['id']}")).json()
            assert shown["status"] == "completed"
            assert len(transfers(it)) == 1
            assert (await owed(it))["reserved"] == 0
            await sound(it)

    run(story)


def test_a_process_that_wakes_a_day_later_sends_nothing(database_url: str) -> None:
    """It was frozen after it had stored what it would send; another instance has proven by then
    that nothing was made, and given the money back."""

    async def story() -> None:
        async with service(database_url) as it:
            await funded(it)
            asked: list[Any] = []
            post = Gateway.post

            async def frozen(_: Gateway, *given: Any, **more: Any) -> Outcome:
                asked.append(partial(post, it.context.stripe, *given, **more))
                raise ConnectionResetError("the machine was suspended")

            with mock.patch.object(Gateway, "post", frozen), pytest.raises(ConnectionResetError):
                await payout(it, 12_000)
            for _ in range(3):
                it.simulator.clock.advance(9 * HOUR)
                it.simulator.faults.add(method="POST", path="/v1/transfers", when="before")
                await resolved_by_a_clock(it, 0)
            outcome = await asked[0]()
            assert (outcome.ending, outcome.refusal.code) == (Ending.UNKNOWN, "not_sent")
            assert transfers(it) == []
            assert (await owed(it))["reserved"] == 0
            assert (await owed(it))["balance"] == 50_000

    run(story)
