"""Whether Stripe is worth asking: a circuit breaker, from what became of the last requests.

Closed, everything is asked. It opens when Stripe does not answer several times in a row, or for
half of many; then nothing is asked for a while, and one request is let through to see. Pure: time
is given. Must not count an answer as a failure because it is a no.
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum

IN_A_ROW = 5
WINDOW_SECONDS = 60.0
ENOUGH = 20
SHARE = 0.5
FIRST_PAUSE_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 60.0


class State(StrEnum):
    """Closed list: what is let through."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """One for each Stripe account."""

    def __init__(self) -> None:
        self.state = State.CLOSED
        self.opened = 0  # how often, since the process began
        self.opened_at = 0.0
        self.again_at = 0.0
        self.in_a_row = 0
        self._pause = FIRST_PAUSE_SECONDS
        self._recent: deque[tuple[float, bool]] = deque()
        self._probing = False

    def refuses(self, now: float) -> bool:
        """Whether a request that can wait must not be made now."""
        if self.state is State.CLOSED:
            return False
        return now < self.again_at or self._probing

    def begin(self, now: float) -> int:
        """A request goes out; its ticket goes with its outcome to `ended`."""
        if self.state is State.OPEN and now >= self.again_at:
            self.state = State.HALF_OPEN
        if self.state is State.HALF_OPEN:
            self._probing = True
        return self.opened

    def ended(self, ticket: int, now: float, *, answered: bool | None) -> None:
        """What became of a request; None if it was given up before that was known.

        While open only those count that went out since: an answer that was on its way when all
        others failed proves nothing.
        """
        if ticket != self.opened:
            return
        if self.state is State.HALF_OPEN:
            self._probing = False
        if answered is None:
            return
        if self.state is State.CLOSED:
            self._note(now, answered)
        elif answered:
            self._close()
        elif self.state is State.HALF_OPEN:
            self._pause = min(self._pause * 2, LONGEST_PAUSE_SECONDS)
            self._open(now)

    def _note(self, now: float, answered: bool) -> None:
        self.in_a_row = 0 if answered else self.in_a_row + 1
        self._recent.append((now, answered))
        while self._recent[0][0] <= now - WINDOW_SECONDS:
            self._recent.popleft()
        if answered:
            return
        failed = sum(not each for _, each in self._recent)
        many = len(self._recent) >= ENOUGH and failed >= SHARE * len(self._recent)
        if self.in_a_row >= IN_A_ROW or many:
            self._open(now)

    def _open(self, now: float) -> None:
        if self.state is State.CLOSED:
            self.opened_at = now
        self.state = State.OPEN
        self.opened += 1
        self.again_at = now + self._pause

    def _close(self) -> None:
        self.state = State.CLOSED
        self.in_a_row = 0
        self._recent.clear()
        self._pause = FIRST_PAUSE_SECONDS
