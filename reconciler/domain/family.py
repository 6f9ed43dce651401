"""A family: the Stripe objects that hang together, and what they say of each other's amounts.

Pure. Must not know what the books make of it: that is `books`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from reconciler.domain.instructions import Instruction, RefundRequest
from reconciler.domain.lifecycle import Kind
from reconciler.domain.snapshot import PLATFORM, Snapshot


@dataclass(frozen=True, slots=True)
class Family:
    """The objects that hang together: a payment with its charges, refunds and disputes, or a
    transfer with its reversals, the payout it executes, and what it became where it went.
    `payouts` are by their own id, and by that of the transfer that was adopted as them. The family
    is looked at as `stripe_account` has it: `of` gives the objects of that account alone."""

    id: str
    snapshots: tuple[Snapshot, ...]
    payouts: Mapping[str, Instruction] = field(default_factory=dict)
    requests: Mapping[str, RefundRequest] = field(default_factory=dict)
    stripe_account: str = PLATFORM

    def of(self, kind: Kind) -> list[Snapshot]:
        ours = self.stripe_account
        found = [s for s in self.snapshots if s.kind is kind and s.stripe_account == ours]
        return sorted(found, key=lambda s: (s.created, s.id))


def captured_by_charge(family: Family) -> dict[str, tuple[int, str, int]]:
    """For each charge: the amount captured, its currency, and when the charge was created.

    A charge and its PaymentIntent both tell, either may be missing or older; an amount captured
    never shrinks, so the larger figure is the newer one. A failed charge captured nothing.
    """
    found: dict[str, tuple[int, str, int]] = {}
    failed = set()
    for charge in family.of(Kind.CHARGE):
        if charge.status == "failed":
            failed.add(charge.id)
        amount = int(charge.detail["amount_captured"]) if charge.status == "succeeded" else 0
        found[charge.id] = (amount, charge.currency, charge.created)
    for intent in family.of(Kind.PAYMENT_INTENT):
        latest, received = (
            str(intent.detail["latest_charge"]),
            int(intent.detail["amount_received"]),
        )
        if latest and received and latest not in failed:
            amount, _, created = found.get(latest, (0, "", intent.created))
            found[latest] = (max(amount, received), intent.currency, created)
    return found


def refund_counts(refund: Snapshot, failed_charges: Iterable[str]) -> bool:
    """Whether a refund takes money from its merchant.

    Failed and cancelled ones gave it back. A refund that Stripe made of an amount never captured,
    or of a charge that failed, is part of that charge's own story.
    """
    return (
        refund.status not in ("failed", "canceled")
        and refund.detail["reason"] != "expired_uncaptured_charge"
        and refund.detail["charge"] not in failed_charges
    )


def amount_reversed(family: Family, transfer: Snapshot) -> int:
    """How much of a transfer has come back: the transfer and its reversals both tell, and what
    came back never shrinks."""
    reversals = sum(r.amount for r in family.of(Kind.REVERSAL))
    return max(int(transfer.detail["amount_reversed"]), reversals)


def came_back(family: Family, transfer: Snapshot, payout: Instruction) -> int:
    """How much of a payout has come back: what its transfer sent beyond it comes back first, and
    was never the merchant's."""
    back = amount_reversed(family, transfer)
    if transfer.currency != payout.currency:
        return back
    return max(back - max(transfer.amount - payout.amount, 0), 0)


def executed_by(family: Family, transfer: Snapshot) -> Instruction | None:
    """The payout that a transfer was adopted as, or else the one that it names."""
    adopted = family.payouts.get(transfer.id)
    return adopted or family.payouts.get(str(transfer.detail["payout"]))
