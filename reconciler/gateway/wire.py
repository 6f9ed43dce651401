"""The one place where requests leave for Stripe: each waits for its turn, minds the breaker, and is
counted.

Must not retry and must not read an answer beyond whether it is Stripe's: the gateway does.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import stripe

from reconciler.domain.refusals import Refusal
from reconciler.gateway.breaker import Breaker, State
from reconciler.gateway.budget import Budget, Limits, Pace, Priority
from reconciler.gateway.fields import Json
from reconciler.gateway.outcomes import StripeUnavailable

LONGEST_QUEUE_SECONDS = 30.0
"""Commands that would wait longer than this for their turn are not begun."""

MOST_ENDPOINTS = 200
"""Of so many endpoints the calls are counted one by one, of the others together: a metric has no
more labels than our code has endpoints."""

_ID = re.compile(r"(?=.*[0-9A-Z]).+|(pi|ch|py|re|pyr|tr|trr|po|dp|du|acct|txn|cus|evt|pm|seti)_.*")


Still = Callable[[], bool]
"""Asked when a request's turn has come: whether it is still to be sent."""


def always() -> bool:
    return True


class CircuitOpen(StripeUnavailable):
    """Stripe has not been answering; this request was not made."""

    def __init__(self, seconds: float) -> None:
        Exception.__init__(
            self,
            "Stripe has not been answering; nothing is asked of it for"
            f" {max(1, round(seconds))} more seconds",
        )
        self.missing = False


class TooLate(stripe.StripeError):
    """When its turn came, this request was to be sent no more, and was not."""

    def __init__(self) -> None:
        message = "the service was held up before it could ask Stripe"
        super().__init__(message, code="not_sent")


@dataclass(slots=True)
class Tally:
    """What became of the requests to one endpoint, since the process began."""

    outcomes: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    def add(self, outcome: str, seconds: float) -> None:
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
        self.seconds += seconds


def endpoint_of(method: str, path: str) -> str:
    """`GET /v1/refunds/{id}` for a request of one refund: what Stripe counts together."""
    version, *parts = path.strip("/").split("/")
    shape = ["{id}" if _ID.fullmatch(part) else part for part in parts]
    return f"{method.upper()} /{'/'.join([version, *shape])}"


class Wire:
    """Requests under one secret key, and so of one Stripe account's limits."""

    def __init__(self, client: stripe.StripeClient, limits: Limits, pace: Pace) -> None:
        self._client = client
        self._pace = pace
        self.budget = Budget(limits, pace)
        self.breaker = Breaker()
        self.calls: dict[str, Tally] = {}

    async def send(
        self,
        priority: Priority,
        method: str,
        path: str,
        options: Json,
        still: Still = always,
    ) -> Json:
        """The answer's object. Raises StripeError only, or CircuitOpen, before anything was sent;
        a command is sent also then: whoever began it has decided. TooLate, and nothing was sent,
        if `still` says no when its turn has come."""
        endpoint = endpoint_of(method, path)
        self._mind(endpoint, priority)
        async with self.budget.turn(endpoint, priority):
            self._mind(endpoint, priority)
            if not still():
                self._count(endpoint, "not_sent", 0.0)
                raise TooLate
            return await self._ask(endpoint, method, path, options)

    def shown(self) -> dict[str, Any]:
        """How much is asked of Stripe, and how that goes: for people and metrics."""
        now, budget, breaker = self._pace.now(), self.budget, self.breaker
        waiting = budget.waiting()
        state = breaker.state
        if state is State.OPEN and not breaker.refuses(now):
            state = State.HALF_OPEN
        return {
            "breaker": {
                "state": state.value,
                "opened": breaker.opened,
                "failures_in_a_row": breaker.in_a_row,
                "seconds_until_probe": max(0.0, round(breaker.again_at - now, 1))
                if state is not State.CLOSED
                else 0.0,
            },
            "budget": {
                "requests_per_second": budget.limits.everything,
                "requests_per_second_of_an_endpoint": budget.limits.endpoint,
                "slowed_to_percent": budget.percent(),
                "times_slowed": budget.slowed,
                "in_flight": budget.in_flight,
                "classes": {
                    priority.name.lower(): {
                        "waiting": waiting[priority],
                        "turns": waits.turns,
                        "waited": waits.waited,
                        "seconds": round(waits.seconds, 3),
                        "longest": round(waits.longest, 3),
                    }
                    for priority, waits in budget.waits.items()
                },
            },
            "calls": {
                endpoint: {"outcomes": dict(tally.outcomes), "seconds": round(tally.seconds, 3)}
                for endpoint, tally in sorted(self.calls.items())
            },
        }

    def not_now(self) -> Refusal | None:
        """Why no command may be begun at present, and what to do; None if one may."""
        now = self._pace.now()
        if self.breaker.refuses(now):
            seconds = max(1, round(self.breaker.again_at - now))
            return Refusal(
                "stripe_unavailable",
                "Stripe has not been answering, so nothing was begun; try again in"
                f" {seconds} seconds or later.",
            )
        queued = self.budget.waiting()[Priority.COMMAND] / self.budget.speed()
        if queued > LONGEST_QUEUE_SECONDS:
            return Refusal(
                "stripe_busy",
                "So many commands wait for their turn at Stripe that this one was not begun; try"
                f" again in {round(queued)} seconds.",
            )
        return None

    def _mind(self, endpoint: str, priority: Priority) -> None:
        now = self._pace.now()
        if priority is not Priority.COMMAND and self.breaker.refuses(now):
            self._count(endpoint, "not_sent", 0.0)
            raise CircuitOpen(self.breaker.again_at - now)

    async def _ask(self, endpoint: str, method: str, path: str, options: Json) -> Json:
        started = self._pace.now()
        ticket = self.breaker.begin(started)
        outcome, answered = "cancelled", None
        try:
            body = await self._request(method, path, options)
            outcome, answered = "ok", True
        except stripe.StripeError as error:
            outcome, answered = _named(error)
            if outcome == "rate_limited":
                self.budget.slow_down(endpoint, _reason(error), started)
            raise
        finally:
            now = self._pace.now()
            self.breaker.ended(ticket, now, answered=answered)
            self._count(endpoint, outcome, now - started)
        return body

    async def _request(self, method: str, path: str, options: Json) -> Json:
        """What the SDK stumbles over in an answer that is not Stripe's (a proxy's page, broken
        bytes) leaves the outcome as open as no answer."""
        try:
            answer = await self._client.raw_request_async(method, path, **options)
        except (stripe.StripeError, asyncio.CancelledError):
            raise
        except Exception as error:
            text = f"the answer to {path} is not Stripe's ({type(error).__name__})"
            raise stripe.APIError(text) from error
        if not isinstance(answer.data, Mapping):
            raise stripe.APIError(f"the answer to {path} is not an object")
        return answer.data

    def _count(self, endpoint: str, outcome: str, seconds: float) -> None:
        known = endpoint in self.calls or len(self.calls) < MOST_ENDPOINTS
        self.calls.setdefault(endpoint if known else "other", Tally()).add(outcome, seconds)


def _named(error: stripe.StripeError) -> tuple[str, bool]:
    """What became of a request that ended in this error: in one of few words, for counting; and
    whether Stripe answered it at all."""
    status = error.http_status
    if isinstance(error, stripe.APIConnectionError):
        return "no_answer", False
    if isinstance(error, stripe.RateLimitError):
        return ("lock_timeout" if _code(error) == "lock_timeout" else "rate_limited"), True
    if status is None or status < 400:
        return "unreadable", False
    if status >= 500:
        return "server_error", False
    return "refused", True


def _code(error: stripe.StripeError) -> str:
    body = error.error
    return str(error.code or (getattr(body, "code", None) if body is not None else None) or "")


def _reason(error: stripe.StripeError) -> str:
    """Which limit was exceeded: `global-rate`, `endpoint-rate`, `resource-specific`, …"""
    headers: Any = error.headers or {}
    wanted = "stripe-rate-limited-reason"
    return next((str(value) for name, value in headers.items() if name.lower() == wanted), "")
