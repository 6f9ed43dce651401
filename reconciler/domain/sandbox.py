"""What a test mode does differently with money, and the cards that help.

https://docs.stripe.com/testing#available-balance
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FundingCard:
    """One of Stripe's published test cards; `method` stands for it in code."""

    method: str
    number: str
    use: str


FUNDING_CARDS = (
    FundingCard(
        "pm_card_bypassPending",
        "4000000000000077",
        "the whole amount, less Stripe's fee, is available at once",
    ),
    FundingCard(
        "pm_card_bypassPendingInternational",
        "4000003720000278",
        "the same for a card from abroad, with its higher fee",
    ),
)

PENDING_EXPLAINED = (
    "A payment's money is pending at first: Stripe owes it to you, and it can neither be paid out"
    " to a bank nor be sent to a merchant. After a few days it becomes available. In test mode no"
    " real money moves, but the wait is the same: an ordinary test card such as 4242424242424242"
    " fills only the pending balance, the available one stays at zero, and payouts are refused for"
    " insufficient funds. Pay with one of the cards below to have available funds at once."
)
