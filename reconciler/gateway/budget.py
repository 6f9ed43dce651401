"""Whose turn it is to ask Stripe: one budget of requests, shared by everything in this process.

Stripe takes so many requests a second from an account, and so many for each endpoint. Who asks
waits here until both have room: commands first, sweeps last. Must not know what is asked, nor
read the clock of the machine.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import IntEnum

from reconciler.gateway.bucket import Bucket

PATIENCE_SECONDS = 10.0
"""Who has waited so long goes next whatever its class, though only one of them each second."""

IN_FLIGHT = 20
"""How many requests may be under way at once; the transport opens as many connections."""

SHORTEST_SLEEP = 0.001
"""Shorter ones would not move a clock that counts from 1970 in floating point."""


class Priority(IntEnum):
    """Closed list: who goes first."""

    COMMAND = 0  # money moves, or a person is waiting to be sent to Stripe
    COMMAND_READ = 1  # a command waits for this reading
    REREAD = 2  # what webhooks left in doubt
    CHECK = 3  # the mirror, comparisons, pages
    SWEEP = 4  # everything that can as well happen later


MOST_IN_FLIGHT = {
    Priority.COMMAND: IN_FLIGHT,
    Priority.COMMAND_READ: IN_FLIGHT - 2,
    Priority.REREAD: IN_FLIGHT - 6,
    Priority.CHECK: IN_FLIGHT - 8,
    Priority.SWEEP: IN_FLIGHT - 10,
}
"""Slow answers to reads must not hold every connection when a command comes."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How time passes for the gateway: a clock that never goes back, and waiting by it."""

    now: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Limits:
    """Requests a second that this process may make: in all, of one endpoint, and of two kinds that
    Stripe treats apart. https://docs.stripe.com/rate-limits"""

    everything: float = 100
    endpoint: float = 25
    apart: float = 20  # files, and searches

    def of(self, endpoint: str) -> float:
        rest = endpoint.partition(" ")[2]
        special = rest.startswith(("/v1/files", "/v1/file_links")) or rest.endswith("/search")
        return min(self.endpoint, self.apart) if special else self.endpoint

    def shared(self, processes: int) -> Limits:
        """The part of each of so many processes that ask for one Stripe account."""
        return Limits(
            self.everything / processes, self.endpoint / processes, self.apart / processes
        )


LIVE = Limits()
TEST = Limits(everything=25)


@dataclass(slots=True)
class Waits:
    """What the members of one class have waited, since the process began."""

    turns: int = 0
    waited: int = 0
    seconds: float = 0.0
    longest: float = 0.0


@dataclass(slots=True, eq=False)
class _Waiter:
    endpoint: str
    priority: Priority
    number: int
    since: float
    turn: asyncio.Future[None] = field(repr=False)


class Budget:
    """Hands out turns. For one event loop."""

    def __init__(self, limits: Limits, pace: Pace) -> None:
        self.limits = limits
        self._pace = pace
        self._everything = Bucket(limits.everything, pace.now())
        self._endpoints: dict[str, Bucket] = {}
        self._queues: dict[tuple[Priority, str], deque[_Waiter]] = {}
        self._numbered = 0
        self._kind_at = float("-inf")
        self._timer: asyncio.Task[None] | None = None
        self._due = 0.0
        self.in_flight = 0
        self.slowed = 0
        self.waits = {priority: Waits() for priority in Priority}

    @asynccontextmanager
    async def turn(self, endpoint: str, priority: Priority) -> AsyncIterator[None]:
        """Wait until this request may be made; it is under way until the block ends."""
        await self._wait(endpoint, priority)
        try:
            yield
        finally:
            self.in_flight -= 1
            self._serve()

    def slow_down(self, endpoint: str, reason: str, sent_at: float) -> None:
        """Stripe said that it was too fast. `reason` is Stripe's own word for what was, if it gave
        one: too much of one object is no reason to ask less of others."""
        if reason.startswith("resource"):
            return
        now = self._pace.now()
        buckets = []
        if not reason.startswith("global"):
            buckets.append(self._bucket(endpoint))
        if not reason.startswith("endpoint"):
            buckets.append(self._everything)
        news = [bucket.slow_down(now, sent_at) for bucket in buckets]  # each of them, not the first
        self.slowed += any(news)
        self._serve()

    def waiting(self) -> dict[Priority, int]:
        """How many wait, of each class."""
        counts = dict.fromkeys(Priority, 0)
        for (priority, _), queue in self._queues.items():
            counts[priority] += len(queue)
        return counts

    def speed(self) -> float:
        """Requests a second that are made at most at present, in all."""
        self._everything.refill(self._pace.now())
        return self._everything.speed

    def percent(self) -> int:
        """How much of its pace the slowest limit has, after Stripe said it was too fast."""
        now = self._pace.now()
        shares = []
        for bucket in (self._everything, *self._endpoints.values()):
            bucket.refill(now)
            shares.append(bucket.share)
        return int(min(shares) * 100)

    def close(self) -> None:
        """Nobody is served any more."""
        if self._timer is not None:
            self._timer.cancel()

    async def _wait(self, endpoint: str, priority: Priority) -> None:
        now = self._pace.now()
        self._numbered += 1
        waiter = _Waiter(
            endpoint, priority, self._numbered, now, asyncio.get_running_loop().create_future()
        )
        self._queues.setdefault((priority, endpoint), deque()).append(waiter)
        self._serve()
        waits = self.waits[priority]
        waits.turns += 1
        if waiter.turn.done():
            return
        waits.waited += 1
        try:
            await waiter.turn
        except asyncio.CancelledError:
            self._left(waiter)
            raise
        finally:
            took = self._pace.now() - now
            waits.seconds += took
            waits.longest = max(waits.longest, took)

    def _left(self, waiter: _Waiter) -> None:
        """Who waited does not any more. A turn that had been given is passed on."""
        if waiter.turn.done() and not waiter.turn.cancelled():
            self.in_flight -= 1
        elif waiter in self._queues.get((waiter.priority, waiter.endpoint), ()):
            self._remove(waiter)
        self._serve()

    def _remove(self, waiter: _Waiter) -> None:
        queue = self._queues[waiter.priority, waiter.endpoint]
        queue.remove(waiter)
        if not queue:
            del self._queues[waiter.priority, waiter.endpoint]

    def _serve(self) -> None:
        """Give turns to all who may go now, and see to it that the next is looked at in time."""
        now = self._pace.now()
        wait = self._grant(now)
        if wait is None:
            return
        due = now + max(wait, SHORTEST_SLEEP)
        if self._timer is not None:
            if self._due <= due:
                return
            self._timer.cancel()
        self._due = due
        self._timer = asyncio.get_running_loop().create_task(self._later(due - now))

    async def _later(self, seconds: float) -> None:
        await self._pace.sleep(seconds)
        self._timer = None
        self._serve()

    def _grant(self, now: float) -> float | None:
        """Turns for all who may go now; the seconds until the next may, None if that depends on
        something else than time."""
        while self._queues:
            wait, chosen = self._choose(now)
            if chosen is None:
                return wait
            self._remove(chosen)
            if chosen.turn.cancelled():  # it has not heard yet, and will not need its turn
                continue
            self._everything.take()
            self._bucket(chosen.endpoint).take()
            self.in_flight += 1
            chosen.turn.set_result(None)
        return None

    def _choose(self, now: float) -> tuple[float | None, _Waiter | None]:
        """Who goes next now, or how long until somebody may."""
        self._everything.refill(now)
        soonest: float | None = None
        heads = sorted(
            (queue[0] for queue in self._queues.values()),
            key=lambda waiter: (waiter.priority, waiter.number),
        )
        patient = self._patient(heads, now)
        for waiter in [patient, *heads] if patient else heads:
            rank = Priority.COMMAND if waiter is patient else waiter.priority
            if self.in_flight >= MOST_IN_FLIGHT[rank]:
                continue
            bucket = self._bucket(waiter.endpoint)
            bucket.refill(now)
            wait = max(self._everything.wait(rank), bucket.wait(rank))
            if wait <= 0:
                if waiter is patient:
                    self._kind_at = now
                return None, waiter
            soonest = wait if soonest is None else min(soonest, wait)
        return soonest, None

    def _patient(self, heads: list[_Waiter], now: float) -> _Waiter | None:
        """Whoever has waited longest and too long, if it is time for one of those."""
        if now - self._kind_at < 1:
            return None
        late = [w for w in heads if w.priority and now - w.since >= PATIENCE_SECONDS]
        return min(late, key=lambda waiter: waiter.since, default=None)

    def _bucket(self, endpoint: str) -> Bucket:
        bucket = self._endpoints.get(endpoint)
        if bucket is None:
            bucket = Bucket(self.limits.of(endpoint), self._pace.now())
            self._endpoints[endpoint] = bucket
        return bucket
