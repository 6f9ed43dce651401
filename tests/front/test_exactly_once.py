"""Nothing is sent twice and nothing that was sent is forgotten, whatever goes wrong between here
and Stripe, and wherever the process ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.domain.sending import KEY_SECONDS
from reconciler.money_out.pay_out import pay_out
from reconciler.money_out.recover_cost import recover_due
from reconciler.money_out.resolve import resolve_outcomes
from reconciler.store import sendings
from tests.front.asking import ask, funded, owed, paid, payout, refunds, sound, transfers
from tests.harness import Service, run, service

MINUTE = 60


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'once.db'}"


async def resolve(it: Service) -> int:
    assert it.context.stripe is not None
    return await resolve_outcomes(it.context, it.context.stripe)


async def later(it: Service, seconds: int) -> None:
    """So much time passes, and the job that settles outcomes runs every 15 seconds meanwhile."""
    for _ in range(seconds // 15):
        it.simulator.clock.advance(15)
        await resolve(it)


async def status(it: Service, id: str) -> str:
    kind = "payouts" if id.startswith("pyt") else "refunds"
    return str((await it.get(f"/v1/{kind}/{id}")).json()["status"])


FAULTS = [
    (when, effect)
    for when in ("before", "after")
    for effect in (
        "reset",
        "500",
        "429",
        "broken_body",
        "409_lock_timeout",
        "502",
        "429_lock_timeout",
    )
]


@pytest.mark.parametrize(("when", "effect"), FAULTS, ids=lambda value: str(value))
def test_a_fault_is_settled_soon_after_stripe_answers_again(
    url: str, when: str, effect: str
) -> None:
    async def story() -> None:
        async with service(url) as it:
            await funded(it)
            it.simulator.webhooks.drop("*")
            it.simulator.faults.add(method="POST", path="/v1/transfers", when=when, effect=effect)
            made = await payout(it, 12_000)
            assert made["status"] in ("unknown", "pending")
            assert (await owed(it))["reserved"] == 12_000
            await later(it, 3 * MINUTE)
            assert await status(it, made["id"]) == "completed"
            assert len(transfers(it)) == 1
            assert (await owed(it))["reserved"] == 0
            await sound(it)

    run(story)


@pytest.mark.parametrize(("when", "effect"), FAULTS, ids=lambda value: str(value))
def test_a_refund_is_made_once_whatever_its_first_answer(url: str, when: str, effect: str) -> None:
    async def story() -> None:
        async with service(url) as it:
            await it.merchant("bakery")
            intent = await paid(it, 50_000)
            it.simulator.webhooks.drop("*")
            it.simulator.faults.add(method="POST", path="/v1/refunds", when=when, effect=effect)
            asked = {"payment": intent["id"], "amount": 12_000}
            made = (await ask(it, "/v1/refunds", asked)).json()
            assert made["status"] in ("unknown", "pending")
            await later(it, 3 * MINUTE)
            assert await status(it, made["id"]) == "succeeded"
            assert [refund["amount"] for refund in refunds(it)] == [12_000]
            await sound(it)

    run(story)


def test_an_outage_of_hours_ends_with_every_payout_settled_within_minutes(url: str) -> None:
    async def story() -> None:
        async with service(url) as it:
            await funded(it, 90_000)
            for effect in ("reset", "500", "503"):
                it.simulator.faults.add(
                    method="POST", path="/v1/transfers", effect=effect, times=None, probability=0.4
                )
            made = []
            for _ in range(6):
                answer = await ask(
                    it,
                    "/v1/payouts",
                    {"merchant": "bakery", "amount": 1_000, "currency": "usd"},
                )
                made += [answer.json()["id"]] if answer.status_code == 201 else []
            it.simulator.faults.clear()
            it.simulator.faults.add(path="/v1/*", effect="reset", times=None)
            await later(it, 4 * 3600)
            assert "unknown" in {await status(it, id) for id in made}
            it.simulator.faults.clear()
            await later(it, 5 * MINUTE)
            assert {await status(it, id) for id in made} == {"completed"}
            assert len(transfers(it)) == len(made)
            await sound(it)

    run(story)


def test_too_fast_on_a_repeat_says_nothing_about_the_first_request(url: str) -> None:
    async def story() -> None:
        async with service(url) as it:
            await funded(it)
            it.simulator.webhooks.drop("*")
            add: Callable[..., Any] = it.simulator.faults.add
            add(method="POST", path="/v1/transfers", when="after")
            made = await payout(it, 12_000)
            add(method="POST", path="/v1/transfers", effect="429", times=None)
            add(method="GET", path="/v1/transfers", effect="reset", times=None)
            await later(it, MINUTE // 2)
            assert await status(it, made["id"]) == "unknown"
            it.simulator.faults.clear()
            await later(it, 2 * MINUTE)
            assert await status(it, made["id"]) == "completed"
            assert len(transfers(it)) == 1

    run(story)


def test_a_key_that_stops_working_proves_nothing_about_what_was_sent_before(url: str) -> None:
    async def story() -> None:
        async with service(url) as it:
            await funded(it)
            it.simulator.webhooks.drop("*")
            it.simulator.faults.add(method="POST", path="/v1/transfers", when="after")
            made = await payout(it, 12_000)
            stripe = it.context.stripe
            assert stripe is not None
            good = stripe.post

            async def locked_out(*_: Any, **__: Any) -> Any:
                from reconciler.gateway.outcomes import Ending, Outcome, Refusal

                refusal = Refusal("AuthenticationError", "Invalid API key")
                return Outcome(Ending.REFUSED, {}, refusal, 401)

            stripe.post = locked_out  # type: ignore[method-assign]
            it.simulator.faults.add(method="GET", path="/v1/transfers", times=None)
            await later(it, 2 * MINUTE)
            assert await status(it, made["id"]) == "unknown"
            stripe.post = good  # type: ignore[method-assign]
            it.simulator.faults.clear()
            await later(it, 3 * MINUTE)
            assert await status(it, made["id"]) == "completed"
            assert len(transfers(it)) == 1

    run(story)


def test_after_a_day_only_stripes_own_list_can_tell(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await funded(it)
            it.simulator.webhooks.drop("*")
            add: Callable[..., Any] = it.simulator.faults.add
            add(method="POST", path="/v1/transfers", when="after")
            there = await payout(it, 12_000)
            add(method="POST", path="/v1/transfers", when="before")
            absent = await payout(it, 7_000)
            it.simulator.clock.advance(KEY_SECONDS + 10)
            sent = len([r for r in it.simulator.requests if r.method == "POST"])
            await later(it, 2 * MINUTE)
            assert await status(it, there["id"]) == "completed"
            shown = (await it.get(f"/v1/payouts/{absent['id']}")).json()
            assert (shown["status"], shown["failure"]["code"]) == ("failed", "proven_absent")
            assert len([r for r in it.simulator.requests if r.method == "POST"]) == sent
            assert (await owed(it))["balance"] == 38_000
            assert len(transfers(it)) == 1
            await sound(it)

    run(story)


def test_a_list_that_cannot_be_read_to_its_end_proves_nothing(url: str) -> None:
    async def story() -> None:
        async with service(url) as it:
            await funded(it)
            it.simulator.faults.add(method="POST", path="/v1/transfers", when="before")
            made = await payout(it, 7_000)
            it.simulator.clock.advance(KEY_SECONDS + 10)
            it.simulator.faults.add(method="GET", path="/v1/transfers", times=None)
            await later(it, 5 * MINUTE)
            assert await status(it, made["id"]) == "unknown"
            stripe = it.context.stripe
            assert stripe is not None
            true = stripe.get

            async def endless(*_: Any, **__: Any) -> Any:
                return {"data": [{"id": "tr_other", "metadata": {}}], "has_more": True}

            stripe.get = endless  # type: ignore[method-assign]
            it.simulator.faults.clear()
            await later(it, 5 * MINUTE)
            assert await status(it, made["id"]) == "unknown"
            stripe.get = true  # type: ignore[method-assign]
            await later(it, 5 * MINUTE)
            assert await status(it, made["id"]) == "failed"

    run(story)


def test_a_webhook_settles_what_no_answer_came_for(url: str) -> None:
    async def story() -> None:
        async with service(url) as it:
            await funded(it)
            it.simulator.faults.add(method="POST", path="/v1/transfers", when="after")
            made = await payout(it, 12_000)
            assert made["status"] == "unknown"
            await it.listen()
            assert await status(it, made["id"]) == "completed"
            it.simulator.clock.advance(3600)
            assert await resolve(it) == 0
            assert len([r for r in it.simulator.requests if r.path == "/v1/transfers"]) == 1

    run(story)


def test_one_that_cannot_be_settled_does_not_hold_up_the_others(url: str) -> None:
    async def story() -> None:
        async with service(url) as it:
            await funded(it)
            it.simulator.webhooks.drop("*")
            it.simulator.faults.add(method="POST", path="/v1/transfers", when="after", times=2)
            first, second = await payout(it, 1_000), await payout(it, 2_000)
            async with it.context.write() as session:
                await session.run(
                    "UPDATE sendings SET kind = 'riddle' WHERE instruction = :id", id=first["id"]
                )
            await later(it, 2 * MINUTE)
            assert await status(it, second["id"]) == "completed"

    run(story)


class Crash(BaseException):
    """The process ends here."""


async def crash_at(it: Service, place: str, work: Callable[[], Any]) -> None:
    """The process ends before the request is sent, or when its answer has come."""
    stripe = it.context.stripe
    assert stripe is not None
    true = stripe.post

    async def ends(*args: Any, **options: Any) -> Any:
        if place == "answered":
            await true(*args, **options)
        raise Crash

    stripe.post = ends  # type: ignore[method-assign]
    try:
        with pytest.raises(Crash):
            await work()
    finally:
        stripe.post = true  # type: ignore[method-assign]


@pytest.mark.parametrize("place", ["decided", "answered"])
def test_a_crash_at_any_step_ends_with_one_transfer(database_url: str, place: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await funded(it)
            it.simulator.webhooks.drop("*")
            stripe = it.context.stripe
            assert stripe is not None

            def begin() -> Any:
                return pay_out(it.context, stripe, "bakery", 12_000, "usd")

            await crash_at(it, place, begin)
            assert (await it.query("SELECT status FROM payouts"))[0]["status"] == "sending"
            it.simulator.clock.advance(2 * MINUTE)
            # It crashes again while it is being settled, and once more.
            await crash_at(it, place, lambda: resolve(it))
            shown = (await it.query("SELECT status FROM payouts"))[0]["status"]
            assert shown == "unknown"
            it.simulator.clock.advance(2 * MINUTE)
            await resolve(it)
            assert (await it.query("SELECT status FROM payouts"))[0]["status"] == "completed"
            assert len(transfers(it)) == 1
            await sound(it)

    run(story)


def test_a_task_that_is_killed_while_stripe_works_leaves_what_can_be_settled(url: str) -> None:
    async def story() -> None:
        async with service(url) as it:
            await funded(it)
            it.simulator.faults.add(method="POST", path="/v1/transfers", effect="stall")
            work = asyncio.create_task(payout(it, 12_000))
            while not it.simulator.faults.list()[0]["struck"]:
                await asyncio.sleep(0)
            work.cancel()
            with pytest.raises(asyncio.CancelledError):
                await work
            it.simulator.clock.advance(2 * MINUTE)
            await later(it, 2 * MINUTE)
            assert (await it.query("SELECT status FROM payouts"))[0]["status"] == "completed"
            assert len(transfers(it)) == 1

    run(story)


def test_a_second_attempt_cannot_begin_while_the_first_may_have_happened(
    database_url: str,
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await funded(it)
            it.simulator.faults.add(method="POST", path="/v1/transfers", when="after")
            made = await payout(it, 12_000)
            async with it.context.database.read() as session:
                [first] = await sendings.attempts(session, "payout", made["id"])
            from dataclasses import replace

            again = replace(first, id="snd_again", attempt=2, idempotency_key="another")
            with pytest.raises(Exception, match=r"(?i)unique"):
                async with it.context.write() as session:
                    await sendings.insert(session, again)
            with pytest.raises(Exception, match=r"never changes|append-only"):
                async with it.context.write() as session:
                    await session.run("UPDATE sendings SET parameters = '{}'")
            with pytest.raises(Exception, match=r"kept|append-only"):
                async with it.context.write() as session:
                    await session.run("DELETE FROM sendings")

    run(story)


@pytest.mark.parametrize("effect", ["reset", "500"])
def test_a_recovery_is_made_once_too(url: str, effect: str) -> None:
    async def story() -> None:
        async with service(url) as it:
            await it.merchant("bakery")
            intent = await paid(it, 50_000)
            await paid(it, 9_000, "florist")
            await payout(it, 50_000)
            it.simulator.faults.add(
                method="POST", path="/v1/transfers/*/reversals", when="after", effect=effect
            )
            asked = {"payment": intent["id"], "recover_from_merchant": True}
            made = (await ask(it, "/v1/refunds", asked)).json()
            assert it.context.stripe is not None
            assert made["recovery"]["status"] == "waiting"
            await recover_due(it.context, it.context.stripe)
            open_ = (await it.get(f"/v1/refunds/{made['id']}")).json()["recovery"]
            assert (open_["status"], open_["recovered"]) == ("open", 0)
            await later(it, 3 * MINUTE)
            await recover_due(it.context, it.context.stripe)
            closed = (await it.get(f"/v1/refunds/{made['id']}")).json()["recovery"]
            assert (closed["status"], closed["recovered"]) == ("closed", 50_000)
            assert len(it.simulator.world.home.shelf("transfer_reversal")) == 1
            assert (await owed(it))["balance"] == 0
            await sound(it)

    run(story)


@pytest.mark.parametrize("heard", [True, False])
def test_the_row_of_an_outcome_tells_how_the_payout_stood_before(url: str, heard: bool) -> None:
    async def story() -> None:
        async with service(url) as it:
            await funded(it)
            if not heard:
                it.simulator.webhooks.drop("*")
                it.simulator.faults.add(method="POST", path="/v1/transfers", effect="reset")
            await payout(it, 12_000)
            await later(it, MINUTE)
            (row,) = (await it.get("/v1/audit", action="payout.settled")).json()["data"]
            assert row["after"]["status"] == "completed"
            # What is unknown is sent again, and stays unknown until there is an answer.
            assert row["before"] == {"status": "sending" if heard else "unknown"}

    run(story)
