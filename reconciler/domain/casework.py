"""What people do with a finding besides repairing it: who has it, why it is settled, how old it is.

Pure. Must not know whether the difference still stands: whoever looks at it says so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from reconciler.domain.findings import FindingKind
from reconciler.domain.refusals import Refusal
from reconciler.domain.requests import canonical

RESOLUTIONS: Final = {
    "fixed_at_stripe": "put right at Stripe; the next run shows it",
    "fixed_here": "put right here; the next run shows it",
    "explained": "understood, and nothing has to be done",
    "loss_accepted": "the platform bears it",
    "false_alarm": "nothing is wrong: the finding is",
    "with_stripe": "Stripe's support has it",
}
"""Why a finding may be called settled. One whose difference still stands is opened again."""

STATUSES: Final = ("open", "timing", "suppressed", "resolved", "cleared")

DAY_SECONDS: Final = 86400

MOVING: Final = frozenset(
    {
        "as_of", "seen_at", "posted_at", "sends", "last_sent_at", "listed_at", "events_listed_to",
        "told_at",
    }
)  # fmt: skip
"""Fields of evidence that change with each look and say nothing new."""


@dataclass(frozen=True, slots=True)
class Age:
    """One bucket of ages, in whole days, both ends included; `until` is None for the last."""

    name: str
    since: int
    until: int | None


AGES: Final = (Age("0-1", 0, 1), Age("2-7", 2, 7), Age("8-30", 8, 30), Age("30+", 31, None))


def age_of(first_seen: int, now: int) -> str:
    """The name of the bucket in which a finding of this age is."""
    days = max(now - first_seen, 0) // DAY_SECONDS
    return next(age.name for age in AGES if age.until is None or days <= age.until)


def first_seen_between(name: str, now: int) -> tuple[int, int] | None:
    """The moments, both included, between which findings of this age were first seen; None for a
    name that is no bucket's."""
    age = next((age for age in AGES if age.name == name), None)
    if age is None:
        return None
    earliest = 0 if age.until is None else now - (age.until + 1) * DAY_SECONDS + 1
    return earliest, now - age.since * DAY_SECONDS


def finding_digest(finding: Mapping[str, Any]) -> str:
    """SHA-256 of what a finding says; whoever sends it back has seen just this. `finding` has the
    columns of the table, its evidence decoded."""
    names = (
        "id", "kind", "cause", "status", "stripe_account", "reference", "currency",
        "stripe_amount", "books_amount", "at_risk",
    )  # fmt: skip
    said = ["finding", *(finding[name] for name in names), *facts(finding["evidence"])]
    return hashlib.sha256(canonical(said).encode()).hexdigest()


def facts(evidence: Iterable[Mapping[str, Any]]) -> list[str]:
    """The rows of evidence that are facts, whatever order they came in. What a look covered is no
    fact about the finding."""
    left = (row for row in evidence if "stream" not in row)
    return sorted(canonical({k: v for k, v in row.items() if k not in MOVING}) for row in left)


def changed(finding: Mapping[str, Any], digest: str) -> Refusal | None:
    """Why somebody who has seen `digest` cannot act on the finding as it is now; None if they
    can."""
    if digest == finding_digest(finding):
        return None
    return Refusal(
        "finding_changed",
        f"Finding {finding['id']} is {finding['status']} and is not what you saw any more: look at"
        " it again, and send the digest that it shows.",
    )


def not_settled_by_word(finding: Mapping[str, Any]) -> Refusal | None:
    """Why no word can set this finding aside; None if one can."""
    if finding["status"] == "cleared":
        return Refusal("finding_cleared", f"Finding {finding['id']} has cleared: nothing is left.")
    if finding["kind"] in (FindingKind.INVARIANT_BROKEN, FindingKind.OUTCOME_UNKNOWN):
        return Refusal(
            "not_set_aside",
            f"A finding of kind {finding['kind']} stands until what it reports is gone: it is never"
            " set aside by a word.",
        )
    return None
