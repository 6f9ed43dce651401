"""The one place where requests leave: turns, the breaker and the counts, over the real SDK."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import httpx
import pytest
import stamina
from hypothesis import given
from hypothesis import strategies as st

from reconciler.gateway.breaker import FIRST_PAUSE_SECONDS, IN_A_ROW, State
from reconciler.gateway.bucket import Bucket
from reconciler.gateway.budget import LIVE, TEST, Limits, Priority
from reconciler.gateway.client import Gateway
from reconciler.gateway.outcomes import Ending, StripeUnavailable
from reconciler.gateway.transport import Transport
from reconciler.gateway.wire import LONGEST_QUEUE_SECONDS, MOST_ENDPOINTS, CircuitOpen, endpoint_of
from tests.domain.making import OURS
from tests.gateway.test_client import KEY, refused
from tests.gateway.timeline import Timeline

T = TypeVar("T")


class Stripe:
    """Answers everything in the same way, after so many virtual seconds, and notes when it was
    asked for what."""

    def __init__(self, timeline: Timeline, answer: Any = None, takes: float = 0.0) -> None:
        self.timeline, self.answer, self.takes = timeline, answer, takes
        self.asked: list[tuple[float, str]] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append((self.timeline.now(), f"{request.method} {request.url.path}"))
        if self.takes:
            await self.timeline.sleep(self.takes)
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is not None:
            return httpx.Response(self.answer.status_code, content=self.answer.content)
        return httpx.Response(
            200, json={"id": "tr_1", "object": "transfer", "data": [], "has_more": False}
        )


def through(
    use: Callable[[Gateway, Stripe, Timeline], Awaitable[T]],
    limits: Limits = LIVE,
    **stripe: Any,
) -> T:
    timeline = Timeline()
    there = Stripe(timeline, **stripe)

    async def story() -> T:
        client = httpx.AsyncClient(transport=httpx.MockTransport(there))
        gateway = Gateway(
            KEY, Transport(client), api_version=OURS, limits=limits, pace=timeline.pace
        )
        try:
            return await use(gateway, there, timeline)
        finally:
            await gateway.close()

    with stamina_off():
        return timeline.run(story)


class stamina_off:
    """Every read is tried once: here each request counts."""

    def __enter__(self) -> None:
        stamina.set_testing(True, attempts=1)

    def __exit__(self, *_: object) -> None:
        stamina.set_testing(False)


async def pay(gateway: Gateway, key: str = "k") -> Ending:
    return (await gateway.post("/v1/transfers", {"amount": 1}, key)).ending


@pytest.mark.parametrize(
    ("path", "endpoint"),
    [
        ("/v1/balance", "/v1/balance"),
        ("/v1/balance_transactions", "/v1/balance_transactions"),
        ("/v1/payment_intents/pi_3Abc", "/v1/payment_intents/{id}"),
        ("/v1/payment_intents/pi_only_letters", "/v1/payment_intents/{id}"),
        ("/v1/payment_intents/search", "/v1/payment_intents/search"),
        ("/v1/transfers/tr_1/reversals", "/v1/transfers/{id}/reversals"),
        ("/v1/accounts/acct_1/login_links", "/v1/accounts/{id}/login_links"),
        ("/v1/test_helpers/refunds/re_1/expire", "/v1/test_helpers/refunds/{id}/expire"),
        ("/v1/checkout/sessions/cs_test_1", "/v1/checkout/sessions/{id}"),
        ("/v1/webhook_endpoints", "/v1/webhook_endpoints"),
        ("/v2/core/events/evt_1", "/v2/core/events/{id}"),
    ],
)
def test_an_endpoint_is_a_method_and_a_path_without_ids(path: str, endpoint: str):
    assert endpoint_of("get", path) == f"GET {endpoint}"


@given(st.from_regex(r"(pi|ch|re|tr|acct|cus)_[A-Za-z0-9_]{1,40}", fullmatch=True))
def test_no_object_becomes_an_endpoint(id: str):
    assert endpoint_of("get", f"/v1/things/{id}") == "GET /v1/things/{id}"


def test_a_burst_of_sweeps_delays_a_command_by_no_more_than_its_slot():
    async def story(gateway: Gateway, stripe: Stripe, timeline: Timeline) -> float:
        sweeps = [
            asyncio.create_task(gateway.at(Priority.SWEEP).balance(f"acct_{n}")) for n in range(40)
        ]
        await timeline.sleep(0.77)
        began = timeline.now()
        assert await pay(gateway) is Ending.ACCEPTED
        [at] = [at for at, what in stripe.asked if what == "POST /v1/transfers"]
        await asyncio.gather(*sweeps, return_exceptions=True)
        return at - began

    # In test mode all share one limit: the worst case.
    assert through(story, TEST, takes=0.2) <= 1 / Bucket(25, 0).pace + 0.005


def test_the_reads_of_a_job_are_of_its_class_and_commands_go_first():
    async def story(gateway: Gateway, stripe: Stripe, _: Timeline) -> list[str]:
        job = gateway.at(Priority.SWEEP)
        await asyncio.gather(
            *(job.get("/v1/events", {}) for _ in range(8)),
            pay(job),
            *(gateway.get("/v1/balance", {}) for _ in range(3)),
        )
        assert gateway.wire.budget.waits[Priority.SWEEP].turns == 8
        assert gateway.wire.budget.waits[Priority.COMMAND].turns == 1
        assert gateway.wire.budget.waits[Priority.COMMAND_READ].turns == 3
        return [what for _, what in stripe.asked]

    asked = through(story, Limits(4, 4))
    assert asked.index("POST /v1/transfers") <= 1  # the first came when nobody else had asked
    assert asked[1:5].count("GET /v1/balance") == 3


@pytest.mark.parametrize(
    "answer",
    [httpx.ConnectError("no route"), refused(500), httpx.Response(502, content=b"<html>")],
)
def test_when_stripe_does_not_answer_reads_stop_and_commands_are_not_begun(answer: Any):
    async def story(gateway: Gateway, stripe: Stripe, timeline: Timeline) -> None:
        for _ in range(IN_A_ROW):
            assert gateway.not_now() is None
            with pytest.raises(StripeUnavailable):
                await gateway.balance()
        refusal = gateway.not_now()
        assert refusal is not None
        assert refusal.code == "stripe_unavailable"
        assert "try again in 5 seconds" in refusal.message
        asked = len(stripe.asked)
        for priority in (Priority.COMMAND_READ, Priority.REREAD, Priority.CHECK, Priority.SWEEP):
            with pytest.raises(CircuitOpen, match="not been answering"):
                await gateway.at(priority).balance()
        assert len(stripe.asked) == asked
        # What was begun before is sent: nobody knows better than Stripe whether it can be.
        assert await pay(gateway) is Ending.UNKNOWN
        assert len(stripe.asked) == asked + 1
        assert gateway.wire.calls["GET /v1/balance"].outcomes["not_sent"] == 4
        await timeline.sleep(FIRST_PAUSE_SECONDS)
        assert gateway.not_now() is None
        stripe.answer = httpx.Response(404, json={"error": {"message": "No."}})
        with pytest.raises(StripeUnavailable):
            await gateway.balance()  # a no is an answer
        assert gateway.wire.breaker.state is State.CLOSED

    through(story, answer=answer)


def test_while_one_request_tries_the_others_are_refused():
    async def story(gateway: Gateway, stripe: Stripe, timeline: Timeline) -> list[Any]:
        for _ in range(IN_A_ROW):
            with pytest.raises(StripeUnavailable):
                await gateway.balance()
        await timeline.sleep(FIRST_PAUSE_SECONDS)
        stripe.answer, stripe.takes = None, 1.0
        reads = [gateway.get("/v1/events", {}) for _ in range(5)]
        return await asyncio.gather(*reads, return_exceptions=True)

    results = through(story, answer=refused(503))
    assert sum(isinstance(each, CircuitOpen) for each in results) == 4
    assert sum(isinstance(each, dict) for each in results) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 429])
def test_a_no_is_an_answer(status: int):
    async def story(gateway: Gateway, _: Stripe, __: Timeline) -> None:
        for _n in range(3 * IN_A_ROW):
            with pytest.raises(StripeUnavailable):
                await gateway.balance()
        assert gateway.wire.breaker.state is State.CLOSED
        assert gateway.not_now() is None

    through(story, answer=refused(status))


@pytest.mark.parametrize(
    ("code", "slower"), [("rate_limit", True), ("", True), ("lock_timeout", False)]
)
def test_too_fast_slows_down_and_a_lock_does_not(code: str, slower: bool):
    async def story(gateway: Gateway, _: Stripe, timeline: Timeline) -> tuple[float, str]:
        with pytest.raises(StripeUnavailable):
            await gateway.balance()
        [outcome] = gateway.wire.calls["GET /v1/balance"].outcomes
        return gateway.wire.budget.speed(), outcome

    speed, outcome = through(story, answer=refused(429, code=code) if code else refused(429))
    assert (speed < 80) == slower
    assert outcome == ("rate_limited" if slower else "lock_timeout")


def test_a_command_that_would_wait_too_long_is_not_begun():
    async def story(gateway: Gateway, _: Stripe, __: Timeline) -> None:
        waiting = [
            asyncio.create_task(pay(gateway, f"k{n}"))
            for n in range(int(LONGEST_QUEUE_SECONDS) + 5)
        ]
        await asyncio.sleep(0)
        refusal = gateway.not_now()
        assert refusal is not None
        assert refusal.code == "stripe_busy"
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert gateway.not_now() is None

    through(story, Limits(1, 1))


def test_a_request_that_is_given_up_counts_as_neither():
    async def story(gateway: Gateway, _: Stripe, timeline: Timeline) -> dict[str, int]:
        reading = asyncio.create_task(gateway.balance())
        await timeline.sleep(1)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        assert gateway.wire.budget.in_flight == 0
        assert gateway.wire.breaker.in_a_row == 0
        return gateway.wire.calls["GET /v1/balance"].outcomes

    assert through(story, takes=20.0) == {"cancelled": 1}


def test_the_counts_do_not_grow_without_end():
    async def story(gateway: Gateway, _: Stripe, __: Timeline) -> int:
        for number in range(MOST_ENDPOINTS + 50):
            letters = "".join(chr(97 + int(digit)) for digit in str(number))
            await gateway.get(f"/v1/{letters}", {})
        assert gateway.wire.calls["other"].outcomes["ok"] == 50
        return len(gateway.wire.calls)

    assert through(story, Limits(10_000, 10_000)) == MOST_ENDPOINTS + 1


def test_what_is_shown_has_no_key_and_no_object():
    async def story(gateway: Gateway, _: Stripe, __: Timeline) -> dict[str, Any]:
        await gateway.get("/v1/transfers/tr_1", {})
        await pay(gateway)
        return gateway.wire.shown()

    shown = str(through(story))
    assert "tr_1" not in shown
    assert KEY not in shown
    assert KEY[-4:] not in shown
