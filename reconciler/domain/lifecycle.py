"""The statuses Stripe's objects go through, and which way they can go.

A *stage* is how far a status lies along its object's one-way road. Statuses of one stage may
alternate (a PaymentIntent goes from ``processing`` back to ``requires_payment_method``); a fall
to a lower stage cannot happen at Stripe, so seeing one proves that something arrived out of order.
Must not decide what a status means for money: that is `books`.

Sources: Stripe's API reference for each object, version 2026-10-28.
"""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """The Stripe objects that the books follow."""

    PAYMENT_INTENT = "payment_intent"
    CHARGE = "charge"
    REFUND = "refund"
    TRANSFER = "transfer"
    REVERSAL = "reversal"
    BANK_PAYOUT = "bank_payout"
    DISPUTE = "dispute"
    ACCOUNT = "account"


NO_STATUS = ""
"""Transfers, reversals and accounts have none."""

STAGES: dict[Kind, dict[str, int]] = {
    Kind.PAYMENT_INTENT: {
        "requires_payment_method": 0,
        "requires_confirmation": 0,
        "requires_action": 0,
        "processing": 0,
        "requires_capture": 1,
        "succeeded": 2,
        "canceled": 2,
    },
    # A charge of a slow payment method can fail after it succeeded.
    Kind.CHARGE: {"pending": 0, "succeeded": 1, "failed": 2},
    # A refund can fail, or be cancelled, up to 30 days after it succeeded.
    Kind.REFUND: {
        "pending": 0,
        "requires_action": 0,
        "succeeded": 1,
        "failed": 2,
        "canceled": 2,
    },
    # "paid" says that the bank should have it; a failure can follow within days.
    Kind.BANK_PAYOUT: {"pending": 0, "in_transit": 1, "paid": 2, "failed": 3, "canceled": 3},
    Kind.DISPUTE: {
        "warning_needs_response": 0,
        "warning_under_review": 0,
        "warning_closed": 1,
        "needs_response": 2,
        "under_review": 2,
        "appeal_needs_response": 3,
        "appeal_under_review": 3,
        "lost": 3,
        "won": 3,
        "prevented": 3,
    },
    Kind.TRANSFER: {NO_STATUS: 0},
    Kind.REVERSAL: {NO_STATUS: 0},
    Kind.ACCOUNT: {NO_STATUS: 0, "deleted": 1},
}


def stage(kind: Kind, status: str) -> int:
    """How far along its road this status lies; 0 for a status this version does not know."""
    return STAGES[kind].get(status, 0)


def is_known(kind: Kind, status: str) -> bool:
    """Whether this version knows the status. An unknown one is kept and shown, never dropped."""
    return status in STAGES[kind]
