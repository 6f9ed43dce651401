"""Virtual time, and everything that will happen by itself.

Time moves only when told to. What is due on the way happens in time order, and in the order it was
planned within one second. The agenda holds names and plain details, never callables, so that it can
be stored. Nothing here reads the clock of the machine; a server may lend one with `follow`, and
virtual time may then pass faster than that.
"""

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import Any

DAY = 86_400
_FASTEST = 1_000_000

# When, in what order within one second, which task, and its details.
Planned = tuple[int, int, str, dict[str, Any]]


class Clock:
    def __init__(self, now: int) -> None:
        self._now = now
        self._planned = 0
        self._agenda: list[Planned] = []
        self._tasks: dict[str, Callable[..., None]] = {}
        self.source: Callable[[], float] | None = None
        """The clock lent for following, also while frozen: following can then go on."""
        self.following = False
        # While following: the virtual and the lent second from which on time passes so fast.
        self._since = (float(now), 0.0)
        self.speed = 1.0

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
        virtual, lent = self._since
        self._since = (virtual + seconds, lent)
        self._run_until(self._now + seconds)

    def catch_up(self) -> None:
        """Run what is due, after moving to the followed clock's time if there is one."""
        until = self._now
        if self.following and self.source is not None:
            virtual, lent = self._since
            until = max(until, int(virtual + (self.source() - lent) * self.speed))
        self._run_until(until)

    def follow(self, source: Callable[[], float], speed: float = 1.0) -> None:
        """Let time pass as it does for `source`, from the present virtual second on."""
        if not 0 < speed <= _FASTEST:
            raise ValueError(f"speed must be above 0 and at most {_FASTEST:,}")
        self.source, self.following = source, True
        self.speed = speed
        self._since = (float(self._now), float(source()))

    def freeze(self) -> None:
        """Stop following."""
        self.following = False

    def agenda(self) -> list[Planned]:
        """What is planned, soonest first."""
        return sorted(self._agenda, key=lambda entry: entry[:2])

    def state(self) -> dict[str, Any]:
        return {
            "now": self._now,
            "planned": self._planned,
            "agenda": [list(entry) for entry in self.agenda()],
            "following": self.following,
            "since": list(self._since),
            "speed": self.speed,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a stored state: if time was following, as if it had never stopped."""
        self._now = state["now"]
        self._planned = state["planned"]
        self._agenda = [(due, order, task, more) for due, order, task, more in state["agenda"]]
        heapify(self._agenda)
        virtual, lent = state["since"]
        self._since = (virtual, lent)
        self.speed = state["speed"]
        self.following = state["following"]

    def _run_until(self, until: int) -> None:
        while self._agenda and self._agenda[0][0] <= until:
            due, _, task, details = heappop(self._agenda)
            self._now = max(self._now, due)
            self._tasks[task](**details)
        self._now = max(self._now, until)
