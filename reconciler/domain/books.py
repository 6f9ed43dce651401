"""What the books should say about a family of Stripe objects: the posting rules.

The books are a pure function of the records: `positions` gives the lines that should stand for each
object, and the shell posts the difference to what stands already. A late failure, a correction or
a payment that turns out to be another merchant's needs no code of its own: the target changes and
the difference is posted. Must not look at balance transactions: those are `facts`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from reconciler.domain.family import (
    Family,
    amount_reversed,
    came_back,
    captured_by_charge,
    executed_by,
    refund_counts,
)
from reconciler.domain.instructions import (
    Instruction,
    RefundRequest,
    decided_payout,
    decided_refund,
)
from reconciler.domain.ledger import (
    BANK,
    DISPUTES,
    FOREIGN,
    PLATFORM_SHARE,
    UNATTRIBUTED,
    Line,
    account_kind,
    balanced,
    clearing,
    foreign,
    merchant,
    reserved,
    total,
)
from reconciler.domain.lifecycle import Kind
from reconciler.domain.positions import Position, PositionKind
from reconciler.domain.snapshot import BAD_FEE, PLATFORM, Snapshot

__all__ = [
    "Bearer",
    "Instruction",
    "Owner",
    "RefundRequest",
    "decided_payout",
    "decided_refund",
    "owner_of",
    "positions",
]


class Bearer(StrEnum):
    """Who carries the amount of a dispute while it is withdrawn."""

    MERCHANT = "merchant"
    PLATFORM = "platform"


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose money a payment is. `account` takes the payment, less `fee`, and bears refunds."""

    merchant: str
    account: str
    fee: int

    @property
    def elsewhere(self) -> bool:
        """Whether the money is neither a merchant's nor the platform's, so neither bears a loss."""
        return account_kind(self.account) in (UNATTRIBUTED, FOREIGN)


def owner_of(family: Family) -> Owner:
    """Whose the payment is: `metadata.merchant_id` of its PaymentIntent; its charge carries a copy.
    One of another application on the Stripe account is that application's, whatever it names.

    Until something that can tell has been seen, or while the fee's metadata is unusable, the money
    is nobody's: better a named line in the report than a balance that could be paid out by mistake.
    """
    intents, charges = family.of(Kind.PAYMENT_INTENT), family.of(Kind.CHARGE)
    other = next((str(s.detail.get("foreign", "")) for s in intents or charges), "")
    if other:
        return Owner("", foreign(other), 0)
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
    found = [*own_positions(family, owner, bearer), *_transfers(family)]
    for position in found:
        balanced(position.lines)
    return found


def own_positions(family: Family, owner: Owner, bearer: Bearer) -> list[Position]:
    """The positions of what an account took and paid out itself, as it has the family."""
    return [
        *_payments(family, owner),
        *_refunds(family, owner),
        *_disputes(family, owner, bearer),
        *_bank_payouts(family, owner),
    ]


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
            charge_id,
            PositionKind.PAYMENT,
            family.id,
            family.stripe_account,
            owner.merchant,
            created,
            lines,
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
            family.stripe_account,
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
        account = owner.account if merchants or owner.elsewhere else DISPUTES
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
            family.stripe_account,
            owner.merchant,
            dispute.created,
            lines,
        )


def _transfers(family: Family) -> Iterator[Position]:
    """A transfer is booked only as the execution of a payout, at the amount that was decided.

    Another application's is that application's. One that nobody asked for stays a fact alone, and
    so a finding.
    """
    for transfer in family.of(Kind.TRANSFER):
        payout = executed_by(family, transfer)
        back = amount_reversed(family, transfer)
        other = str(transfer.detail.get("foreign", ""))
        if payout is None and other:
            yield _foreign_transfer(family, transfer, other, back)
        if payout is None or payout.transfer_id != transfer.id:
            continue
        back = came_back(family, transfer, payout)
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


def _foreign_transfer(family: Family, transfer: Snapshot, owner: str, back: int) -> Position:
    left = transfer.amount - back
    lines = total(
        [
            Line(foreign(owner), transfer.currency, left),
            Line(clearing(transfer.id), transfer.currency, -left),
        ]
    )
    return Position(
        transfer.id, PositionKind.TRANSFER, family.id, PLATFORM, "", transfer.created, lines
    )


def _bank_payouts(family: Family, owner: Owner) -> Iterator[Position]:
    for payout in family.of(Kind.BANK_PAYOUT):
        amount = 0 if payout.status in ("failed", "canceled") else payout.amount
        lines = total(
            [
                Line(BANK, payout.currency, amount),
                Line(clearing(payout.id), payout.currency, -amount),
            ]
        )
        yield Position(
            payout.id,
            PositionKind.BANK_PAYOUT,
            family.id,
            family.stripe_account,
            owner.merchant,
            payout.created,
            lines,
        )
