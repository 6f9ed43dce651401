"""Chains: what must follow from one another when money goes back, and where it does not. Pure.

Books and balance may agree to the cent on every link while the chain is broken: a dispute was won
and its money never came, or a customer was refunded and charged the money back as well. Must not
look at balance transactions: what an object's own snapshot says of them is enough.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from reconciler.domain.family import Family, captured_by_charge, refund_counts
from reconciler.domain.lifecycle import Kind
from reconciler.domain.money import major

REINSTATED_SECONDS = 5 * 86400
"""How long Stripe may take to give back the money of a dispute that was won; it usually does so at
once (`charge.dispute.funds_reinstated`). https://docs.stripe.com/disputes/how-disputes-work"""

CUSTOMER_LOST = frozenset({"won", "warning_closed", "prevented"})
"""The statuses of a dispute that leave the money with the platform."""


class Broken(StrEnum):
    """What is missing, or too much, in a chain."""

    WON_NOT_RETURNED = "won_not_returned"
    RETURNED_TWICE = "returned_twice"


@dataclass(frozen=True, slots=True)
class Chain:
    """One broken chain: the object it shows on, the money at risk (minor units of `currency`), and
    until when (epoch seconds) it may still mend by itself; 0 if it will not."""

    reference: str
    broken: Broken
    family: str
    stripe_account: str
    currency: str
    at_risk: int
    clear_by: int
    explanation: str


def broken_chains(family: Family) -> list[Chain]:
    """Every chain of a payment that does not hold."""
    return [*_won_not_returned(family), *_returned_twice(family)]


def _won_not_returned(family: Family) -> Iterator[Chain]:
    for dispute in family.of(Kind.DISPUTE):
        withdrawn = dispute.detail["withdrawn"] or 0
        if dispute.status not in CUSTOMER_LOST or withdrawn <= 0:
            continue
        money = f"{major(withdrawn, dispute.currency)} {dispute.currency}"
        yield Chain(
            dispute.id,
            Broken.WON_NOT_RETURNED,
            family.id,
            dispute.stripe_account,
            dispute.currency,
            withdrawn,
            dispute.as_of + REINSTATED_SECONDS,
            f"Dispute {dispute.id} is {dispute.status}; the {money} it took has not come back.",
        )


def _returned_twice(family: Family) -> Iterator[Chain]:
    """A charge of which more went back than came in: refunded, and charged back as well."""
    failed = {charge.id for charge in family.of(Kind.CHARGE) if charge.status == "failed"}
    for charge, (captured, currency, _) in sorted(captured_by_charge(family).items()):
        refunds = [r for r in family.of(Kind.REFUND) if r.detail["charge"] == charge]
        disputes = [d for d in family.of(Kind.DISPUTE) if d.detail["charge"] == charge]
        refunded = sum(r.amount for r in refunds if refund_counts(r, failed))
        withdrawn = sum(d.detail["withdrawn"] or 0 for d in disputes)
        excess = refunded + withdrawn - captured
        if not captured or not withdrawn or not refunded or excess <= 0:
            continue
        money = f"{major(excess, currency)} {currency}"
        yield Chain(
            charge,
            Broken.RETURNED_TWICE,
            family.id,
            disputes[0].stripe_account,
            currency,
            excess,
            0,
            f"{money} of {charge} went back twice: it was refunded, and charged back as well.",
        )
