"""Virtual time, and everything that will happen by itself.

Time moves only when told to. What is due on the way happens in time order, and in the order it was
planned within one second. The agenda holds names and plain details, never callables, so that it can
be stored. Nothing here reads the clock of the machine; a server may lend one with `follow`.
"""

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

DAY = 86_400

# When, in what order within one second, which task, and its details.
Planned = tuple[int, int, str, dict[str, Any]]


class Clock:
    def __init__(self, now: int) -> None:
        self._now = now
        self._planned = 0
        self._agenda: list[Planned] = []
        self._tasks: dict[str, Callable[..., None]] = {}
        self._source: Callable[[], float] | None = None
        self._ahead = 0

    def now(self) -> int:
        return self._now

    def midnight(self, days: int = 0) -> int:
        """00:00 UTC of today, or of so many days from now."""
        return (self._now // DAY + days) * DAY

    def on(self, task: str, run: Callable[..., None]) -> None:
        """Name what `at` may plan."""
        self._tasks[task] = run

    def at(self, due: int, task: str, **details: Any) -> None:
        """Plan a task. One already due runs at the next `catch_up`."""
        self._planned += 1
        heappush(self._agenda, (due, self._planned, task, details))

    def advance(self, seconds: int) -> None:
        """Move time forward, running everything due on the way."""
        if seconds < 0:
            raise ValueError("time does not run backwards")
        self._ahead += seconds
        self._run_until(self._now + seconds)

    def catch_up(self) -> None:
        """Run what is due, after moving to the followed clock's time if there is one."""
        until = self._now
        if self._source is not None:
            until = max(until, int(self._source()) + self._ahead)
        self._run_until(until)

    def follow(self, source: Callable[[], float]) -> None:
        """Let time pass as it does for `source`, from the present virtual second on."""
        self._source = source
        self._ahead = self._now - int(source())

    def freeze(self) -> None:
        """Stop following."""
        self._source = None

    @property
    def following(self) -> bool:
        return self._source is not None

    def agenda(self) -> list[Planned]:
        """What is planned, soonest first."""
        return sorted(self._agenda, key=lambda entry: entry[:2])

    def _run_until(self, until: int) -> None:
        while self._agenda and self._agenda[0][0] <= until:
            due, _, task, details = heappop(self._agenda)
            self._now = max(self._now, due)
            self._tasks[task](**details)
        self._now = max(self._now, until)
