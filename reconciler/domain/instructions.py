"""What we decide ourselves, as the books see it: payouts, and refunds that we ask for.

Their money leaves whoever it belonged to when they are decided and stays reserved until Stripe's
object says what became of it. Must not look at Stripe's objects: that is `books`.
"""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.domain.ledger import Line, merchant, reserved, total
from reconciler.domain.positions import Position, PositionKind
from reconciler.domain.snapshot import PLATFORM


@dataclass(frozen=True, slots=True)
class Instruction:
    """A payout of ours as the transfer that executes it needs to know it."""

    id: str
    merchant: str
    amount: int
    currency: str
    transfer_id: str  # empty until one transfer has been accepted as its execution


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """A refund that we asked for, as the Stripe refund that executes it needs to know it. `account`
    bore it when it was decided."""

    id: str
    merchant: str
    account: str
    amount: int
    currency: str
    refund_id: str  # empty until one Stripe refund has been accepted as its execution


def decided_payout(payout: Instruction, *, counts: bool, at: int) -> Position:
    """The position of a payout of ours: its money leaves the merchant when it is decided, and
    comes back when it fails or is cancelled."""
    lines = _decided(payout.id, merchant(payout.merchant), payout, counts)
    return Position(payout.id, PositionKind.PAYOUT, payout.id, PLATFORM, payout.merchant, at, lines)


def decided_refund(request: RefundRequest, *, counts: bool, at: int) -> Position:
    """The same of a refund that we ask for: its money leaves whoever the payment belongs to."""
    lines = _decided(request.id, request.account, request, counts)
    kind = PositionKind.REFUND_REQUEST
    return Position(request.id, kind, request.id, PLATFORM, request.merchant, at, lines)


def _decided(
    id: str, account: str, money: Instruction | RefundRequest, counts: bool
) -> tuple[Line, ...]:
    amount = money.amount if counts else 0
    return total(
        [
            Line(account, money.currency, amount),
            Line(reserved(id), money.currency, -amount),
        ]
    )
