"""Payments whose platform's share is told in two ways: no money is missing, but it may be whose it
should not be. Must not decide which of the two is right.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.domain.family import Family
from reconciler.domain.fee_rules import FeeDiffers, fee_differs
from reconciler.domain.findings import Cause, Finding, FindingKind, rule
from reconciler.domain.money import major
from reconciler.domain.snapshot import PLATFORM, Need, Snapshot
from reconciler.reconciling.look import Look
from reconciler.store import objects
from reconciler.store.database import Session


@dataclass(frozen=True, slots=True)
class Seen:
    parted: tuple[FeeDiffers, ...] = ()


async def gather(session: Session, stripe_account: str, now: int) -> Seen:
    """Starts at the payments that were marked when they were stored."""
    if stripe_account != PLATFORM:
        return Seen()
    marked = await objects.doubtful(session, Need.FEE_DIFFERS)
    members: dict[str, list[Snapshot]] = {}
    if marked:
        for record in await objects.related(session, {r.snapshot.family for r in marked}):
            members.setdefault(record.snapshot.family, []).append(record.snapshot)
    found = (fee_differs(Family(id, tuple(held))) for id, held in sorted(members.items()))
    return Seen(tuple(one for one in found if one is not None))


def detect(seen: Seen, look: Look) -> Iterable[Finding]:
    return [_finding(one) for one in seen.parted]


def _finding(one: FeeDiffers) -> Finding:
    booked, told = major(one.booked, one.currency), major(one.told, one.currency)
    because = (
        f"Of payment {one.payment} the platform's share was booked as {booked} {one.currency};"
        f" {one.object_id} names {told}."
    )
    return Finding(
        FindingKind.AMOUNT_DIFFERS,
        Cause.FEE_RULE_DIFFERS,
        PLATFORM,
        one.payment,
        one.currency,
        0,
        0,
        because,
        at_risk=abs(one.booked - one.told),
        repair=f"correct the metadata of {one.payment} or of its charge at Stripe",
        evidence=(
            rule(one.rule, because),
            {"object": one.object_id, "booked": one.booked, "told": one.told},
        ),
    )
