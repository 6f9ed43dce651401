"""What a drill does to webhooks on their way: rules, and which of them act on a delivery.

Rules are plain data; only one that picks events by a Python function cannot be stored.
"""

from collections.abc import Callable
from fnmatch import fnmatchcase

from reconciler.simulator.kernel.ids import Ids
from reconciler.simulator.kernel.world import Json

Match = str | Callable[[Json], bool]

EFFECTS = ("drop", "duplicate", "delay", "bad_signature", "wrong_timestamp", "truncate")


class Drills:
    def __init__(self, ids: Ids) -> None:
        self._ids = ids
        self._numbered = 0
        self._rules: list[Json] = []
        self._predicates: dict[int, Callable[[Json], bool]] = {}
        self.shuffle: int | None = None

    def add(
        self,
        match: Match,
        effect: str,
        number: int = 0,
        times: int | None = None,
        probability: float = 1.0,
    ) -> Json:
        """Plan a drill. `times=None` means for every matching delivery from now on."""
        if not 0 <= probability <= 1:
            raise ValueError("probability is from 0 to 1")
        self._numbered += 1
        rule: Json = {
            "id": self._numbered,
            "match": None if callable(match) else match,
            "effect": effect,
            "number": number,
            "times": times,
            "probability": probability,
            "acted": 0,
        }
        if callable(match):
            self._predicates[self._numbered] = match
        self._rules.append(rule)
        return rule

    def acting(self, event: Json) -> list[Json]:
        """The rules that act on a delivery of this event, each used up once."""
        found = [rule for rule in self._rules if self._matches(rule, event) and self._lucky(rule)]
        for rule in found:
            rule["acted"] += 1
            if rule["times"] is not None:
                rule["times"] -= 1
        return found

    def rules(self) -> list[Json]:
        return [dict(rule) for rule in self._rules]

    def remove(self, rule: int) -> None:
        if not any(known["id"] == rule for known in self._rules):
            raise ValueError(f"no such rule: {rule}")
        self._rules = [known for known in self._rules if known["id"] != rule]

    def calm(self) -> None:
        self._rules.clear()
        self._predicates.clear()
        self.shuffle = None

    def state(self) -> Json:
        if any(rule["match"] is None for rule in self._rules):
            raise ValueError("A webhook drill that picks events by a function cannot be stored.")
        return {"numbered": self._numbered, "rules": self.rules(), "shuffle": self.shuffle}

    def restore(self, state: Json) -> None:
        self.calm()
        self._numbered = state["numbered"]
        self._rules = [dict(rule) for rule in state["rules"]]
        self.shuffle = state["shuffle"]

    def _matches(self, rule: Json, event: Json) -> bool:
        if rule["times"] == 0:
            return False
        match = rule["match"]
        if match is None:
            return self._predicates[rule["id"]](event)
        about = event.get("related_object") or event["data"].get("object", {})
        return match in (event["id"], about.get("id")) or fnmatchcase(event["type"], match)

    def _lucky(self, rule: Json) -> bool:
        chance: float = rule["probability"]
        return chance >= 1 or self._ids.happens("drill", chance)
