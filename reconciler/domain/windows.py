"""Until when a difference is a matter of time, from what Stripe says of each kind of movement.

Pure; all times in epoch seconds, all days UTC. Must not say why something differs: `verdicts` does.
"""

from __future__ import annotations

DAY = 86400

WEBHOOK_SECONDS = 600
"""How long an event may take before its absence means something. Stripe retries for three days,
but the sweep of its event list finds what it did not deliver within minutes.
https://docs.stripe.com/webhooks#retries"""

BINDING_SECONDS = 3600
"""How long Stripe may take to attach a movement to an object: asynchronous capture.
https://docs.stripe.com/payments/payment-intents/asynchronous-capture"""

REFUND_SECONDS = 30 * DAY
"""How long a refund may stay pending, or fail after it succeeded. https://docs.stripe.com/refunds"""

CUSTOMER_ACTS_SECONDS = 45 * DAY
"""How long a customer may take to say where a refund shall go; then it fails.
https://docs.stripe.com/refunds#refund-requires-action"""

BANK_RETURNS_DAYS = 5
"""Business days in which a bank may still send a payout back, also one that counts as paid.
https://docs.stripe.com/payouts#payout-failures"""

SETTLES_SECONDS = DAY
"""Stripe names the day on which money becomes available, not the hour.
https://docs.stripe.com/api/balance_transactions/object"""

_SATURDAY = 5


def business_days_after(moment: int, days: int) -> int:
    """The end of the so manieth business day after the day of this moment."""
    day = moment // DAY
    while days:
        day += 1
        days -= (day + 3) % 7 < _SATURDAY  # the epoch began on a Thursday
    return (day + 1) * DAY


def bank_returns_by(arrival: int) -> int:
    """Until when a bank payout that arrives then may still come back."""
    return business_days_after(arrival, BANK_RETURNS_DAYS)


def settled_by(available_on: int) -> int:
    """By when money that becomes available on that day has."""
    return available_on + SETTLES_SECONDS
