"""What a card's answer means for the next try: again later, never again, or only with the customer.

The rules are those of the card networks and of Stripe's advice; a day is a day in UTC. Pure. Must
not know invoices: only answers, cards and days.

Visa allows 15 further tries in 30 days and none after an answer of its category 1 ("do not try
again"), Mastercard 35 in 30 days and none after its advice 03 or 21; both bill what goes beyond.
https://docs.stripe.com/declines/card
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum


class Verdict(StrEnum):
    """Closed list: what an unsuccessful answer allows."""

    LATER = "later"  # the same card may be tried again on another day
    NEVER = "never"  # the same card is not charged again, whatever for
    NEW_CARD = "new_card"  # its data has run out or is wrong: the customer has to enter it again
    AUTHENTICATE = "authenticate"  # the bank wants to ask the customer
    OURS = "ours"  # no card's answer: the request itself was refused


RETRY_AFTER_DAYS = (1, 2, 2, 2)
"""Days from one unsuccessful try to the next: on days 1, 3, 5 and 7 after the first, no more."""

MOST_RETRIES = len(RETRY_AFTER_DAYS)

_NEVER = frozenset(
    """
    do_not_try_again fraudulent lost_card merchant_blacklist pickup_card restricted_card
    revocation_of_all_authorizations revocation_of_authorization security_violation
    stolen_card stop_payment_order
    """.split()  # noqa: SIM905
)
_NEW_CARD = frozenset(
    """
    card_not_supported currency_not_supported expired_card incorrect_cvc incorrect_number
    incorrect_pin incorrect_zip invalid_account invalid_cvc invalid_expiry_month
    invalid_expiry_year invalid_number invalid_pin new_account_information_available
    not_permitted offline_pin_required online_or_offline_pin_required pin_try_exceeded
    service_not_allowed testmode_decline transaction_not_allowed
    """.split()  # noqa: SIM905
)
_AUTHENTICATE = frozenset({"authentication_required", "authentication_not_handled"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for a try that took no money, in Stripe's words; empty where it said none."""

    code: str
    decline_code: str = ""
    advice_code: str = ""
    declined: bool = True  # by a bank or Stripe's own rules (402), not for how it was asked (400)


@dataclass(frozen=True, slots=True)
class Try:
    """One try of an invoice: the card, and the day on which it was sent."""

    card: str
    day: date


def verdict(answer: Answer) -> Verdict:
    """What the answer allows. Advice not to try again outweighs everything; an unknown decline may
    be tried again, because most banks say no more than that."""
    if not answer.declined:
        return Verdict.OURS
    said = {answer.code, answer.decline_code} - {""}
    if answer.advice_code == "do_not_try_again" or said & _NEVER:
        return Verdict.NEVER
    if said & _AUTHENTICATE:
        return Verdict.AUTHENTICATE
    if answer.advice_code == "confirm_card_data" or said & _NEW_CARD:
        return Verdict.NEW_CARD
    return Verdict.LATER


def next_try(tries: Sequence[Try], card: str) -> date | None:
    """The day of the next try of this card after these, all without success; None if the plan is
    used up. Before the first, any day is right: `date.min`."""
    days = sorted(each.day for each in tries if each.card == card)
    if not days:
        return date.min
    if len(days) > MOST_RETRIES:
        return None
    return days[-1] + timedelta(days=RETRY_AFTER_DAYS[len(days) - 1])


def may_try(tries: Sequence[Try], card: str, today: date) -> bool:
    """Whether a person may have this card tried today, ahead of the plan: not on a day on which it
    was tried already, and not more often than the plan would."""
    days = [each.day for each in tries if each.card == card]
    return len(days) <= MOST_RETRIES and all(day < today for day in days)


def card_has_expired(exp_month: int, exp_year: int, today: date) -> bool:
    """A card is good until the last day of its month."""
    return (exp_year, exp_month) < (today.year, today.month)
