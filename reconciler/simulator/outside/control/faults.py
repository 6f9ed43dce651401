"""What can go wrong between Stripe and its user, on demand.

A fault strikes a request before its effect, so nothing happened, or after it, so the effect is
there and only the answer is lost. A `list_hole` hides objects from the next lists, as if Stripe had
not indexed them yet. Faults are plain data, in the order in which they are tried.
"""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any

from reconciler.simulator.kernel.ids import Ids
from reconciler.simulator.kernel.world import Json
from reconciler.simulator.wire.line import HARMLESS, PAGES, REFUSALS, ConnectionLost

__all__ = ["EFFECTS", "MOMENTS", "ConnectionLost", "Faults"]

Planned = list[Json]

EFFECTS = ("reset", "broken_body", *REFUSALS, *PAGES, *HARMLESS)
MOMENTS = ("before", "after", "list_hole")


class Faults:
    def __init__(self, ids: Ids) -> None:
        self._ids = ids
        self._numbered = 0
        self.planned: Planned = []

    def add(
        self,
        method: str = "*",
        path: str = "*",
        when: str = "before",
        effect: str = "reset",
        times: int | None = 1,
        probability: float = 1.0,
        ids: Iterable[str] = (),
        operation: str = "*",
        seconds: int = 0,
        real_seconds: float = 0.0,
        saved: bool | None = None,
    ) -> Json:
        """Plan a fault; it is returned, with its `id`.

        `path` may hold `*`, and so may `operation`: `POST /v1/transfers/{id}/reversals`.
        `times=None` means from now on. `seconds` of virtual time pass, and `real_seconds` of real
        time, before the fault shows. A 500 is `saved` under the idempotency key when it comes
        after the effect, and not when it comes before, unless told otherwise.
        """
        if when not in MOMENTS or effect not in EFFECTS:
            raise ValueError(f"no such fault: {when} {effect}")
        if not 0 <= probability <= 1 or seconds < 0 or real_seconds < 0:
            raise ValueError("probability is from 0 to 1, and time does not run backwards")
        self._numbered += 1
        fault: Json = {
            "id": self._numbered,
            "method": method.upper(),
            "path": path,
            "operation": operation,
            "when": when,
            "effect": effect,
            "times": times,
            "probability": probability,
            "ids": sorted(ids),
            "seconds": seconds,
            "real_seconds": real_seconds,
            "saved": when == "after" if saved is None else saved,
            "struck": 0,
        }
        self.planned.append(fault)
        return fault

    def strike(self, method: str, path: str, when: str, operation: str = "") -> Json | None:
        """The first fault that strikes this request now, used up once."""
        if not self.planned:
            return None
        for fault in self.planned:
            if _fits(fault, method, path, when, operation) and self._lucky(fault):
                _use_up(fault)
                return fault
        return None

    def hidden(self, path: str) -> frozenset[str]:
        """Ids that this list must not show."""
        holes = [each for each in self.planned if _fits(each, "GET", path, "list_hole", "*")]
        for fault in holes:
            _use_up(fault)
        return frozenset(hidden for fault in holes for hidden in fault["ids"])

    def list(self) -> Planned:
        """All that was planned, with how often each may and did strike."""
        return [dict(fault) for fault in self.planned]

    def remove(self, id: int) -> None:
        """Take back one planned fault."""
        if not any(fault["id"] == id for fault in self.planned):
            raise ValueError(f"no such fault: {id}")
        self.planned[:] = [fault for fault in self.planned if fault["id"] != id]

    def clear(self) -> None:
        self.planned.clear()

    def state(self) -> Json:
        return {"numbered": self._numbered, "planned": self.list()}

    def restore(self, state: Json) -> None:
        self._numbered = state["numbered"]
        self.planned[:] = [dict(fault) for fault in state["planned"]]

    def _lucky(self, fault: Json) -> bool:
        chance: float = fault["probability"]
        return chance >= 1 or self._ids.happens("fault", chance)


def _fits(fault: dict[str, Any], method: str, path: str, when: str, operation: str) -> bool:
    if fault["times"] == 0 or fault["when"] != when or fault["method"] not in ("*", method):
        return False
    if fault["operation"] != "*" and not fnmatchcase(operation, fault["operation"]):
        return False
    return fnmatchcase(path, fault["path"])


def _use_up(fault: Json) -> None:
    fault["struck"] += 1
    if fault["times"] is not None:
        fault["times"] -= 1
