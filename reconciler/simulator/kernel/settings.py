"""What may differ between one simulated Stripe and another.

Numbers and switches only: no state, and nothing that changes while a request runs.
"""

from dataclasses import dataclass, field
from fractions import Fraction

# What one minor unit is worth, in US cents. Stripe's `exchange_rate` also goes from minor unit to
# minor unit: 4820 JPY at 0.49334 became 2378 CHF.
_US_CENTS: dict[str, Fraction] = {
    "usd": Fraction(1),
    "eur": Fraction("1.08"),
    "gbp": Fraction("1.27"),
    "chf": Fraction("1.13"),
    "cad": Fraction("0.73"),
    "aud": Fraction("0.66"),
    "sek": Fraction("0.095"),
    "nok": Fraction("0.093"),
    "dkk": Fraction("0.145"),
    "pln": Fraction("0.25"),
    "inr": Fraction("0.0118"),
    "jpy": Fraction("0.67"),
    "huf": Fraction("0.0027"),
    "kwd": Fraction("0.325"),
}


@dataclass
class Settings:
    # Of the events, unless an endpoint names its own; and of requests that name none: an account
    # keeps the version it began with.
    api_version: str = "2026-10-28.endive"
    account_version: str = "2026-08-26.dahlia"

    settlement_currencies: tuple[str, ...] = ("usd", "eur")

    fee_rate: Fraction = Fraction(29, 1000)
    fee_fixed: int = 30
    dispute_fee: int = 1500
    dispute_fee_returned_when_won: bool = True
    us_cents: dict[str, Fraction] = field(default_factory=lambda: dict(_US_CENTS))

    settlement_days: int = 2
    reversal_settlement_days: int = 1
    payout_days: int = 2

    async_capture_seconds: int = 1
    dispute_seconds: int = 0
    evidence_seconds: int = 60
    pending_refund_seconds: int = 60
    refund_failure_seconds: int = 60
    payout_sent_seconds: int = 3600

    event_retention_days: int = 30
    idempotency_hours: int = 24
