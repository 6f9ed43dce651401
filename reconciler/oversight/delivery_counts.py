"""Deliveries counted: by Stripe account, event type and hour, and the day's sums for metrics.

Must not read bodies or call Stripe.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from reconciler.domain import subscriptions
from reconciler.domain.delivery import DUE_SECONDS, Fate, Tally, total
from reconciler.domain.snapshot import PLATFORM
from reconciler.store import chains, deliveries, listed_events
from reconciler.store.database import Session

DAY = 86400

NEEDED = subscriptions.NEEDED["platform"] | subscriptions.NEEDED["connect"]
"""Every type that some endpoint of ours should send."""


def is_wanted(account: str, type: str) -> bool:
    """Whether our endpoints should be sent this type of event of this account."""
    return type in subscriptions.NEEDED["platform" if account == PLATFORM else "connect"]


@dataclass(slots=True)
class Counts:
    """Tallies by account and type, and those of wanted types by hour (epoch seconds)."""

    tallies: dict[str, dict[str, Tally]] = field(default_factory=dict)
    hours: dict[int, Tally] = field(default_factory=dict)

    def add(self, account: str, type: str, tally: Tally) -> None:
        self.tallies.setdefault(account, {}).setdefault(type, Tally()).add(tally)

    def of(self, account: str, *, wanted: bool) -> Tally:
        """All types of one account that are wanted, or all others."""
        types = self.tallies.get(account, {})
        return total(t for type, t in types.items() if is_wanted(account, type) is wanted)


def troubled(counts: Counts) -> tuple[int, int] | None:
    """From when to when there are events that no webhook brought, in whole hours."""
    hours = [h for h, t in counts.hours.items() if t.of(Fate.HEALED) or t.of(Fate.MISSING)]
    return (min(hours), max(hours) + 3599) if hours else None


async def count(session: Session, accounts: Collection[str], since: int, now: int) -> Counts:
    """What became of the events of these accounts that were created since then."""
    counts = Counts()
    for one in await deliveries.counts(session, accounts, since, now, now - DUE_SECONDS):
        took = {} if one.seconds is None else {one.seconds: one.events}
        tally = Tally({one.fate: one.events}, took)
        counts.add(one.stripe_account, one.type, tally)
        if is_wanted(one.stripe_account, one.type):
            counts.hours.setdefault(one.hour, Tally()).add(tally)
    return counts


def summary(tally: Tally) -> dict[str, Any]:
    """A tally in the words of the API."""
    share = tally.completeness
    return {
        **{fate.value: tally.of(fate) for fate in Fate},
        "listed": sum(tally.fates.values()),
        "completeness": None if share is None else round(share, 6),
        "applied_p50_seconds": tally.percentile(50),
        "applied_p99_seconds": tally.percentile(99),
    }


async def day_in_figures(session: Session, now: int) -> dict[str, Any]:
    """The last day: for the platform and for all connected accounts together, and by type of the
    platform's own; how far the lists are behind, and how many broken chains are open."""
    reaches = await listed_events.reaches(session)
    counts = await count(session, reaches, now - DAY, now)
    scopes = {}
    for scope in ("platform", "connected"):
        names = [name for name in reaches if (name == PLATFORM) is (scope == "platform")]
        read = [reaches[name].read_to for name in names if reaches[name].read_to]
        scopes[scope] = {
            **summary(total(counts.of(name, wanted=True) for name in names)),
            "behind_seconds": max(0, now - min(read)) if read else None,
        }
    types = counts.tallies.get(PLATFORM, {})
    return {
        "scopes": scopes,
        "types": {
            type: tally.completeness
            for type, tally in sorted(types.items())
            if is_wanted(PLATFORM, type) and tally.completeness is not None
        },
        "chains_open": await chains.count_open(session),
    }
