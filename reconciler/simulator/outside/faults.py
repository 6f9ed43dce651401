"""What can go wrong between Stripe and its user, on demand.

A fault strikes a request before its effect, so nothing happened, or after it, so the effect is
there and only the answer is lost. A `list_hole` hides objects from the next lists, as if Stripe had
not indexed them yet.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

import httpx

from reconciler.simulator.kernel.ids import Ids

EFFECTS = ("reset", "500", "429", "broken_body", "409_lock_timeout", "429_lock_timeout", "stall")
MOMENTS = ("before", "after", "list_hole")


class ConnectionLost(httpx.ReadError):
    """The connection broke before the answer arrived."""


@dataclass
class Fault:
    method: str
    path: str
    when: str
    effect: str
    times: int | None
    probability: float
    ids: frozenset[str] = frozenset()

    def fits(self, method: str, path: str, when: str) -> bool:
        if self.times == 0 or self.when != when or self.method not in ("*", method):
            return False
        return fnmatchcase(path, self.path)


class Faults:
    def __init__(self, ids: Ids) -> None:
        self._ids = ids
        self.planned: list[Fault] = []

    def add(
        self,
        method: str = "*",
        path: str = "*",
        when: str = "before",
        effect: str = "reset",
        times: int | None = 1,
        probability: float = 1.0,
        ids: Iterable[str] = (),
    ) -> Fault:
        """Plan a fault. `path` may hold `*`; `times=None` means from now on."""
        if when not in MOMENTS or effect not in EFFECTS:
            raise ValueError(f"no such fault: {when} {effect}")
        fault = Fault(method, path, when, effect, times, probability, frozenset(ids))
        self.planned.append(fault)
        return fault

    def strike(self, method: str, path: str, when: str) -> str | None:
        """The effect of the first fault that strikes this request now, used up once."""
        for fault in self.planned:
            if fault.fits(method, path, when) and self._lucky(fault):
                _use_up(fault)
                return fault.effect
        return None

    def hidden(self, path: str) -> frozenset[str]:
        """Ids that this list must not show."""
        holes = [fault for fault in self.planned if fault.fits("GET", path, "list_hole")]
        for fault in holes:
            _use_up(fault)
        return frozenset().union(*(fault.ids for fault in holes))

    def clear(self) -> None:
        self.planned.clear()

    def _lucky(self, fault: Fault) -> bool:
        return fault.probability >= 1 or self._ids.happens("fault", fault.probability)


def _use_up(fault: Fault) -> None:
    if fault.times is not None:
        fault.times -= 1
