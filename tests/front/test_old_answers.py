"""What is heard late or out of order never outranks what is newer; doubt ends with a reading."""

from __future__ import annotations

from jobs import resolve_outcomes
from reconciler.domain.snapshot import PLATFORM
from reconciler.store import objects
from tests.front.asking import ask, funded, paid, payout, refunds, sound
from tests.harness import run, service

RESET = {"when": "after", "effect": "reset"}


def test_an_answer_given_again_is_as_old_as_the_first(database_url: str) -> None:
    """Stripe repeats what it said at first: a refund that failed since is still `succeeded` in it,
    and must not be believed over the webhook that told of the failure."""

    async def story() -> None:
        async with service(database_url) as it:
            await it.merchant("bakery")
            intent = await paid(it, 10_000)
            it.simulator.faults.add("POST", "/v1/refunds", **RESET)
            body = {"payment": intent["id"], "amount": 2_000}
            begun = (await ask(it, "/v1/refunds", body)).json()
            assert begun["status"] == "unknown"
            (made,) = refunds(it)
            it.simulator.clock.advance(60)
            it.simulator.acts.fail_refund(made["id"])
            it.simulator.clock.advance(60)
            # The resolver asks again before any webhook has come; then all of them do.
            await resolve_outcomes.run(it.context)
            await it.listen()
            shown = (await it.get(f"/v1/refunds/{begun['id']}")).json()
            assert shown["status"] == "failed"
            assert (await it.balances())["merchant:bakery", "usd"] == -10_000
            await sound(it)

    run(story)


def test_a_reversal_in_doubt_is_read_below_its_transfer(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await funded(it)
            done = await payout(it, 5_000)
            await ask(it, f"/v1/payouts/{done['id']}/reverse", {"amount": 1_000})
            await it.listen()
            (made,) = it.simulator.world.home.shelf("transfer_reversal")
            now = it.context.now()
            async with it.context.write() as session:
                await objects.want(session, [objects.Fetch(made, PLATFORM, "tie", now, now)], now)
            await it.settle()
            assert await it.query("SELECT object_id, error FROM fetches") == []
            await sound(it)

    run(story)
