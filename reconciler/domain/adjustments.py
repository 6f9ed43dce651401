"""Adjustments: what a person posts so that books and facts of one object meet.

Pure. Where the money may go and why is a closed list; the books hold what the records of posted
adjustments say, and nothing else. Must not know who may post one: that is `policies`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from reconciler.domain.ledger import (
    BANK,
    DISPUTES,
    FEES,
    FX,
    PLATFORM_SHARE,
    RESERVES,
    SUSPENSE,
    Line,
    clearing,
    total,
)
from reconciler.domain.money import major
from reconciler.domain.positions import Position, PositionKind

ACCOUNTS: Final = {
    PLATFORM_SHARE: "the platform's own share",
    FEES: "Stripe's fees",
    DISPUTES: "cost of disputes",
    RESERVES: "held in reserve by Stripe",
    FX: "converted between currencies",
    BANK: "at, or on its way to, the bank",
}
"""The ledger accounts that may bear an adjustment, besides a merchant's: `merchant:<id>`."""

REASONS: Final = {
    "stripe_fee": "a fee that Stripe took or gave back",
    "write_off": "a loss that is borne and not pursued",
    "windfall": "money that nobody else has a claim to",
    "merchant_correction": "the merchant was credited or charged wrongly",
    "dispute_cost": "the cost of a dispute",
    "currency_conversion": "what a conversion left over",
    "reserve": "Stripe holds it back, or gave it back",
    "bank_movement": "it went to the bank, or came from there",
    "known_movement": "a movement of a new kind, understood by now",
}
"""Why an adjustment may be posted."""


def borne_by(account: str) -> str | None:
    """The merchant whose account this is, empty for one of the platform's own; None for an account
    that may not bear an adjustment."""
    kind, colon, owner = account.partition(":")
    if account in ACCOUNTS:
        return ""
    return owner if kind == "merchant" and colon and owner else None


def decided_adjustment(row: Mapping[str, Any], *, counts: bool) -> Position:
    """The position of an adjustment: while it counts, the books expect `amount` more of Stripe's
    balance for the object, and `account` has it."""
    met = SUSPENSE if row["in_suspense"] else clearing(row["reference"])
    amount = row["amount"] if counts else 0
    lines = total(
        [
            Line(met, row["currency"], amount),
            Line(row["account"], row["currency"], -amount),
        ]
    )
    return Position(
        row["id"],
        PositionKind.ADJUSTMENT,
        row["id"],
        row["stripe_account"],
        row["merchant"],
        row["created_at"],
        lines,
    )


def terms(amount: int, currency: str, reference: str, reason: str) -> tuple[str, ...]:
    """What a second person says yes to, besides the amount and where it goes."""
    way = "more" if amount > 0 else "less"
    return (
        f"the books will expect {major(abs(amount), currency)} {currency} {way} of {reference}",
        f"reason: {reason}, {REASONS.get(reason, 'unknown')}",
    )
