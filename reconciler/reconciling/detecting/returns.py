"""Chains that do not hold: a dispute won without its money, money returned twice, a refund whose
merchant still keeps the share. Balance and books agree on each link, so none carries a difference.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.domain.chains import Broken, Chain
from reconciler.domain.findings import Cause, Finding, FindingKind, rule
from reconciler.domain.money import major
from reconciler.domain.snapshot import PLATFORM
from reconciler.reconciling.look import Look
from reconciler.store import open_chains
from reconciler.store.database import Row, Session

LISTED = 500

RECOVERY_SECONDS = 86400
"""A recovery is tried several times a day; what a day has not brought wants a person."""

CAUSES = {
    Broken.WON_NOT_RETURNED: (Cause.WON_NOT_RETURNED, "ask Stripe for the money of the dispute"),
    Broken.RETURNED_TWICE: (
        Cause.RETURNED_TWICE,
        "submit the refund as evidence in the dispute, or post the loss as an adjustment",
    ),
}


@dataclass(frozen=True, slots=True)
class Seen:
    broken: tuple[Chain, ...] = ()
    recoveries: tuple[Row, ...] = ()


async def gather(session: Session, stripe_account: str, now: int) -> Seen:
    broken = tuple(await open_chains.all_of(session, stripe_account, LISTED))
    if stripe_account != PLATFORM:
        return Seen(broken)
    return Seen(broken, tuple(await open_chains.recoveries(session, LISTED)))


def detect(seen: Seen, look: Look) -> Iterable[Finding]:
    yield from (_broken(chain, look.now) for chain in seen.broken)
    yield from (_recovery(row, look.now) for row in seen.recoveries)


def _broken(chain: Chain, now: int) -> Finding:
    cause, repair = CAUSES[chain.broken]
    return Finding(
        FindingKind.BROKEN_CHAIN,
        cause,
        chain.stripe_account,
        chain.reference,
        chain.currency,
        0,
        0,
        chain.explanation,
        chain.clear_by,
        0 if now < chain.clear_by else chain.at_risk,
        repair,
        (rule(chain.broken.value, chain.explanation), {"payment": chain.family}),
    )


def _recovery(row: Row, now: int) -> Finding:
    left = row["amount"] - row["recovered"]
    unit = row["currency"]
    money = f"{major(left, unit)} {unit}"
    because = f"{row['failed']} reversals failed" if row["failed"] else "none has succeeded yet"
    clear_by = row["created_at"] + RECOVERY_SECONDS
    return Finding(
        FindingKind.BROKEN_CHAIN,
        Cause.RECOVERY_OPEN,
        PLATFORM,
        row["id"],
        unit,
        0,
        0,
        f"Refund {row['refund_id']} was made, and up to {money} of it is still with merchant"
        f" {row['merchant']}, who had been paid out: {because}.",
        clear_by,
        0 if now < clear_by else left,
        "see why the merchant's account cannot give it back; its next payments settle it too",
        (rule("a_refund_is_borne_by_its_merchant", because), dict(row)),
    )
