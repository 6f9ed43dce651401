"""What each kind of payment method shows of itself, from what was given of it.

Numbers end here: of a card or a bank account, four digits and the name of its behaviour go on.
"""

import re
from datetime import UTC, datetime
from typing import Any

from reconciler.simulator.kernel import refusals
from reconciler.simulator.kernel.form import whole
from reconciler.simulator.kernel.refusals import Refusal
from reconciler.simulator.kernel.world import Call, Json
from reconciler.simulator.objects.methods import cards

# Of an IBAN after its four first signs: how long the code of the bank is, and of the branch.
_BANK_CODES = {
    "AT": (0, 5, 0),
    "BE": (0, 3, 0),
    "CH": (0, 5, 0),
    "DE": (0, 8, 0),
    "EE": (0, 2, 2),
    "ES": (0, 4, 4),
    "FI": (0, 6, 0),
    "FR": (0, 5, 5),
    "GB": (0, 4, 6),
    "GI": (0, 4, 0),
    "HR": (0, 7, 0),
    "IE": (0, 4, 6),
    "IT": (1, 5, 5),
    "LI": (0, 5, 0),
    "LT": (0, 5, 0),
    "LU": (0, 3, 0),
    "NL": (0, 4, 0),
    "NO": (0, 4, 0),
    "PT": (0, 4, 4),
    "SE": (0, 3, 0),
}


# Some time in 2023, test cards that are known by a name got security codes.
_CODES_SINCE = 1_688_169_600


def of_name(call: Call, name: str) -> Json:
    """The shape of a test payment method that is known by its name."""
    card = cards.behaviour(name)
    if card.kind == "card":
        checked = "unchecked" if call.now >= _CODES_SINCE else None
        return _card(call, name, *_next_year(call), cvc=checked)
    if card.kind == "sepa_debit":
        return _sepa(call, name, card.country, "", "")
    if card.kind == "us_bank_account":
        return _us_bank(call, name, {})
    return {}


def of_card(call: Call, given: Json, param: str = "card") -> tuple[str, Json]:
    """Behaviour and shape of a card given by its number, judged as the card form does."""
    for needed in ("number", "exp_month", "exp_year"):
        if not given.get(needed):
            raise refusals.missing_parameter(f"{param}[{needed}]")
    name = _known_number(re.sub(r"[\s-]", "", str(given["number"])))
    month, year = _expiry(call, given, param)
    cvc = given.get("cvc")
    if cvc and not re.fullmatch(r"\d{3,4}", str(cvc), re.ASCII):
        raise _mistake("Your card's security code is invalid.", "invalid_cvc", "cvc")
    shape = _card(call, name, month, year, cvc="unchecked" if cvc else None)
    shape["networks"].update(given.get("networks") or {})
    return name, shape


def of_iban(call: Call, given: Json) -> tuple[str, Json]:
    iban = re.sub(r"\s", "", str(given.get("iban") or "")).upper()
    if not iban:
        raise refusals.missing_parameter("sepa_debit[iban]")
    name = cards.account_named(iban)
    if name is None:
        raise refusals.refused(
            "The IBAN you provided is invalid.", "invalid_bank_account_iban", "sepa_debit[iban]"
        )
    before, bank, branch = _BANK_CODES.get(iban[:2], (0, 4, 0))
    code = iban[4 + before :][: bank + branch]
    return name, _sepa(call, name, iban[:2], code[:bank], code[bank:])


def of_us_account(call: Call, given: Json) -> tuple[str, Json]:
    for needed in ("account_number", "routing_number"):
        if not given.get(needed):
            raise refusals.missing_parameter(f"us_bank_account[{needed}]")
    name = cards.account_named(f"{given['routing_number']}/{given['account_number']}")
    if name is None:
        raise refusals.refused(
            "You must use a test bank account number in test mode. Try 000123456789 or see more "
            "options at https://stripe.com/docs/connect/testing#account-numbers.",
            "account_number_invalid",
            "us_bank_account[account_number]",
        )
    return name, _us_bank(call, name, given)


# What a kind without numbers shows of itself; null unless it was given.
_SHOWN = {
    "cashapp": ("buyer_id", "cashtag"),
    "eps": ("bank",),
    "fpx": ("bank",),
    "ideal": ("bank", "bic"),
    "link": ("email",),
    "naver_pay": ("buyer_id", "funding"),
    "p24": ("bank",),
    "paypal": ("country", "payer_email", "payer_id"),
    "sofort": ("country",),
}


def of_kind(kind: str, given: Json) -> Json:
    """The shape of what has no number at all."""
    shape: Json = {name: given.get(name) for name in _SHOWN.get(kind, ())}
    if kind == "naver_pay":
        shape["funding"] = shape["funding"] or "card"
    return shape


def billing(given: Json, before: Json | None = None) -> Json:
    """Billing details after what was given of them."""
    details = before or cards.blank_billing()
    address = {**details["address"], **{k: v or None for k, v in _mapping(given, "address")}}
    plain = {k: v or None for k, v in given.items() if k != "address"}
    return {**details, **plain, "address": address}


def _mapping(given: Json, name: str) -> Any:
    inner = given.get(name)
    return inner.items() if isinstance(inner, dict) else ()


def _known_number(number: str) -> str:
    name = cards.number_named(number)
    if name is not None:
        return name
    if not re.fullmatch(r"\d{12,19}", number, re.ASCII) or not _sums_up(number):
        raise _mistake("Your card number is incorrect.", "incorrect_number", "number")
    raise Refusal(
        "card",
        "Your card was declined. Your request was in test mode, but used a non test (live) card. "
        "For a list of valid test cards, visit: https://stripe.com/docs/testing.",
        code="card_declined",
        decline_code="test_mode_live_card",
    )


def _sums_up(number: str) -> bool:
    """The check digit of every card number."""
    digits = [int(digit) for digit in reversed(number)]
    doubled = [sum(divmod(digit * 2, 10)) for digit in digits[1::2]]
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0


def _expiry(call: Call, given: Json, param: str) -> tuple[int, int]:
    month = whole(f"{param}[exp_month]", given["exp_month"]) or 0
    year = whole(f"{param}[exp_year]", given["exp_year"]) or 0
    return judged_expiry(call, month, year)


def judged_expiry(call: Call, month: int, year: int) -> tuple[int, int]:
    """Month and full year, if a card can still be valid then."""
    today = datetime.fromtimestamp(call.now, UTC)
    year = year + 2000 if 0 <= year < 100 else year
    if not 1 <= month <= 12:
        raise _mistake(
            "Your card's expiration month is invalid.", "invalid_expiry_month", "exp_month"
        )
    if not today.year <= year <= today.year + 50:
        raise _mistake("Your card's expiration year is invalid.", "invalid_expiry_year", "exp_year")
    if (year, month) < (today.year, today.month):
        raise _mistake(
            "Your card's expiration month is invalid.", "invalid_expiry_month", "exp_month"
        )
    return month, year


def _mistake(message: str, code: str, param: str) -> Refusal:
    return Refusal("card", message, code=code, param=param)


def _next_year(call: Call) -> tuple[int, int]:
    """When the cards of Stripe's own making expire: in a year."""
    today = datetime.fromtimestamp(call.now, UTC)
    return today.month, today.year + 1


def _card(call: Call, name: str, month: int, year: int, cvc: str | None) -> Json:
    card = cards.behaviour(name)
    networks = [card.brand]
    if name.endswith("cartesBancaires"):
        networks = ["cartes_bancaires", card.brand]
    return {
        "brand": card.brand,
        "checks": {
            "address_line1_check": None,
            "address_postal_code_check": None,
            "cvc_check": cvc,
        },
        "country": card.country,
        "display_brand": "american_express" if card.brand == "amex" else card.brand,
        "exp_month": month,
        "exp_year": year,
        "fingerprint": cards.fingerprint(call.book.id, name),
        "funding": card.funding,
        "generated_from": None,
        "last4": card.last4,
        "networks": {"available": networks, "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": not name.endswith("threeDSecureNotSupported")},
        "wallet": None,
    }


def _sepa(call: Call, name: str, country: str, bank: str, branch: str) -> Json:
    return {
        "bank_code": bank or None,
        "branch_code": branch,
        "country": country,
        "fingerprint": cards.fingerprint(call.book.id, name),
        "generated_from": {"charge": None, "setup_attempt": None},
        "last4": cards.behaviour(name).last4,
    }


def _us_bank(call: Call, name: str, given: Json) -> Json:
    return {
        "account_holder_type": given.get("account_holder_type") or "individual",
        "account_type": given.get("account_type") or "checking",
        "bank_name": "STRIPE TEST BANK",
        "financial_connections_account": None,
        "fingerprint": cards.fingerprint(call.book.id, name),
        "last4": cards.behaviour(name).last4,
        "networks": {"preferred": "ach", "supported": ["ach"]},
        "routing_number": given.get("routing_number") or "110000000",
        "status_details": {},
    }
