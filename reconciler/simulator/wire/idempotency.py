"""Stripe's memory of keyed requests: the first answer is given again for a day.

Remembered is every answer to work that began, a failed one too. Forgotten is what never began:
validation errors, bad keys, rate limits. Keys are per account.
"""

from dataclasses import dataclass
from typing import Any

from reconciler.simulator.kernel import refusals
from reconciler.simulator.kernel.clock import Clock

_HOUR = 3600


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    replayed: bool = False


@dataclass
class _Memory:
    fingerprint: tuple[str, str, dict[str, Any]]
    since: int
    answer: Answer | None = None


class Idempotency:
    def __init__(self, clock: Clock, hours: int) -> None:
        self._clock = clock
        self._seconds = hours * _HOUR
        self._memories: dict[tuple[str, str], _Memory] = {}

    def begin(
        self, account: str, key: str, fingerprint: tuple[str, str, dict[str, Any]]
    ) -> Answer | None:
        """The first answer, if there was one; otherwise the key is now in use."""
        memory = self._memories.get((account, key))
        if memory is None or self._clock.now() - memory.since >= self._seconds:
            self._memories[account, key] = _Memory(fingerprint, self._clock.now())
            return None
        if memory.fingerprint != fingerprint:
            raise refusals.key_reused(key)
        if memory.answer is None:
            raise refusals.key_in_use(key)
        return Answer(memory.answer.status, memory.answer.body, replayed=True)

    def remember(self, account: str, key: str, answer: Answer) -> None:
        self._memories[account, key].answer = answer

    def forget(self, account: str, key: str) -> None:
        self._memories.pop((account, key), None)
