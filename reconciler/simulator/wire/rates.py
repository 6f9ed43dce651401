"""Stripe's rate limits, counted in virtual time, per account and endpoint.

Off unless `Settings.rate_limits` names a plan: while time stands still, every request falls into
one and the same second. The counters are plain data; https://docs.stripe.com/rate-limits
"""

import re
from typing import NamedTuple

from reconciler.simulator.kernel.world import Json, World

_HOUR = 3600


class Plan(NamedTuple):
    everything: int
    endpoint: int = 25
    search: int = 20
    files: int = 20
    updates_of_an_intent: int = 1000


PLANS = {"sandbox": Plan(25), "live": Plan(100)}

_INTENT = re.compile(r"/v1/payment_intents/[^/]+(/\w+)?")


class Rates:
    def __init__(self, world: World) -> None:
        self._world = world
        # What is counted, then: since when, and how many.
        self._counted: dict[str, list[int]] = {}

    def exceeded(self, account: str, method: str, path: str, operation: str) -> str | None:
        """Count a request; the reason, as Stripe names it, when there are too many."""
        plan = PLANS.get(self._world.settings.rate_limits)
        if plan is None:
            return None
        writes = "read" if method in ("GET", "HEAD") else "write"
        if not self._take(f"{account} all", plan.everything):
            return "global-rate"
        limit = plan.endpoint
        if operation.endswith("/search"):
            limit, operation = plan.search, "search"
        elif "/v1/files" in operation:
            limit, operation = plan.files, f"files {writes}"
        if not self._take(f"{account} {operation}", limit):
            return "endpoint-rate"
        if method == "POST" and _INTENT.fullmatch(path):
            intent = path.split("/")[3]
            if not self._take(f"{account} {intent}", plan.updates_of_an_intent, _HOUR):
                return "resource-specific"
        return None

    def state(self) -> Json:
        return {name: list(count) for name, count in self._counted.items()}

    def restore(self, state: Json) -> None:
        self._counted = {name: list(count) for name, count in state.items()}

    def _take(self, name: str, limit: int, seconds: int = 1) -> bool:
        now = self._world.clock.now()
        count = self._counted.get(name)
        if count is None or now - count[0] >= seconds:
            count = self._counted[name] = [now, 0]
        count[1] += 1
        return count[1] <= limit
