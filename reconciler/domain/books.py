"""What the books should say about a family of Stripe objects: the posting rules.

The books are a pure function of the records: `positions` gives the lines that should stand for each
object, and the shell posts the difference to what stands already. A late failure, a correction or
a payment that turns out to be another merchant's needs no code of its own: the target changes and
the difference is posted. Must not look at balance transactions: those are `facts`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from reconciler.domain.instructions import (
    Instruction,
    RefundRequest,
    decided_payout,
    decided_refund,
)
from reconciler.domain.ledger import (
    BANK,
    DISPUTES,
    PLATFORM_SHARE,
    UNATTRIBUTED,
    Line,
    balanced,
    clearing,
    merchant,
    reserved,
    total,
)
from reconciler.domain.lifecycle import Kind
from reconciler.domain.positions import Position, PositionKind
from reconciler.domain.snapshot import BAD_FEE, PLATFORM, Snapshot

__all__ = [
    "Bearer",
    "Family",
    "Instruction",
    "Owner",
    "RefundRequest",
    "amount_reversed",
    "captured_by_charge",
    "decided_payout",
    "decided_refund",
    "owner_of",
    "positions",
    "refund_counts",
]


class Bearer(StrEnum):
    """Who carries the amount of a dispute while it is withdrawn."""

    MERCHANT = "merchant"
    PLATFORM = "platform"


@dataclass(frozen=True, slots=True)
class Family:
    """The objects that hang together: a payment with its charges, refunds and disputes, or a
    transfer with its reversals and the payout it executes."""

    id: str
    snapshots: tuple[Snapshot, ...]
    payouts: Mapping[str, Instruction] = field(default_factory=dict)
    requests: Mapping[str, RefundRequest] = field(default_factory=dict)

    def of(self, kind: Kind) -> list[Snapshot]:
        found = [s for s in self.snapshots if s.kind is kind and s.stripe_account == PLATFORM]
        return sorted(found, key=lambda s: (s.created, s.id))


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose money a payment is. `account` takes the payment, less `fee`, and bears refunds."""

    merchant: str
    account: str
    fee: int


def owner_of(family: Family) -> Owner:
    """Whose the payment is: `metadata.merchant_id` of its PaymentIntent; its charge carries a copy.

    Until something that can tell has been seen, or while the fee's metadata is unusable, the money
    is nobody's: better a named line in the report than a balance that could be paid out by mistake.
    """
    intents, charges = family.of(Kind.PAYMENT_INTENT), family.of(Kind.CHARGE)
    named = [s for s in [*intents, *charges] if s.detail["merchant"]]
    if named:
        source = named[0]
        fee = int(source.detail["platform_fee"])
        id = str(source.detail["merchant"])
        return Owner(id, UNATTRIBUTED if fee == BAD_FEE else merchant(id), max(fee, 0))
    settled = bool(intents) or any(not charge.detail["payment_intent"] for charge in charges)
    return Owner("", PLATFORM_SHARE if settled else UNATTRIBUTED, 0)


def positions(family: Family, bearer: Bearer) -> list[Position]:
    """Every position this family should have now. One that is absent should stand at nothing."""
    owner = owner_of(family)
    found = [
        *_payments(family, owner),
        *_refunds(family, owner),
        *_disputes(family, owner, bearer),
        *_transfers(family),
        *_bank_payouts(family),
    ]
    for position in found:
        balanced(position.lines)
    return found


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


def _payments(family: Family, owner: Owner) -> Iterator[Position]:
    fee_left = owner.fee
    for charge_id, (captured, currency, created) in sorted(captured_by_charge(family).items()):
        fee = min(fee_left, captured)
        fee_left -= fee
        lines = total(
            [
                Line(clearing(charge_id), currency, captured),
                Line(owner.account, currency, fee - captured),
                Line(PLATFORM_SHARE, currency, -fee),
            ]
        )
        yield Position(
            charge_id, PositionKind.PAYMENT, family.id, PLATFORM, owner.merchant, created, lines
        )


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


def _refunds(family: Family, owner: Owner) -> Iterator[Position]:
    failed = {charge.id for charge in family.of(Kind.CHARGE) if charge.status == "failed"}
    for refund in family.of(Kind.REFUND):
        amount = refund.amount if refund_counts(refund, failed) else 0
        lines = total(
            [
                Line(owner.account, refund.currency, amount),
                Line(clearing(refund.id), refund.currency, -amount),
                *_released(refund, family),
            ]
        )
        yield Position(
            refund.id,
            PositionKind.REFUND,
            family.id,
            PLATFORM,
            owner.merchant,
            refund.created,
            lines,
        )


def _released(refund: Snapshot, family: Family) -> list[Line]:
    """What was reserved for a refund that we asked for, given back to whoever bore it: the refund
    itself now says what was taken from whom."""
    request = family.requests.get(str(refund.detail.get("request", "")))
    if request is None or request.refund_id != refund.id:
        return []
    return [
        Line(reserved(request.id), request.currency, request.amount),
        Line(request.account, request.currency, -request.amount),
    ]


WITHDRAWN = frozenset(
    {"needs_response", "under_review", "appeal_needs_response", "appeal_under_review", "lost"}
)
"""The statuses in which a dispute's money has left. Inquiries (``warning_*``) move none."""


def _disputes(family: Family, owner: Owner, bearer: Bearer) -> Iterator[Position]:
    for dispute in family.of(Kind.DISPUTE):
        withdrawn = dispute.detail["withdrawn"]
        if withdrawn is None:  # the snapshot does not list its movements: the status must do
            withdrawn = dispute.amount if dispute.status in WITHDRAWN else 0
        merchants = owner.merchant and bearer is Bearer.MERCHANT
        account = owner.account if merchants or owner.account == UNATTRIBUTED else DISPUTES
        lines = total(
            [
                Line(account, dispute.currency, int(withdrawn)),
                Line(clearing(dispute.id), dispute.currency, -int(withdrawn)),
            ]
        )
        yield Position(
            dispute.id,
            PositionKind.DISPUTE,
            family.id,
            PLATFORM,
            owner.merchant,
            dispute.created,
            lines,
        )


def _transfers(family: Family) -> Iterator[Position]:
    """A transfer is booked only as the execution of a payout, at the amount that was decided.

    One that nobody here asked for stays a fact alone, and so a finding.
    """
    for transfer in family.of(Kind.TRANSFER):
        payout = family.payouts.get(str(transfer.detail["payout"]))
        if payout is None or payout.transfer_id != transfer.id:
            continue
        back = amount_reversed(family, transfer)
        lines = total(
            [
                Line(reserved(payout.id), payout.currency, payout.amount),
                Line(clearing(transfer.id), payout.currency, -payout.amount),
                Line(clearing(transfer.id), transfer.currency, back),
                Line(merchant(payout.merchant), transfer.currency, -back),
            ]
        )
        yield Position(
            transfer.id,
            PositionKind.TRANSFER,
            family.id,
            PLATFORM,
            payout.merchant,
            transfer.created,
            lines,
        )


def _bank_payouts(family: Family) -> Iterator[Position]:
    for payout in family.of(Kind.BANK_PAYOUT):
        amount = 0 if payout.status in ("failed", "canceled") else payout.amount
        lines = total(
            [
                Line(BANK, payout.currency, amount),
                Line(clearing(payout.id), payout.currency, -amount),
            ]
        )
        yield Position(
            payout.id, PositionKind.BANK_PAYOUT, family.id, PLATFORM, "", payout.created, lines
        )


def amount_reversed(family: Family, transfer: Snapshot) -> int:
    """How much of a transfer has come back: the transfer and its reversals both tell, and what
    came back never shrinks."""
    reversals = sum(r.amount for r in family.of(Kind.REVERSAL))
    return max(int(transfer.detail["amount_reversed"]), reversals)
