"""The rate budget: never above the limit in any second, commands first, nobody for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.app import limits
from reconciler.gateway.bucket import Bucket
from reconciler.gateway.budget import (
    IN_FLIGHT,
    LIVE,
    MOST_IN_FLIGHT,
    PATIENCE_SECONDS,
    TEST,
    Budget,
    Limits,
    Priority,
)
from reconciler.settings import Settings
from tests.gateway.timeline import Timeline

A, B = "GET /v1/refunds/{id}", "POST /v1/transfers"
LIMITS = st.one_of(
    st.integers(1, 120).map(float), st.floats(0.2, 5), st.just(25 / 32), st.just(100 / 3)
)


def most_in_a_second(moments: Sequence[float]) -> int:
    """The reference: how many fall into the fullest second that begins with one of them. Half a
    thousandth is what a clock in floating point may be off."""
    return max(
        (sum(first <= each < first + 0.9995 for each in moments) for first in moments), default=0
    )


# -- one limit ---------------------------------------------------------------------------------


PAUSES = st.one_of(st.sampled_from([0.0, 0.0, 0.005, 0.02, 0.05]), st.floats(0, 2))


@given(LIMITS, st.lists(st.tuples(PAUSES, st.integers(0, 4)), min_size=30, max_size=300))
def test_no_second_holds_more_than_the_limit(limit: float, asked: list[tuple[float, int]]):
    bucket, now, taken = Bucket(limit, 0.0), 0.0, []
    for pause, rank in asked:
        now += pause
        bucket.refill(now)
        if not bucket.wait(rank):
            bucket.take()
            taken.append(now)
    assert most_in_a_second(taken) <= max(1, limit)


@given(LIMITS, st.integers(0, 4), st.integers(1, 60))
def test_who_asks_alone_gets_the_pace(limit: float, rank: int, times: int):
    bucket, now = Bucket(limit, 0.0), 0.0
    for _ in range(times):
        now += bucket.wait(rank)
        bucket.refill(now)
        assert bucket.wait(rank) == 0
        bucket.take()
    # The first are served from the store; then each second brings what the pace says.
    assert now <= times / bucket.pace
    assert bucket.pace >= min(limit, 1) * 0.5
    assert limit < 5 or bucket.pace >= 0.75 * limit


@given(LIMITS, st.lists(st.tuples(st.floats(0, 5), st.floats(0, 5)), min_size=1, max_size=40))
def test_a_pace_that_was_slowed_down_comes_back(limit: float, refused: list[tuple[float, float]]):
    bucket, now = Bucket(limit, 0.0), 0.0
    for pause, ago in refused:
        now += pause
        before = bucket.speed
        bucket.refill(now)
        grown = bucket.speed
        assert grown >= before
        if bucket.slow_down(now, now - ago):
            assert bucket.speed == pytest.approx(max(grown / 2, bucket.pace * 0.05))
            assert bucket.wait(0) > 0
        else:
            assert bucket.speed == grown
    for _ in range(25):
        now += 1
        bucket.refill(now)
    assert bucket.speed == bucket.pace


def test_requests_that_were_sent_before_the_slowing_down_slow_down_no_further():
    bucket = Bucket(100, 0.0)
    assert bucket.slow_down(10.0, 9.9)
    assert not any(bucket.slow_down(10.1, 9.95) for _ in range(50))
    assert bucket.share >= 0.5
    assert bucket.slow_down(11.0, 10.5)


# -- turns -------------------------------------------------------------------------------------


@dataclass
class Served:
    number: int
    priority: Priority
    endpoint: str
    asked: float
    at: float = 0.0

    @property
    def waited(self) -> float:
        return self.at - self.asked


Asked = tuple[float, Priority, str, float]


def serve(bounds: Limits, asked: Sequence[Asked]) -> list[Served]:
    """Everybody asks at the given moment, after the start, and holds the turn for so long."""
    timeline = Timeline()
    served: list[Served] = []
    start = timeline.now()

    async def story() -> None:
        budget = Budget(bounds, timeline.pace)

        async def one(number: int, each: Asked) -> None:
            moment, priority, endpoint, takes = each
            await timeline.sleep(moment)
            mine = Served(number, priority, endpoint, timeline.now() - start)
            async with budget.turn(endpoint, priority):
                mine.at = timeline.now() - start
                served.append(mine)
                await timeline.sleep(takes)

        await asyncio.gather(*(one(*each) for each in enumerate(asked)))
        assert budget.in_flight == 0
        assert not any(budget.waiting().values())

    timeline.run(story)
    assert len(served) == len(asked)
    return served


ASKED = st.lists(
    st.tuples(
        st.floats(0, 1.5),
        st.sampled_from(Priority),
        st.sampled_from([A, B]),
        st.sampled_from([0.0, 0.0, 0.3]),
    ),
    max_size=45,
)


@settings(deadline=None, max_examples=60)
@given(st.sampled_from([LIVE, TEST, Limits(9, 4)]), ASKED)
def test_limits_hold_and_higher_classes_go_first(bounds: Limits, asked: list[Asked]):
    served = serve(bounds, asked)
    assert most_in_a_second([each.at for each in served]) <= bounds.everything
    for endpoint in (A, B):
        there = [each for each in served if each.endpoint == endpoint]
        assert most_in_a_second([each.at for each in there]) <= bounds.endpoint
        for first in there:
            for later in there:
                if later.at <= first.at + 0.002 or later.asked >= first.at - 0.002:
                    continue
                # `later` was already waiting when `first` got its turn at the same endpoint.
                patient = first.waited >= PATIENCE_SECONDS
                assert first.priority <= later.priority or patient
                if first.priority == later.priority:
                    assert first.asked <= later.asked


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from([LIVE, TEST]),
    st.lists(
        st.one_of(st.sampled_from([0.5, 1.0, 1.01, 1.2]), st.floats(0.5, 2)),
        min_size=1,
        max_size=12,
    ),
    st.lists(
        st.tuples(
            st.sampled_from([0.0, 0.0, 0.7]),
            st.just(Priority.SWEEP),
            st.sampled_from([A, B]),
            st.just(0.0),
        ),
        min_size=20,
        max_size=60,
    ),
    st.sampled_from([A, B]),
)
def test_sweeps_delay_a_command_by_no_more_than_its_own_slot(
    bounds: Limits, moments: list[float], sweeps: list[Asked], endpoint: str
):
    commands: list[Asked] = [(each, Priority.COMMAND, endpoint, 0.0) for each in moments]
    alone = {each.number: each.at for each in serve(bounds, commands)}
    among = serve(bounds, [*commands, *sweeps])
    slot = 1 / Bucket(bounds.endpoint, 0).pace
    whole = 1 / Bucket(bounds.everything, 0).pace
    for each in among:
        if each.priority is Priority.COMMAND:
            assert each.at <= alone[each.number] + max(slot, whole) + 0.005


def test_a_burst_of_sweeps_lets_a_burst_of_commands_through_at_once():
    sweeps: list[Asked] = [(0.0, Priority.SWEEP, A, 0.0)] * 100
    commands: list[Asked] = [(1.0, Priority.COMMAND, A, 0.0)] * 4
    served = serve(LIVE, [*sweeps, *commands])
    waits = [each.waited for each in served if each.priority is Priority.COMMAND]
    assert len(waits) == 4
    assert max(waits) <= 0.06


def test_a_sweep_goes_at_the_full_pace_when_nobody_else_asks():
    served = serve(TEST, [(0.0, Priority.SWEEP, A, 0.0)] * 61)
    assert max(each.at for each in served) == pytest.approx(60 / 20, abs=0.1)


def test_a_sweep_progresses_beside_commands_without_end():
    # More commands than the account may send: each of them waits already.
    commands: list[Asked] = [(number / 30, Priority.COMMAND, A, 0.0) for number in range(900)]
    served = serve(TEST, [*commands, *[(0.0, Priority.SWEEP, A, 0.0)] * 60])
    busy = max(each.at for each in served if each.priority is Priority.COMMAND)
    sweeps = [each for each in served if each.priority is Priority.SWEEP and each.at < busy]
    # From the time that their patience ends, one in each second.
    assert len(sweeps) >= busy - PATIENCE_SECONDS - 3
    assert most_in_a_second([each.at for each in sweeps if each.at > 2]) <= 1


def test_a_full_endpoint_holds_up_nobody_at_another():
    crowd: list[Asked] = [(0.0, Priority.COMMAND, B, 0.0)] * 60
    served = serve(LIVE, [*crowd, (0.5, Priority.SWEEP, A, 0.0)])
    [sweep] = [each for each in served if each.priority is Priority.SWEEP]
    assert sweep.waited < 0.2


def test_slow_answers_to_reads_leave_connections_for_commands():
    hanging: list[Asked] = [(0.0, Priority.CHECK, f"GET /v1/{n}", 30.0) for n in range(40)]
    commands: list[Asked] = [(5.0, Priority.COMMAND, B, 30.0)] * 5
    served = serve(LIVE, [*hanging, *commands])
    assert max(each.waited for each in served if each.priority is Priority.COMMAND) < 0.1
    first = [e for e in served if e.priority is Priority.CHECK and e.at < 30]
    assert len(first) == MOST_IN_FLIGHT[Priority.CHECK] < IN_FLIGHT


def test_files_and_searches_have_limits_of_their_own():
    assert LIVE.of("GET /v1/files/{id}") == 20
    assert LIVE.of("GET /v1/payment_intents/search") == 20
    assert LIVE.of("GET /v1/payment_intents/{id}") == 25
    assert LIVE.shared(4) == Limits(25, 6.25, 5)


# -- giving up, and being too fast -------------------------------------------------------------


def test_who_gives_up_waiting_leaves_its_turn_to_others():
    timeline = Timeline()

    async def story() -> list[str]:
        budget = Budget(Limits(1, 1), timeline.pace)
        order: list[str] = []

        async def ask(name: str, priority: Priority) -> None:
            async with budget.turn(A, priority):
                order.append(name)

        tasks = {
            name: asyncio.create_task(ask(name, priority))
            for name, priority in [
                ("first", Priority.COMMAND),
                ("gone", Priority.COMMAND),
                ("late", Priority.COMMAND),
                ("sweep", Priority.SWEEP),
            ]
        }
        await asyncio.sleep(0)
        tasks["gone"].cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        assert budget.in_flight == 0
        return order

    assert timeline.run(story) == ["first", "late", "sweep"]


def test_a_turn_given_to_somebody_who_just_left_is_not_lost():
    timeline = Timeline()

    async def story() -> int:
        budget = Budget(Limits(100, 100), timeline.pace)

        async def hold(seconds: float) -> None:
            async with budget.turn(A, Priority.COMMAND):
                await timeline.sleep(seconds)

        holding = [asyncio.create_task(hold(1)) for _ in range(IN_FLIGHT)]
        await timeline.sleep(0.5)
        waiting = [asyncio.create_task(hold(0)) for _ in range(3)]
        await timeline.sleep(0.1)
        waiting[0].cancel()  # and at the same moment a turn becomes free
        holding[0].cancel()
        await asyncio.gather(*holding, *waiting, return_exceptions=True)
        return budget.in_flight

    assert timeline.run(story) == 0


@pytest.mark.parametrize(
    ("reason", "slowed"),
    [
        ("", {"all", A}),
        ("global-rate", {"all"}),
        ("global-concurrency", {"all"}),
        ("endpoint-rate", {A}),
        ("resource-specific", set()),
    ],
)
def test_stripe_says_what_was_too_fast(reason: str, slowed: set[str]):
    timeline = Timeline()

    async def story() -> tuple[set[str], int]:
        budget = Budget(LIVE, timeline.pace)
        async with budget.turn(A, Priority.SWEEP):
            sent = timeline.now()
            await timeline.sleep(1)
            for _ in range(9):
                budget.slow_down(A, reason, sent)
        found = {"all"} if budget.speed() < 80 else set()
        if budget._bucket(A).speed < 20:
            found.add(A)
        return found, budget.slowed

    found, times = timeline.run(story)
    assert found == slowed
    assert times == bool(slowed)


def test_what_was_waited_is_known():
    timeline = Timeline()

    async def story() -> Budget:
        budget = Budget(Limits(1, 1), timeline.pace)

        async def ask(priority: Priority) -> None:
            async with budget.turn(A, priority):
                pass

        await asyncio.gather(*(ask(Priority.COMMAND) for _ in range(3)), ask(Priority.SWEEP))
        return budget

    waits = timeline.run(story).waits
    commands = waits[Priority.COMMAND]
    assert (commands.turns, commands.waited) == (3, 2)
    assert commands.seconds == pytest.approx(1 + 2, abs=0.01)
    assert commands.longest == pytest.approx(2, abs=0.01)
    assert waits[Priority.SWEEP].seconds == pytest.approx(3, abs=0.01)
    assert waits[Priority.CHECK].turns == 0


# -- what the settings make of it --------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"STRIPE_SECRET_KEY": "sk_live_" + "0" * 24}, LIVE),
        ({"STRIPE_SECRET_KEY": "sk_test_" + "0" * 24}, TEST),
        ({"STRIPE_SECRET_KEY": "rk_live_" + "0" * 24, "RECONCILER_INSTANCES": 4}, LIVE.shared(4)),
        ({"RECONCILER_STRIPE_RATE": 10}, Limits(10, 25, 20)),
        ({"RECONCILER_STRIPE_ENDPOINT_RATE": 5}, Limits(25, 5, 20)),
        ({"RECONCILER_STRIPE_ENDPOINT_RATE": 500}, Limits(25, 500, 500)),
    ],
)
def test_a_process_has_its_share_of_what_the_account_may(more: dict, expected: Limits):
    assert limits(Settings.model_validate({"DATABASE_URL": "sqlite:///x.db", **more})) == expected
