"""Reading the tables of test payment methods: what one of them makes happen.

An unknown `pm_card_…` is refused elsewhere, never treated as good. Nothing is stored here.
"""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from reconciler.simulator.objects.methods.bank_numbers import ACCOUNTS, BANKS
from reconciler.simulator.objects.methods.behaviours import Card as Card
from reconciler.simulator.objects.methods.card_numbers import CARDS as CARDS
from reconciler.simulator.objects.methods.card_numbers import NUMBERED, NUMBERS

# What has no numbers to choose a behaviour by. Most send the customer to a page of their bank.
_KINDS: dict[str, Card] = {
    "customer_balance": Card("", brand="", kind="customer_balance", settles="later", wait=""),
    "link": Card("", brand="", kind="link"),
    **{
        f"{kind}_on_a_page": Card("", brand="", kind=kind, authentication="always")
        for kind in (
            "affirm",
            "afterpay_clearpay",
            "alipay",
            "alma",
            "amazon_pay",
            "bancontact",
            "blik",
            "cashapp",
            "eps",
            "fpx",
            "giropay",
            "grabpay",
            "ideal",
            "kakao_pay",
            "klarna",
            "mb_way",
            "mobilepay",
            "multibanco",
            "naver_pay",
            "p24",
            "pay_by_bank",
            "paypal",
            "payco",
            "paynow",
            "promptpay",
            "revolut_pay",
            "samsung_pay",
            "satispay",
            "sofort",
            "swish",
            "twint",
            "wechat_pay",
            "zip",
        )
    },
}

_ALL = {**_KINDS, **BANKS, **NUMBERED, **CARDS}
_BY_KIND = {card.kind: name for name, card in _KINDS.items()}

MESSAGES = {
    "authentication_required": "Your card was declined. This transaction requires authentication.",
    "card_declined": "Your card was declined.",
    "expired_card": "Your card has expired.",
    "processing_error": "An error occurred while processing your card. Try again in a little bit.",
    "incorrect_cvc": "Your card's security code is incorrect.",
    "insufficient_funds": "Your card has insufficient funds.",
    "card_velocity_exceeded": (
        "Your card was declined for making repeated attempts too frequently or exceeding its "
        "amount limit."
    ),
}
"""What the customer is told, by decline code where there is a text of its own, else by code."""

DEBIT_MESSAGES = {
    "account_closed": "The customer's bank account has been closed.",
    "charge_exceeds_source_limit": (
        "This payment exceeds the payment volume limit of the customer's bank account."
    ),
    "charge_exceeds_weekly_limit": "This payment exceeds the weekly limit of transactions.",
    "debit_not_authorized": (
        "The customer has notified their bank that this payment was unauthorized."
    ),
    "generic_could_not_process": "The payment could not be processed by the customer's bank.",
    "insufficient_funds": "The customer's account has insufficient funds to cover this payment.",
    "invalid_currency": "The bank was unable to process this payment because of its currency.",
    "no_account": "The customer's bank account could not be located.",
}
"""Why a debit came back, by failure code."""


def named(given: str) -> str | None:
    """The behaviour that a test id stands for: `pm_card_…`, `pm_usBankAccount_…`, `tok_…`."""
    if given.startswith("tok_"):
        given = f"pm_card_{given.removeprefix('tok_')}"
    return given if given.startswith("pm_") and given in _ALL else None


def number_named(number: str) -> str | None:
    """The behaviour of the card with this number."""
    return NUMBERS.get(number)


def account_named(number: str) -> str | None:
    """The behaviour of the bank account with this IBAN, or this `routing/number`."""
    return ACCOUNTS.get(number)


def kind_named(kind: str) -> str | None:
    """The behaviour of what has no number at all: `customer_balance`, `ideal`."""
    return _BY_KIND.get(kind)


def with_last4(last4: str, brand: str) -> str | None:
    """The named card of this brand that ends in these digits."""
    fitting = (name for name, card in CARDS.items() if (card.last4, card.brand) == (last4, brand))
    return next(fitting, None)


def behaviour(name: str) -> Card:
    return _ALL[name]


def card_of(thing: Mapping[str, Any]) -> Card:
    """What a stored payment method, or a charge made with one, makes happen."""
    return _ALL[thing["_card"]]


def message(code: str, decline_code: str | None = None) -> str:
    """What the customer is told of a decline."""
    return MESSAGES.get(decline_code or "") or MESSAGES.get(code) or MESSAGES["card_declined"]


def fingerprint(account: str, name: str) -> str:
    """The same for the same number in one Stripe account, and only there."""
    return blake2b(f"{account}:{name}".encode(), digest_size=8).hexdigest()


def blank_billing() -> dict[str, Any]:
    lines = ("city", "country", "line1", "line2", "postal_code", "state")
    address = dict.fromkeys(lines)
    return {"address": address, "email": None, "name": None, "phone": None, "tax_id": None}
