"""How well events reach us: what became of each, how long it took, and when silence is unusual.

Times in epoch seconds, spans in seconds. Pure; must not know where the figures come from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

DUE_SECONDS = 600
"""How old an event is before its absence means something."""

EPISODE_SECONDS = 3600
"""Events that were missed within an hour of each other are one gap."""

WEEKS = 8
LEAST = 10
SHORTEST_SILENCE_SECONDS = 3600
"""Silence is unusual if it has lasted an hour, if in the same stretch of the eight weeks before
there came at least ten events each time, but for one week, and if it is longer than every silence
of those weeks, but one. So an account that is young or quiet is never found silent, nights and
weekends are compared with nights and weekends, and one outage does not make the next one usual."""


class Fate(StrEnum):
    """What became of an event that Stripe lists. Closed list."""

    DELIVERED = "delivered"  # a webhook brought it, before the sweep or after
    HEALED = "healed"  # only the sweep brought it
    MISSING = "missing"  # nothing has, and it is due
    UNDER_WAY = "under_way"  # no webhook yet, and it is not due
    IMPORTED = "imported"  # it came from a file, which says nothing of webhooks


@dataclass(slots=True)
class Tally:
    """Events by their fate, and how long they took from created to applied: by the second, how
    many."""

    fates: dict[Fate, int] = field(default_factory=dict)
    seconds: dict[int, int] = field(default_factory=dict)

    def add(self, other: Tally) -> None:
        for fate, events in other.fates.items():
            self.fates[fate] = self.fates.get(fate, 0) + events
        for second, events in other.seconds.items():
            self.seconds[second] = self.seconds.get(second, 0) + events

    def of(self, fate: Fate) -> int:
        return self.fates.get(fate, 0)

    @property
    def due(self) -> int:
        """Events that a webhook should have brought by now."""
        return self.of(Fate.DELIVERED) + self.of(Fate.HEALED) + self.of(Fate.MISSING)

    @property
    def completeness(self) -> float | None:
        """The share of those that one did bring; None if there are none."""
        return self.of(Fate.DELIVERED) / self.due if self.due else None

    def percentile(self, share: int) -> int | None:
        """The time in which so many of a hundred were applied; None if none was. Nearest rank."""
        rank = -(-sum(self.seconds.values()) * share // 100)
        for second in sorted(self.seconds):
            rank -= self.seconds[second]
            if rank <= 0:
                return second
        return None


def total(tallies: Iterable[Tally]) -> Tally:
    """All of these together."""
    everything = Tally()
    for tally in tallies:
        everything.add(tally)
    return everything


@dataclass(frozen=True, slots=True)
class Missed:
    """One event that no webhook brought. `found_at` is when a list first showed it to us,
    `healed_at` when the sweep took it in, `applied_at` when it was in the books; 0: not yet."""

    event_id: str
    stripe_account: str
    type: str
    created: int
    found_at: int
    healed_at: int
    applied_at: int


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of one account's events in which webhooks did not bring some. `healed_at` is when
    the last of them was taken in; 0 while one is missing."""

    stripe_account: str
    first: int
    last: int
    events: int
    types: Mapping[str, int]
    found_at: int
    healed_at: int


def gaps(missed: Iterable[Missed]) -> list[Gap]:
    """The gaps that these events make, the newest first."""
    episodes: list[list[Missed]] = []
    for one in sorted(missed, key=lambda m: (m.stripe_account, m.created, m.event_id)):
        before = episodes[-1][-1] if episodes else None
        joins = (
            before is not None
            and before.stripe_account == one.stripe_account
            and one.created - before.created <= EPISODE_SECONDS
        )
        if joins:
            episodes[-1].append(one)
        else:
            episodes.append([one])
    return sorted(map(_gap, episodes), key=lambda g: (g.last, g.stripe_account), reverse=True)


def _gap(episode: Sequence[Missed]) -> Gap:
    types: dict[str, int] = {}
    for one in episode:
        types[one.type] = types.get(one.type, 0) + 1
    healed = all(one.healed_at for one in episode)
    return Gap(
        episode[0].stripe_account,
        episode[0].created,
        episode[-1].created,
        len(episode),
        types,
        min(one.found_at for one in episode),
        max(one.healed_at for one in episode) if healed else 0,
    )


@dataclass(frozen=True, slots=True)
class Silence:
    """What is known of an account that Stripe lists nothing of: since when, until when its list was
    read, how many events there were in the same stretch of each of the weeks before, and the two
    longest silences of those weeks."""

    stripe_account: str
    last: int
    until: int
    before: tuple[int, ...]
    longest: tuple[int, ...]

    @property
    def seconds(self) -> int:
        return max(0, self.until - self.last)

    @property
    def usual(self) -> int:
        """The longest silence of those weeks but one; 0 if there are not two."""
        return self.longest[1] if len(self.longest) > 1 else 0

    @property
    def unusual(self) -> bool:
        busy = sum(events >= LEAST for events in self.before)
        enough = len(self.before) == WEEKS and busy >= WEEKS - 1
        long = self.seconds >= SHORTEST_SILENCE_SECONDS and self.seconds > self.usual
        return enough and long
