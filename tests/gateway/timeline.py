"""Virtual time for asynchronous tests: it moves on only when nobody has anything left to do."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from reconciler.gateway.budget import Pace

T = TypeVar("T")

TURNS = 12
"""So many passes of the loop let everything happen that needs no time."""


class Timeline:
    def __init__(self) -> None:
        self._now = 1000.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbered = 0

    def now(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        self._numbered += 1
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + seconds, self._numbered, woken))
        await woken

    @property
    def pace(self) -> Pace:
        return Pace(self.now, self.sleep)

    async def _pass(self, work: asyncio.Future[Any]) -> None:
        while not work.done():
            for _ in range(TURNS):
                await asyncio.sleep(0)
            self._sleepers = [each for each in self._sleepers if not each[2].done()]
            heapq.heapify(self._sleepers)
            if work.done():
                return
            assert self._sleepers, "everybody waits, and nobody for time"
            due, _, woken = heapq.heappop(self._sleepers)
            self._now = max(self._now, due)
            woken.set_result(None)

    def run(self, story: Callable[[], Awaitable[T]]) -> T:
        """The story's result, however long it takes in virtual time."""

        async def main() -> T:
            work = asyncio.ensure_future(story())
            await self._pass(work)
            return await work

        return asyncio.run(main())
