"""Tokens: a card, a bank account or an account's details, sent ahead and used once."""

import re
from typing import Any

from reconciler.simulator.kernel import refusals
from reconciler.simulator.kernel.refusals import refused
from reconciler.simulator.kernel.world import Call, Json
from reconciler.simulator.objects.methods import cards, method_shapes

_PREFIXES = {
    "account": "ct",
    "bank_account": "btok",
    "card": "tok",
    "cvc_update": "cvctok",
    "person": "cpt",
    "pii": "pii",
}
PARAMETERS = f"{' '.join(_PREFIXES)} customer"
"""What a creation takes: it is not in the part of Stripe's schema that is kept here."""


def create(call: Call) -> Json:
    kinds = [kind for kind in _PREFIXES if kind in call.form]
    if len(kinds) != 1:
        raise refused(
            "You must supply either a card, customer, bank account, PII data, account, person, or "
            "CVC update details to create a token."
        )
    kind = kinds[0]
    inside: Json = {}
    if kind == "card":
        name, shape = method_shapes.of_card(call, call.form.mapping("card"))
        inside["card"] = legacy_card(call, name, shape, call.form.mapping("card"))
    elif kind == "bank_account":
        inside["bank_account"] = bank_account(call, call.form.mapping("bank_account"))
    else:
        inside[f"_{kind}"] = dict(call.form.mapping(kind))
    return _put(call, kind, inside)


def retrieve(call: Call) -> Json:
    """A test name in the path makes a new one."""
    return _of_test_name(call, call.path["id"]) or call.book.get("token", call.path["id"])


def spend(call: Call, given: str, param: str) -> Json:
    """The token of this id, used up from now on; a test name such as `tok_visa` makes a new one."""
    token = _of_test_name(call, given)
    if token is None and given in ("btok_us_verified", "btok_us"):
        token = _put(call, "bank_account", {"bank_account": bank_account(call, _US_ACCOUNT)})
        verified = given == "btok_us_verified"
        token["bank_account"]["status"] = "verified" if verified else "new"
    token = token or call.book.shelf("token").get(given) or _none(given, param)
    if token["used"]:
        raise refused(
            f"You cannot use a Stripe token more than once: {given}.", "token_already_used", param
        )
    token["used"] = True
    return token


def _of_test_name(call: Call, given: str) -> Json | None:
    """A new token of the card that `tok_visa` and its like stand for. Nobody's browser made it."""
    name = cards.named(given) if given.startswith("tok_") else None
    if name is None:
        return None
    shape = method_shapes.of_name(call, name)
    token = _put(call, "card", {"card": legacy_card(call, name, shape, {})})
    token["client_ip"] = None
    return token


def _none(given: str, param: str) -> Json:
    raise refusals.no_such("token", given, param)


_US_ACCOUNT = {
    "account_holder_name": "Jane Austen",
    "account_holder_type": "individual",
    "account_number": "000123456789",
    "country": "US",
    "currency": "usd",
    "routing_number": "110000000",
}


def _put(call: Call, kind: str, inside: Json) -> Json:
    token: Json = {
        "id": call.world.ids.new(_PREFIXES[kind]),
        "object": "token",
        "client_ip": "0.0.0.0",  # noqa: S104 - what Stripe shows of a server of one's own
        "created": call.now,
        "livemode": False,
        "type": kind,
        "used": False,
        **inside,
    }
    return call.world.put(call.book, "token", token)


_BRANDS = {
    "amex": "American Express",
    "diners": "Diners Club",
    "discover": "Discover",
    "jcb": "JCB",
    "mastercard": "MasterCard",
    "unionpay": "UnionPay",
    "visa": "Visa",
}


def legacy_card(call: Call, name: str, shape: Json, given: Json) -> Json:
    """A card as tokens and sources show it."""
    card = cards.behaviour(name)
    zip_, line1 = given.get("address_zip"), given.get("address_line1")
    return {
        "id": call.world.ids.new("card"),
        "object": "card",
        "_card": name,
        "address_city": given.get("address_city"),
        "address_country": given.get("address_country"),
        "address_line1": line1,
        "address_line1_check": "unchecked" if line1 else None,
        "address_line2": given.get("address_line2"),
        "address_state": given.get("address_state"),
        "address_zip": zip_,
        "address_zip_check": "unchecked" if zip_ else None,
        "brand": _BRANDS[card.brand],
        "country": card.country,
        "cvc_check": shape["checks"]["cvc_check"],
        "dynamic_last4": None,
        "exp_month": shape["exp_month"],
        "exp_year": shape["exp_year"],
        "fingerprint": shape["fingerprint"],
        "funding": card.funding,
        "last4": card.last4,
        "metadata": {},
        "name": str(given["name"]) if given.get("name") else None,
        "networks": {"preferred": None},
        "regulated_status": "unregulated",
        "tokenization_method": None,
        "wallet": None,
    }


def bank_account(call: Call, given: Json) -> Json:
    """A bank account as tokens show it; the number itself is only noted."""
    for needed in ("country", "account_number"):
        if not given.get(needed):
            raise refusals.missing_parameter(f"bank_account[{needed}]")
    number = re.sub(r"\s", "", str(given["account_number"]))
    account: dict[str, Any] = {
        "id": call.world.ids.new("ba"),
        "object": "bank_account",
        "_account_number": number,
        "account_holder_name": given.get("account_holder_name"),
        "account_holder_type": given.get("account_holder_type"),
        "account_type": given.get("account_type"),
        "bank_name": "STRIPE TEST BANK",
        "country": str(given["country"]).upper(),
        "currency": str(given.get("currency") or "usd").lower(),
        "fingerprint": cards.fingerprint(call.book.id, number),
        "last4": number[-4:],
        "routing_number": given.get("routing_number") or "110000000",
        "status": "new",
    }
    return account
