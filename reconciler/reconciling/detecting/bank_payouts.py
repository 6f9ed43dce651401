"""Bank payouts that are not the sum of the movements they are made of.

Stripe's balance and the books agree on them all the same: the payout left as one movement.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.domain.compositions import Method
from reconciler.domain.findings import Cause, Finding, FindingKind, rule
from reconciler.domain.money import major
from reconciler.reconciling.look import Look
from reconciler.store import compositions
from reconciler.store.database import Row, Session

LISTED = 200


@dataclass(frozen=True, slots=True)
class Seen:
    unproven: tuple[Row, ...] = ()


async def gather(session: Session, stripe_account: str, now: int) -> Seen:
    return Seen(tuple(await compositions.unproven(session, stripe_account, LISTED)))


def detect(seen: Seen, look: Look) -> Iterable[Finding]:
    return [_finding(row) for row in seen.unproven]


def _finding(row: Row) -> Finding:
    rest = row["total"] - row["explained"]
    unit = row["currency"]
    total, gap = (f"{major(each, unit)} {unit}" for each in (row["total"], rest))
    says = "Stripe lists for it" if row["method"] == Method.GIVEN else "were available for it"
    because = f"the movements that {says} leave {gap} of its {total} without a name"
    return Finding(
        FindingKind.AMOUNT_DIFFERS,
        Cause.COMPOSITION_DIFFERS,
        row["stripe_account"],
        row["payout"],
        row["currency"],
        0,
        0,
        f"Bank payout {row['payout']} of {total} is not the sum of its movements: {gap} is left.",
        at_risk=abs(rest),
        repair="read the balance transactions of its time again",
        evidence=(rule("payout_is_the_sum_of_its_movements", because), dict(row)),
    )
