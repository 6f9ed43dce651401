"""Positions: the lines that stand in the books for one thing, and how to get from one to the next.

Whatever changes what should stand, the way there is the same: post the difference. Must not know
why the lines are what they are: that is `books`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from reconciler.domain.ledger import Line, Posting, Side, balanced, difference


class PositionKind(StrEnum):
    """What a position is about; also the kind of the ledger transactions that post it."""

    PAYMENT = "payment"
    REFUND = "refund"
    REFUND_REQUEST = "refund_request"
    DISPUTE = "dispute"
    PAYOUT = "payout"
    TRANSFER = "transfer"
    BANK_PAYOUT = "bank_payout"
    ADJUSTMENT = "adjustment"


@dataclass(frozen=True, slots=True)
class Position:
    """The lines that stand in the books for one reference (a Stripe object or a payout of ours)."""

    reference: str
    kind: PositionKind
    family: str
    stripe_account: str
    merchant: str
    occurred_at: int
    lines: tuple[Line, ...] = ()
    version: int = 0


def settle(held: Position | None, target: Position) -> tuple[Position, Posting | None]:
    """The position as it should now be stored, and the ledger transaction that takes it there.

    None when the ledger already says so. The version makes a second posting impossible.
    """
    if held is None and not target.lines:
        return target, None
    before = held.lines if held else ()
    version = held.version if held else 0
    delta = difference(target.lines, before)
    if not delta:
        return replace(target, version=version), None
    stored = replace(target, version=version + 1)
    posting = Posting(
        target.reference,
        Side.BOOKS,
        version + 1,
        target.kind,
        target.stripe_account,
        target.occurred_at,
        tuple(balanced(delta)),
    )
    return stored, posting
