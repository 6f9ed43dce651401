"""One limit of so many requests a second, kept exactly, and slowed down when Stripe says so.

A token bucket: it fills at an even pace and holds a small store for bursts, and pace and store
together never exceed the limit in any second. The lower the class of who asks, the fuller the
bucket must be: so a sweep takes its tokens one by one at the pace at which they come, and a command
that arrives finds the store as good as full. Pure: time is given.
"""

from __future__ import annotations

LOWEST_CLASS = 4
"""Classes are numbered from 0, which goes first."""

STORE_SHARE = 5
"""One part in so many of the limit is the store, the others are the pace."""

SLOWEST = 0.05
RECOVERY_A_SECOND = 0.05
"""After a refusal the pace is halved, and grows back by this share of itself each second: additive
increase, multiplicative decrease, as in TCP."""

ROUNDING = 1e-3


class Bucket:
    """`limit` requests a second, from `now` on."""

    def __init__(self, limit: float, now: float) -> None:
        self.store = max(1.0, limit // STORE_SHARE)
        self.pace = limit - self.store if limit >= 2 else min(limit, 1.0)
        self.tokens = self.store
        self.share = 1.0
        self._at = now
        self._slowed_at = float("-inf")

    @property
    def speed(self) -> float:
        """Tokens a second at present."""
        return self.pace * self.share

    def refill(self, now: float) -> None:
        """What came in since the last time. A clock that went back brings nothing."""
        passed = now - self._at
        if passed <= 0:
            return
        self._at = now
        self.tokens = min(self.store, self.tokens + passed * self.speed)
        self.share = min(1.0, self.share + passed * RECOVERY_A_SECOND)

    def wait(self, rank: int) -> float:
        """Seconds until the class may take a token, if nobody else does; 0 if it may now."""
        needed = 1.0 + (self.store - 1.0) * rank / LOWEST_CLASS
        missing = needed - self.tokens
        return 0.0 if missing <= ROUNDING else missing / self.speed

    def take(self) -> None:
        self.tokens -= 1.0

    def slow_down(self, now: float, sent_at: float) -> bool:
        """Stripe refused a request as too fast, sent at that moment: whether that is news. Those
        sent before the last slowing down were too fast already then."""
        self.refill(now)
        if sent_at < self._slowed_at:
            return False
        self._slowed_at = now
        self.share = max(SLOWEST, self.share / 2)
        self.tokens = min(self.tokens, 0.0)
        return True
