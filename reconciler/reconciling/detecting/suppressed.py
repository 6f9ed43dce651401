"""What people have set aside: a finding that is still what they saw is suppressed, and no more.

Finds nothing by itself, and takes no finding away: each keeps its difference and its place in the
bridge. Must not end a suppression: `tracking` does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from reconciler.domain.findings import Finding
from reconciler.domain.suppressions import Suppression, ended
from reconciler.reconciling.look import Look
from reconciler.store import suppressions
from reconciler.store.database import Session


@dataclass(frozen=True, slots=True)
class Held:
    """A suppression in force, and the difference that it sets aside."""

    stripe_account: str
    reference: str
    currency: str
    kind: str
    suppression: Suppression


@dataclass(frozen=True, slots=True)
class Seen:
    held: tuple[Held, ...] = ()


async def gather(session: Session, stripe_account: str, now: int) -> Seen:
    found = await suppressions.in_force(session, stripe_account)
    return Seen(tuple(Held(*key, found[key]) for key in sorted(found)))


def detect(seen: Seen, look: Look) -> Iterable[Finding]:
    return ()


def mark(seen: Seen, found: Iterable[Finding], now: int) -> list[Finding]:
    """The findings, those that are set aside marked with what does it. Pure."""
    held = {(h.stripe_account, h.reference, h.currency, h.kind): h.suppression for h in seen.held}
    marked = []
    for finding in found:
        key = (finding.stripe_account, finding.reference, finding.currency, finding.kind.value)
        one = held.get(key)
        holds = one is not None and not ended(one, finding.told(), now)
        marked.append(replace(finding, suppression=one.id) if one and holds else finding)
    return marked
