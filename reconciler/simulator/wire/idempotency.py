"""Stripe's memory of keyed requests: the first answer is given again for a day.

Remembered is every answer to work that began, a failed one too. Forgotten is what never began:
validation errors, bad keys, rate limits. Keys are per account. Under /v2 only what succeeded is
remembered, for a month: what failed is tried again.
"""

from hashlib import blake2b
from typing import Any

import msgspec

from reconciler.simulator.kernel import refusals
from reconciler.simulator.kernel.world import Json, World
from reconciler.simulator.wire.answers import Answer

_HOUR = 3600
_V2_HOURS = 30 * 24
_LONGEST = 255


class Idempotency:
    def __init__(self, world: World) -> None:
        self._world = world
        # By account, then by key; oldest first. `status` is null while the first request runs.
        self._memories: dict[str, dict[str, Json]] = {}

    def begin(
        self, account: str, key: str, method: str, path: str, form: dict[str, Any], request: str
    ) -> Answer | None:
        """The first answer, if there was one; otherwise the key is now in use."""
        if len(key) > _LONGEST:
            raise refusals.key_too_long()
        known = self._memories.setdefault(account, {})
        self._prune(known)
        memory = known.get(key)
        address, print_ = f"{method} {path}", _print(form)
        if memory is None or self._expired(memory):
            known.pop(key, None)
            known[key] = {
                "address": address,
                "print": print_,
                "since": self._world.clock.now(),
                "request": request,
                "status": None,
            }
            return None
        if memory["address"] != address:
            first = memory["address"].partition(" ")[2]
            raise refusals.key_used_elsewhere(key, first, path)
        if memory["print"] != print_:
            raise refusals.key_reused(key)
        if memory["status"] is None:
            raise refusals.key_in_use(key)
        body = memory["body"].encode()
        return Answer(memory["status"], body, replayed=True, original=memory["request"])

    def remember(self, account: str, key: str, answer: Answer) -> None:
        body = answer.body.decode(errors="replace")
        self._memories[account][key].update(status=answer.status, body=body)

    def forget(self, account: str, key: str) -> None:
        """A request that never began: its key is free again."""
        self._memories.get(account, {}).pop(key, None)

    def state(self) -> Json:
        """All that is remembered; requests still running are left out."""
        return {
            account: {key: dict(memory) for key, memory in known.items() if memory["status"]}
            for account, known in self._memories.items()
        }

    def restore(self, state: Json) -> None:
        self._memories = {
            account: {key: dict(memory) for key, memory in known.items()}
            for account, known in state.items()
        }

    def _expired(self, memory: Json) -> bool:
        v2 = " /v2/" in memory["address"]
        hours = _V2_HOURS if v2 else self._world.settings.idempotency_hours
        return bool(self._world.clock.now() - memory["since"] >= hours * _HOUR)

    def _prune(self, known: dict[str, Json]) -> None:
        """Old memories are at the front: let go of those that have expired."""
        while known:
            oldest = next(iter(known))
            if known[oldest]["status"] is None or not self._expired(known[oldest]):
                return
            del known[oldest]


def _print(form: dict[str, Any]) -> str:
    """The same for the same parameters, in whatever order they came."""
    encoded = msgspec.json.encode(form, order="deterministic")
    return blake2b(encoded, digest_size=16).hexdigest()
