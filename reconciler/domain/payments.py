"""A payment as people want to see it: one PaymentIntent with its charges, refunds and disputes.

Derived from the records whenever it is asked for, so it cannot disagree with them. Amounts in minor
units. Must not be used to post: that is `books`.
"""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.domain.books import owner_of
from reconciler.domain.family import Family, captured_by_charge, refund_counts
from reconciler.domain.ledger import FOREIGN, account_kind, account_owner
from reconciler.domain.lifecycle import Kind
from reconciler.domain.snapshot import Snapshot

OPEN_DISPUTES = frozenset(
    {"needs_response", "under_review", "appeal_needs_response", "appeal_under_review"}
)


@dataclass(frozen=True, slots=True)
class Payment:
    """`amount_refunded` counts refunds that were not failed or cancelled; `foreign` names the other
    application on the Stripe account whose payment it is, and is empty for ours."""

    id: str
    status: str
    merchant: str
    foreign: str
    currency: str
    amount: int
    amount_received: int
    amount_refunded: int
    platform_fee: int
    created: int
    charges: tuple[Snapshot, ...]
    refunds: tuple[Snapshot, ...]
    disputes: tuple[Snapshot, ...]


def payment(family: Family) -> Payment | None:
    """The payment of a family; None if the family holds no PaymentIntent and no charge."""
    intents, charges = family.of(Kind.PAYMENT_INTENT), family.of(Kind.CHARGE)
    refunds, disputes = family.of(Kind.REFUND), family.of(Kind.DISPUTE)
    if not intents and not charges:
        return None
    head = (intents or charges)[0]
    received = sum(amount for amount, _, _ in captured_by_charge(family).values())
    failed = {charge.id for charge in charges if charge.status == "failed"}
    refunded = sum(r.amount for r in refunds if refund_counts(r, failed))
    owner = owner_of(family)
    return Payment(
        family.id,
        _status(head, received, refunded, disputes),
        owner.merchant,
        account_owner(owner.account) if account_kind(owner.account) == FOREIGN else "",
        head.currency,
        head.amount,
        received,
        refunded,
        owner.fee,
        head.created,
        tuple(charges),
        tuple(refunds),
        tuple(disputes),
    )


def _status(head: Snapshot, received: int, refunded: int, disputes: list[Snapshot]) -> str:
    """Stripe's own status until money came in; then what has become of the money."""
    if not received:
        return head.status
    if any(dispute.status in OPEN_DISPUTES for dispute in disputes):
        return "disputed"
    if refunded >= received:
        return "refunded"
    return "partially_refunded" if refunded else "succeeded"
