"""Which of Stripe's event types this service wants to be sent, by webhook endpoint.

What is missing at Stripe is found later by the sweep or by a daily reading, not at once; what is
sent beyond this is kept and set aside. Types are written out: Stripe's endpoints take no patterns
but `*`. https://docs.stripe.com/api/events/types
"""

from __future__ import annotations

from collections.abc import Iterable

EVERYTHING = "*"

_PAYMENTS = (
    "payment_intent.amount_capturable_updated",
    "payment_intent.canceled",
    "payment_intent.created",
    "payment_intent.partially_funded",
    "payment_intent.payment_failed",
    "payment_intent.processing",
    "payment_intent.requires_action",
    "payment_intent.succeeded",
    "charge.captured",
    "charge.expired",
    "charge.failed",
    "charge.pending",
    "charge.refunded",
    "charge.succeeded",
    "charge.updated",
    "charge.dispute.closed",
    "charge.dispute.created",
    "charge.dispute.funds_reinstated",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.updated",
    "refund.created",
    "refund.failed",
    "refund.updated",
)
_TRANSFERS = ("transfer.created", "transfer.reversed", "transfer.updated")
_BANK_PAYOUTS = (
    "payout.canceled",
    "payout.created",
    "payout.failed",
    "payout.paid",
    "payout.updated",
)
_ACCOUNTS = ("account.updated", "capability.updated")

_CARDS = (
    "checkout.session.completed",
    "checkout.session.expired",
    "customer.deleted",
    "payment_method.automatically_updated",
    "payment_method.detached",
    "payment_method.updated",
    "setup_intent.succeeded",
)
"""Of use where cards are saved; the rest of the service does without them."""

NEEDED = {
    "platform": frozenset({*_PAYMENTS, *_TRANSFERS, *_BANK_PAYOUTS}),
    "connect": frozenset({*_ACCOUNTS}),
}
"""By endpoint: the platform's own events, and those of connected accounts."""

OF_USE = frozenset(
    {
        *_PAYMENTS,
        *_TRANSFERS,
        *_BANK_PAYOUTS,
        *_ACCOUNTS,
        *_CARDS,
        "account.application.deauthorized",
        "charge.refund.updated",
        "payout.reconciliation_completed",
    }
)
"""What is followed wherever it comes from, needed there or not."""


def missing(channel: str, enabled: Iterable[str]) -> list[str]:
    """The types that this endpoint should be sent and is not."""
    chosen = set(enabled)
    return [] if EVERYTHING in chosen else sorted(NEEDED[channel] - chosen)


def superfluous(channel: str, enabled: Iterable[str]) -> list[str]:
    """The types that it is sent and this service has no use for."""
    return sorted(set(enabled) - OF_USE - NEEDED[channel])
