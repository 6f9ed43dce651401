"""What Stripe's event lists show is remembered: what was never made, and what never came."""

from __future__ import annotations

from typing import Any

from jobs import watch_delivery
from reconciler.domain.snapshot import PLATFORM
from reconciler.intake.list_events import list_events
from reconciler.intake.recover import recover_connected, recover_events
from reconciler.store import listed_events
from reconciler.store.listed_events import Listed, Reach
from tests.harness import Service, ask_stripe, run, service

DAY = 86400


async def _unsent(it: Service, *ids: str) -> dict[str, list[Listed]]:
    async with it.context.database.read() as session:
        return await listed_events.of_objects(session, ids)


async def _reach(it: Service, account: str = PLATFORM) -> Reach:
    async with it.context.database.read() as session:
        return await listed_events.reach(session, account)


def _paid(it: Service) -> str:
    return str(it.simulator.acts.pay(2000, "usd")["latest_charge"])


async def _sweep_connected(it: Service, **options: Any) -> Any:
    assert it.context.stripe is not None
    swept = await recover_connected(it.context, it.context.stripe, **options)
    await it.settle()
    return swept


def test_a_check_lists_events_and_takes_none_in(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            it.simulator.webhooks.drop("charge.succeeded")
            charge = _paid(it)
            await it.listen()
            before = await it.query("SELECT COUNT(*) AS events FROM inbox")
            run_ = await it.check()
            assert before == await it.query("SELECT COUNT(*) AS events FROM inbox")
            assert "events_listed" in {w["stream"] for w in run_["coverage"]["walks"]}
            [missing] = (await _unsent(it, charge))[charge]
            assert (missing.type, missing.held) == ("charge.succeeded", "")
            assert (await _reach(it)).covers(missing.created)
            it.simulator.clock.advance(60)
            await it.sweep()
            [healed] = (await _unsent(it, charge))[charge]
            assert (healed.id, healed.held) == (missing.id, "recovered")
            assert healed.held_at > healed.listed_at

    run(story)


def test_an_event_that_was_never_made_is_in_no_list_that_covers_its_moment(
    database_url: str,
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            charge, moment = _paid(it), it.simulator.clock.now()
            events = it.simulator.world.home.shelf("event").values()
            for id in [e["id"] for e in events if e["data"]["object"]["id"] == charge]:
                it.simulator.acts.fail_event_generation(id)
            await it.listen()
            it.simulator.clock.advance(60)
            assert not (await _reach(it)).covers(moment)
            await it.check()
            assert (await _reach(it)).covers(moment)
            assert await _unsent(it, charge) == {}

    run(story)


def test_a_webhook_that_comes_after_the_sweep_is_late_and_no_gap(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            it.simulator.webhooks.delay("charge.succeeded", 300)
            charge = _paid(it)
            await it.listen()
            await it.sweep()
            [listed] = (await _unsent(it, charge))[charge]
            assert (listed.held, listed.delivered_at) == ("recovered", 0)
            assert (await it.get("/v1/delivery")).json()["under_way"] == 1  # it is not due yet
            it.simulator.clock.advance(300)
            await it.listen()
            [late] = (await _unsent(it, charge))[charge]
            assert late.delivered_at >= listed.listed_at + 300
            shown = (await it.get("/v1/delivery")).json()
            assert (shown["healed"], shown["missing"], shown["completeness"]) == (0, 0, 1)

    run(story)


def test_a_list_that_was_not_read_for_longer_than_stripe_remembers_has_a_hole(
    sqlite_url: str,
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            begun = it.simulator.clock.now()
            await it.sweep()
            it.simulator.clock.advance(DAY)
            await it.sweep()
            assert (await _reach(it)).covers(begun)
            it.simulator.clock.advance(40 * DAY)
            await it.sweep()
            reach = await _reach(it)
            assert not reach.covers(begun)
            assert reach.covers(it.simulator.clock.now() - 29 * DAY)

    run(story)


def test_a_check_does_not_go_on_with_what_the_sweep_has_read_meanwhile(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            assert it.context.stripe is not None
            for _ in range(50):
                _paid(it)
            it.simulator.clock.advance(DAY)
            cut = await list_events(it.context, it.context.stripe, pages=1)
            assert (cut.rows, cut.complete) == (100, False)
            it.simulator.clock.advance(60)
            await it.sweep()
            after = await list_events(it.context, it.context.stripe, pages=1)
            assert (after.rows, after.complete) == (0, True)

    run(story)


def test_connected_accounts_lists_are_swept_too_retired_ones_included(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            account = await it.merchant("bakery")
            await it.listen()
            it.simulator.clock.advance(100)
            it.simulator.webhooks.drop("account.updated")
            await ask_stripe(it, f"/v1/accounts/{account}", **{"metadata[a]": "x"})
            await it.listen()
            held = "SELECT stripe_account FROM inbox WHERE channel = 'recovered'"
            assert await it.query(held) == []
            swept = await _sweep_connected(it)
            assert (swept.accounts, swept.new > 0, swept.failed) == (1, True, 0)
            assert {row["stripe_account"] for row in await it.query(held)} == {account}
            assert not await it.query("SELECT * FROM inbox WHERE status = 'dead'")
            assert (await _reach(it, account)).covers(it.simulator.clock.now() - 200)

            second = it.simulator.acts.connect_account()
            async with it.context.write() as session:
                await session.run("UPDATE merchants SET stripe_account = :a", a=second)
            it.simulator.clock.advance(DAY)
            assert (await _sweep_connected(it)).accounts == 2

    run(story)


def test_accounts_take_turns_and_one_that_cannot_be_read_waits_longer_each_time(
    sqlite_url: str,
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            names = [await it.merchant(f"m{n}") for n in range(3)]
            first = await _sweep_connected(it, accounts=2)
            assert (first.accounts, first.waiting) == (2, 1)
            second = await _sweep_connected(it, accounts=2)
            assert (second.accounts, second.waiting) == (1, 0)
            assert (await _sweep_connected(it)).accounts == 0

            it.simulator.world.books[names[0]].deleted = True
            for wait, tried in ((400, 3), (400, 2), (400, 3)):
                it.simulator.clock.advance(wait)
                swept = await _sweep_connected(it)
                assert (swept.accounts, swept.failed) == (tried, tried - 2)
            assert (await _reach(it, names[0])).failures == 2
            assert (await _reach(it, names[0])).error

    run(story)


def test_a_connected_accounts_list_goes_on_where_a_run_stopped(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            account = await it.merchant("bakery")
            for n in range(120):
                it.simulator.clock.advance(1)
                await ask_stripe(it, f"/v1/accounts/{account}", **{"metadata[a]": str(n)})
            assert it.context.stripe is not None
            it.simulator.clock.advance(10)
            for _ in range(2):
                await recover_events(it.context, it.context.stripe, account, pages=1)
            reach = await _reach(it, account)
            assert (reach.read_to > 0, reach.failures) == (True, 0)
            [held] = await it.query(
                "SELECT COUNT(*) AS events FROM inbox WHERE type = 'account.updated'"
            )
            assert held["events"] >= 120

    run(story)


def test_a_run_that_could_not_read_the_list_is_not_clean(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            _paid(it)
            await it.listen()
            it.simulator.clock.advance(DAY)
            it.simulator.faults.add(path="/v1/events", effect="reset", times=None)
            read = await it.check()
            assert read["status"] == "incomplete"
            assert any("events_listed" in error for error in read["coverage"]["errors"])
            it.simulator.faults.clear()
            assert (await it.check())["status"] == "clean"

    run(story)


def test_old_rows_of_lists_are_forgotten_and_what_is_missing_is_not(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            it.simulator.webhooks.drop("charge.succeeded", times=1)
            _paid(it)
            await it.listen()
            it.simulator.clock.advance(60)
            await it.check()
            assert len(await it.query("SELECT id FROM listed_events")) == 3
            it.simulator.clock.advance(71 * DAY)
            await watch_delivery.run(it.context)
            [left] = await it.query("SELECT type FROM listed_events")
            assert left["type"] == "charge.succeeded"

    run(story)
