"""What payouts and refunds may be: limits by currency, and by merchant where one has its own.

Pure: what is in force, what it forbids, and what needs a second person. Amounts are minor units of
the policy's currency. Must not know how much went out today: that is handed in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.domain.money import LARGEST_AMOUNT, is_currency, major
from reconciler.domain.refusals import Refusal

FIELDS = ("approval_above", "minimum", "maximum", "per_day", "per_merchant_per_day")
DAY_SECONDS = 86400


@dataclass(frozen=True, slots=True)
class Scope:
    """What a policy is for: a currency, or one merchant in it. Written `usd` or `usd:bakery`."""

    currency: str
    merchant: str = ""

    def __str__(self) -> str:
        return f"{self.currency}:{self.merchant}" if self.merchant else self.currency


def scope(written: str) -> Scope | None:
    """The scope from its written form; None for anything else."""
    currency, colon, merchant = written.partition(":")
    if not is_currency(currency) or (colon and not merchant):
        return None
    return Scope(currency, merchant)


@dataclass(frozen=True, slots=True)
class Limits:
    """One policy's fields. None in a merchant's policy leaves the field to its currency; in a
    currency's, it sets no limit."""

    approval_above: int | None = None
    minimum: int | None = None
    maximum: int | None = None
    per_day: int | None = None
    per_merchant_per_day: int | None = None

    @property
    def by_day(self) -> bool:
        """Whether it matters what went out today."""
        return self.per_day is not None or self.per_merchant_per_day is not None

    def over(self, wider: Limits) -> Limits:
        """These limits, and the wider scope's where these say nothing."""
        mine = {name: getattr(self, name) for name in FIELDS}
        return Limits(**{n: v if v is not None else getattr(wider, n) for n, v in mine.items()})


@dataclass(frozen=True, slots=True)
class Spent:
    """What was paid out in a currency since the day began, in UTC; what failed or was cancelled
    does not count."""

    by_all: int = 0
    by_merchant: int = 0


def day_began(now: int) -> int:
    """Midnight in UTC before this moment."""
    return now - now % DAY_SECONDS


def unusable(where: Scope, limits: Limits) -> Refusal | None:
    """Why these cannot be a policy; None if they can."""
    for name in FIELDS:
        value = getattr(limits, name)
        least = 0 if name == "approval_above" else 1
        if value is not None and not least <= value <= LARGEST_AMOUNT:
            return Refusal("bad_policy", f"{name} must be null or at least {least}.")
    if where.merchant and limits.per_day is not None:
        return Refusal(
            "bad_policy",
            "per_day is for all merchants of a currency together; set per_merchant_per_day, or set"
            f" per_day on {where.currency}.",
        )
    return None


def contradictory(where: Scope, in_force: Limits) -> Refusal | None:
    """Limits that together would let nothing through."""
    least, most = in_force.minimum, in_force.maximum
    if least is None or most is None or least <= most:
        return None
    return Refusal(
        "contradictory_policy",
        f"In {where} the minimum would be {major(least, where.currency)} and the maximum"
        f" {major(most, where.currency)} {where.currency}: nothing could be paid out; change one.",
    )


def beyond(limits: Limits, where: Scope, amount: int, spent: Spent) -> Refusal | None:
    """The limit that a payout of this amount would break; None if it keeps all."""
    currency = where.currency

    def said(value: int) -> str:
        return f"{major(max(value, 0), currency)} {currency}"

    if limits.minimum is not None and amount < limits.minimum:
        return Refusal(
            "below_minimum",
            f"A payout in {currency} must be at least {said(limits.minimum)}; wait until there is"
            " more, or ask an admin to change the policy.",
        )
    if limits.maximum is not None and amount > limits.maximum:
        return Refusal(
            "above_maximum",
            f"A payout may be at most {said(limits.maximum)}; ask for less, or ask an admin to"
            " change the policy.",
        )
    days = (
        ("merchant_day_limit_reached", limits.per_merchant_per_day, spent.by_merchant,
         f"merchant {where.merchant}"),
        ("day_limit_reached", limits.per_day, spent.by_all, "all merchants together"),
    )  # fmt: skip
    for code, limit, gone, whose in days:
        if limit is not None and gone + amount > limit:
            return Refusal(
                code,
                f"Today, in UTC, {said(limit - gone)} of {said(limit)} is left for {whose}; ask for"
                " that or less, or try again tomorrow.",
            )
    return None


def needs_approval(
    limits: Limits, currency: str, amount: int, open_findings: Sequence[str]
) -> tuple[str, ...]:
    """Why a second person must look at it, in words; empty if nobody has to."""
    reasons = []
    if limits.approval_above is not None and amount > limits.approval_above:
        reasons.append(
            f"above_threshold: more than {major(limits.approval_above, currency)} {currency}"
        )
    reasons += [f"open_finding: {id}" for id in open_findings]
    return tuple(reasons)
