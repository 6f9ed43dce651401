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

_SETTLEMENT_DAYS: dict[str, int] = {
    **dict.fromkeys(("AT", "BE", "CH", "DE", "DK", "ES", "FI", "FR", "GB", "IE", "IT"), 3),
    **dict.fromkeys(("LU", "NL", "NO", "PL", "PT", "SE"), 3),
    "AU": 2,
    "CA": 3,
    "JP": 4,
    "US": 2,
    "acss_debit": 5,
    "au_becs_debit": 3,
    "bacs_debit": 3,
    "sepa_debit": 5,
    "us_bank_account": 4,
}

_FEES: dict[str, tuple[str, int]] = {
    "international_card": ("44/1000", 30),
    "sepa_debit": ("8/1000", 30),
    "us_bank_account": ("8/1000", 0),
    "customer_balance": ("5/1000", 0),
}
_FEE_MOST: dict[str, int] = {
    "sepa_debit": 600,
    "us_bank_account": 500,
    "customer_balance": 500,
}


@dataclass
class Settings:
    # Of the events, unless an endpoint names its own; and of requests that name none: an account
    # keeps the version it began with.
    api_version: str = "2026-10-28.endive"
    account_version: str = "2026-08-26.dahlia"

    # The platform itself: where it is, what it is called, and its application's id for OAuth.
    country: str = "US"
    platform_name: str = "Simulated platform"
    # What its customers read on their statements, and what comes before an addition to that.
    statement_descriptor: str | None = None
    statement_descriptor_prefix: str | None = None
    client_id: str = "ca_simulator0000000000000000000"

    settlement_currencies: tuple[str, ...] = ("usd", "eur")
    # What connected accounts hold beside the currencies of their country and bank accounts; None is
    # as the platform.
    connected_currencies: tuple[str, ...] | None = None

    # What a payment costs: a share, as text for a Fraction, and a fixed part; by the first of
    # "<kind>/<currency>" and "<kind>" of its kinds, which for a card from abroad are
    # "international_card" and "card". Without any, the first two. A kind may cost a most.
    fee_rate: Fraction = Fraction(29, 1000)
    fee_fixed: int = 30
    fees: dict[str, tuple[str, int]] = field(default_factory=lambda: dict(_FEES))
    fee_most: dict[str, int] = field(default_factory=lambda: dict(_FEE_MOST))
    # A tax on Stripe's own fees, as text for a Fraction of them.
    fee_tax: str = "0"
    dispute_fee: int = 1500
    dispute_fee_returned_when_won: bool = True
    us_cents: dict[str, Fraction] = field(default_factory=lambda: dict(_US_CENTS))

    # Exact rates by pair, "eur/chf", which win over what the currencies are worth.
    rates: dict[str, str] = field(default_factory=dict)

    # Business days until money is available, by the first of "<kind>/<currency>",
    # "<kind>/<COUNTRY>", "<kind>" for all but cards, "<currency>" and "<COUNTRY>"; else the first.
    settlement_days: int = 2
    settlement_days_by: dict[str, int] = field(default_factory=lambda: dict(_SETTLEMENT_DAYS))
    reversal_settlement_days: int = 1
    payout_days: int = 2
    payout_failure_days: int = 1
    payout_trace_seconds: int = 3 * 86_400
    payout_trace_status: str = "supported"
    payout_limit: int | None = None
    instant_payout_rate: Fraction = Fraction(1, 100)
    instant_payout_limit: int = 999_999
    topup_seconds: int = 0
    connect_collection_days: int = 180

    # Whether accounts under the full agreement may have `transfers` without `card_payments`; many
    # platforms have to ask Stripe's support first.
    transfers_alone: bool = True
    # How long it takes until what an account hands in has been checked.
    verification_seconds: int = 60
    # How often API-opened accounts are paid out until they say otherwise.
    connected_payout_interval: str = "daily"

    async_capture_seconds: int = 1
    # What a partial capture leaves is simply let go; in older accounts the charge is booked whole,
    # and the rest is a refund of Stripe's own making (`partial_capture_reversal`).
    partial_capture_refunds: bool = False
    # The kinds of payment method that are enabled in the Dashboard of every account.
    dashboard_methods: tuple[str, ...] = ("card", "link")
    # How long a bank debit is under way, and one that is said to be delayed.
    debit_seconds: int = 10
    delayed_debit_seconds: int = 180
    dispute_seconds: int = 0
    dispute_answer_days: int = 8
    inquiry_days: int = 120
    evidence_seconds: int = 60
    pending_refund_seconds: int = 60
    refund_failure_seconds: int = 60
    # A card refund that the balance cannot pay waits, and fails at last.
    refunds_wait_for_funds: bool = True
    refund_wait_days: int = 30
    refund_action_days: int = 45
    refund_reference_seconds: int = 86_400
    # So long a refund can still be stopped by a dispute, as the network has not had it yet.
    refund_clearing_seconds: int = 120
    refund_fee: int = 0
    bank_refund_days: int = 3
    report_seconds: int = 60
    # How long after 00:00 and 12:00 UTC the data up to then can be reported on.
    report_lag_seconds: int = 8 * 3600
    # Where the contents of files are; Stripe's is https://files.stripe.com, "" is where the
    # simulator was reached.
    files_base: str = ""
    payout_sent_seconds: int = 3600

    event_retention_days: int = 30
    idempotency_hours: int = 24
    journal_entries: int = 100_000

    # Rate limits in virtual time: "off", "sandbox" or "live".
    rate_limits: str = "off"
    # Take only the standard key and keys made here; otherwise any test key opens the platform.
    strict_keys: bool = False
    # How undelivered webhooks come again: "live" for three days, "sandbox" three times in hours.
    webhook_retries: str = "live"
    # After so many days of nothing but failures Stripe disables an endpoint; 0 means never.
    webhook_disable_days: int = 0
