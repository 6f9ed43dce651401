"""The platform's share as the objects of one payment tell it, and where they disagree.

The PaymentIntent's metadata names it, and its charge carries a copy of its own from then on. Only
the charge's change is told by an event, so the books may stand on a share that was taken back.
Pure; amounts in minor units.
"""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.domain.family import Family, captured_by_charge
from reconciler.domain.lifecycle import Kind
from reconciler.domain.snapshot import BAD_FEE


@dataclass(frozen=True, slots=True)
class FeeDiffers:
    """The share that the books took (`booked`) and the one that `object_id` tells or allows."""

    payment: str
    object_id: str
    currency: str
    booked: int
    told: int
    rule: str


def fee_differs(family: Family) -> FeeDiffers | None:
    """Where the share of this payment is told in two ways, or is more than was taken."""
    intents = [s for s in family.of(Kind.PAYMENT_INTENT) if s.detail["merchant"]]
    if not intents or intents[0].detail["platform_fee"] == BAD_FEE:
        return None
    intent = intents[0]
    fee = int(intent.detail["platform_fee"])
    for charge in family.of(Kind.CHARGE):
        other = int(charge.detail["platform_fee"])
        if (
            charge.status == "succeeded"
            and charge.detail["merchant"]
            and other not in (fee, BAD_FEE)
        ):
            rule = "payment_and_charge_name_two_shares"
            return FeeDiffers(intent.id, charge.id, intent.currency, fee, other, rule)
    captured = sum(amount for amount, _, _ in captured_by_charge(family).values())
    if 0 < captured < fee:
        rule = "the_share_is_more_than_was_captured"
        return FeeDiffers(intent.id, intent.id, intent.currency, captured, fee, rule)
    return None
