"""What a balance transaction says, as ledger lines: the facts' half of every clearing account.

Each balance transaction moves Stripe's balance by its net, the fees account by its fee, and clears
its amount against the object that caused it. Classified by `reporting_category`, as Stripe's
documentation asks ("Reporting categories"), never by free text. What this version does not know
goes to `suspense`, loudly. Must not look at what the books believe.
"""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.domain.ledger import (
    BANK,
    FEES,
    FX,
    PLATFORM_SHARE,
    RESERVES,
    STRIPE_BALANCE,
    SUSPENSE,
    Line,
    Posting,
    Side,
    balanced,
    clearing,
    total,
)

PAYMENTS_BALANCE = "payments"
"""The one `balance_type` that is part of available + pending; the others have pots of their own."""

CLEARED = frozenset(
    {
        "charge",
        "refund",
        "refund_failure",
        "dispute",
        "dispute_reversal",
        "transfer",
        "transfer_reversal",
        "payout",
        "payout_reversal",
        "charge_failure",
        "partial_capture_reversal",
        "other_adjustment",
    }
)
"""Categories that clear against the object named in `source`."""

ON_THE_CHARGE = frozenset({"charge_failure", "partial_capture_reversal"})
"""Categories whose source may be a refund that Stripe made, but whose story is the charge's."""

STRAIGHT = {
    "fee": FEES,
    "tax": FEES,
    "network_cost": FEES,
    "contribution": FEES,
    "climate_order_purchase": FEES,
    "climate_order_refund": FEES,
    "connect_reserved_funds": RESERVES,
    "risk_reserved_funds": RESERVES,
    "payout_minimum_balance_hold": RESERVES,
    "payout_minimum_balance_release": RESERVES,
    "payment_network_reserve_hold": RESERVES,
    "payment_network_reserve_release": RESERVES,
    "connect_collection_transfer": RESERVES,
    "advance": RESERVES,
    "advance_funding": RESERVES,
    "topup": BANK,
    "topup_reversal": BANK,
    "platform_earning": PLATFORM_SHARE,
    "platform_earning_refund": PLATFORM_SHARE,
}
"""Categories that no object of ours stands behind: straight to where such money goes."""


@dataclass(frozen=True, slots=True)
class BalanceTransaction:
    """One movement on a Stripe balance; amounts in minor units of `currency` (the balance's).

    `source_amount` and `source_currency` are the source object's own figures, needed when it was
    charged in another currency; `source_charge` is the charge behind a source that is a refund.
    """

    id: str
    stripe_account: str
    type: str
    reporting_category: str
    balance_type: str
    currency: str
    amount: int
    fee: int
    net: int
    created: int
    available_on: int
    status: str
    source: str
    source_amount: int
    source_currency: str
    source_charge: str
    exchange_rate: str
    description: str

    @property
    def clears(self) -> str:
        """The object this movement is about, or an empty string."""
        if self.reporting_category not in CLEARED:
            return ""
        if self.reporting_category in ON_THE_CHARGE and self.source_charge:
            return self.source_charge
        return self.source

    @property
    def suspended(self) -> bool:
        """Whether it moved the balance for a reason that this version does not know."""
        return self.counts and not self.clears and self.reporting_category not in STRAIGHT

    @property
    def counts(self) -> bool:
        """Whether it is part of Stripe's available + pending."""
        return self.balance_type == PAYMENTS_BALANCE


def posting(fact: BalanceTransaction) -> Posting:
    """The ledger transaction of one balance transaction. Raises Unbalanced if net is not amount
    less fee, which Stripe guarantees."""
    lines = [
        Line(STRIPE_BALANCE, fact.currency, fact.net),
        Line(FEES, fact.currency, fact.fee),
        *_counterpart(fact),
    ]
    return Posting(
        fact.id,
        Side.FACTS,
        1,
        fact.reporting_category,
        fact.stripe_account,
        fact.created,
        tuple(balanced(total(lines))),
    )


def _counterpart(fact: BalanceTransaction) -> list[Line]:
    if fact.clears:
        return _clear(fact, clearing(fact.clears))
    account = STRAIGHT.get(fact.reporting_category, SUSPENSE)
    return [Line(account, fact.currency, -fact.amount)]


def _clear(fact: BalanceTransaction, account: str) -> list[Line]:
    """Clear in the currency the object was made in; `fx` carries what lies between.

    The converted figure is the source's own amount, never recomputed from the exchange rate, which
    Stripe gives as a float of few digits.
    """
    if not fact.source_currency or fact.source_currency == fact.currency:
        return [Line(account, fact.currency, -fact.amount)]
    own = fact.source_amount if fact.amount >= 0 else -fact.source_amount
    return [
        Line(FX, fact.currency, -fact.amount),
        Line(FX, fact.source_currency, own),
        Line(account, fact.source_currency, -own),
    ]
