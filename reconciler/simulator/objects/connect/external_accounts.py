"""External accounts: the bank accounts and debit cards that an account is paid out to.

They are made from tokens or from numbers; Stripe's test numbers say what becomes of payouts to
them. Payouts themselves are made elsewhere.
"""

import re
from typing import Any

from reconciler.simulator.kernel.form import Form, merged
from reconciler.simulator.kernel.pages import page
from reconciler.simulator.kernel.refusals import (
    Refusal,
    missing_parameter,
    no_such,
    not_one_of,
    refused,
    unknown_parameter,
)
from reconciler.simulator.kernel.world import Book, Call, Json
from reconciler.simulator.objects.connect import account_shapes, countries
from reconciler.simulator.objects.connect.account_access import connected, guard_identity
from reconciler.simulator.objects.connect.account_changes import changing
from reconciler.simulator.objects.connect.requirements import external_accounts
from reconciler.simulator.objects.methods import cards, tokens
from reconciler.simulator.objects.notices import events

_TEST_NUMBER = re.compile(
    r"00\d{3,16}|\d{0,4}(1{7}[36]|2{7}7|3{7}5|4{7}0)|1{9}2|11000000000000\d{2}"
)
_IBAN = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}")
_EDITABLE = {
    "bank_account": ("account_holder_name", "account_holder_type", "account_type"),
    "card": (
        *("address_city", "address_country", "address_line1", "address_line2", "address_state"),
        *("address_zip", "exp_month", "exp_year", "name"),
    ),
}


def create(call: Call) -> Json:
    book, form = connected(call), call.form
    guard_identity(book)
    given = form.values.get("external_account") or form.values.get("bank_account")
    if not given:
        raise missing_parameter("external_account")
    metadata, new = form.metadata(), made(call, given)
    with changing(call.at(book)):
        thing = attach(call, book, new, form.flag("default_for_currency"))
        thing["metadata"] = metadata or thing["metadata"]
        events.emit(call.at(book), "account.external_account.created", thing)
    return thing


def listing(call: Call) -> Json:
    book = connected(call)
    kind = call.form.choice("object", ("bank_account", "card"))
    rows = {row["id"]: row for row in external_accounts(book) if kind in (None, row["object"])}
    return page(call, rows, windows=())


def retrieve(call: Call) -> Json:
    return _named(connected(call), call.path["external"])


def update(call: Call) -> Json:
    book, form = connected(call), call.form
    guard_identity(book)
    thing = _named(book, call.path["external"])
    changes, metadata = _changes(form, thing), form.metadata()
    with changing(call.at(book)):
        changes["metadata"] = merged(thing["metadata"], metadata)
        if form.flag("default_for_currency"):
            _stand_down(book, thing["currency"])
            changes["default_for_currency"] = True
        events.amend(call.at(book), thing, changes, "account.external_account.updated")
    return thing


def _changes(form: Form, thing: Json) -> Json:
    """What may be changed of a bank account cannot be of a card, and the other way round."""
    strange = [name for kind in _EDITABLE for name in _EDITABLE[kind] if kind != thing["object"]]
    for name in strange:
        if name in form:
            raise unknown_parameter(name)
    changes: Json = {n: form.text(n) for n in _EDITABLE[thing["object"]] if n in form}
    for name in ("exp_month", "exp_year"):
        if name in changes:
            changes[name] = form.integer(name) or thing[name]
    return changes


def delete(call: Call) -> Json:
    book = connected(call)
    guard_identity(book)
    thing = _named(book, call.path["external"])
    if thing["default_for_currency"] and thing["currency"] == book.account["default_currency"]:
        raise refused(
            "You cannot delete the default external account for your default currency. Please "
            "make another external account the default using the `default_for_currency` param, "
            "and then delete this one."
        )
    with changing(call.at(book)):
        _remove(call, book, thing)
    return {
        "id": thing["id"],
        "object": thing["object"],
        "currency": thing["currency"],
        "deleted": True,
    }


def made(call: Call, given: str | Json) -> Json:
    """An external account from a token or its numbers, belonging to nobody yet."""
    thing = _from_token(call, given) if isinstance(given, str) else _from_numbers(call, given)
    shown = _bank_account(thing) if thing["object"] == "bank_account" else _card(thing)
    return {**shown, "id": call.world.ids.new("ba" if shown["object"] != "card" else "card")}


def attach(call: Call, book: Book, thing: Json, default: bool = False) -> Json:
    """Give an account one more external account. The first of a currency is its default."""
    if default:
        _stand_down(book, thing["currency"])
    others = external_accounts(book)
    alone = all(other["currency"] != thing["currency"] for other in others)
    last = max((other.get("_added", 0) for other in others), default=0)
    owned = {"account": book.id, "default_for_currency": default or alone, "_added": last + 1}
    ordered = dict(sorted({**thing, **owned}.items()))
    named = {"id": ordered.pop("id"), "object": ordered.pop("object")}
    return call.world.put(book, thing["object"], {**named, **ordered})


def replace(call: Call, book: Book, thing: Json) -> None:
    """Make this the default of its currency, in place of the one that was."""
    fresh = attach(call, book, thing)
    for old in external_accounts(book):
        if old["currency"] == fresh["currency"] and old["default_for_currency"] and old != fresh:
            _remove(call, book, old)
    fresh["default_for_currency"] = True
    events.emit(call.at(book), "account.external_account.created", fresh)


def bank_of_tests(call: Call, book: Book, currency: str | None = None) -> Json:
    """A bank account as merchants of a test have one: payouts to it arrive."""
    country = book.account["country"]
    number = "000123456789" if country == "US" else "CH9300762011623852957"
    given = {
        "account_number": number,
        "country": country,
        "currency": currency or book.account["default_currency"],
        "routing_number": "110000000",
    }
    return attach(call, book, made(call, {"object": "bank_account", "_trusted": True, **given}))


# Where they come from.


def _from_token(call: Call, given: str) -> Json:
    if not given.startswith(("btok_", "tok_")):
        raise no_such("token", given, "external_account")
    token = tokens.spend(call, given, "external_account")
    return dict(token.get("bank_account") or token["card"])


def _from_numbers(call: Call, given: Json) -> Json:
    """A bank account or a debit card by its numbers, judged as Stripe does in test mode."""
    kind = given.get("object", "bank_account")
    if kind == "card":
        return dict(tokens.spend(call, _card_token(call, given), "external_account")["card"])
    if kind != "bank_account":
        raise not_one_of("external_account[object]", ("bank_account", "card"))
    for name in ("country", "account_number"):
        if not given.get(name):
            raise missing_parameter(f"external_account[{name}]")
    country = str(given["country"]).upper()
    currency = str(given.get("currency") or countries.currency_of(country) or "usd").lower()
    refusal = None if given.get("_trusted") else _refusal(country, given)
    if refusal is not None:
        raise refusal
    return tokens.bank_account(call, {**given, "country": country, "currency": currency})


def _refusal(country: str, given: Json) -> Refusal | None:
    """Only test numbers are taken, and only whole ones."""
    number = re.sub(r"\s|-", "", str(given["account_number"])).upper()
    routing = re.sub(r"\s|-", "", str(given.get("routing_number") or ""))
    if country == "US" and not re.fullmatch(r"\d{9}", routing):
        return refused(
            "Routing number must have 9 digits",
            "routing_number_invalid",
            "external_account[routing_number]",
        )
    is_iban = _IBAN.fullmatch(number) and number.startswith(country)
    if is_iban or _TEST_NUMBER.fullmatch(number):
        return None
    return refused(
        "You must use a test bank account number in test mode. Try 000123456789 or see more "
        "options at https://stripe.com/docs/connect/testing#account-numbers.",
        "account_number_invalid",
        "external_account[account_number]",
    )


def _card_token(call: Call, given: Json) -> str:
    card: dict[str, Any] = {name: value for name, value in given.items() if name != "object"}
    return str(tokens.create(call.asking(card=card))["id"])


def _bank_account(thing: Json) -> Json:
    """A bank account that payouts can go to."""
    return {
        **thing,
        "available_payout_methods": ["standard"],
        "future_requirements": account_shapes.due_of_external_account(),
        "metadata": {},
        "requirements": account_shapes.due_of_external_account(),
    }


def _card(thing: Json) -> Json:
    """A card that payouts can go to."""
    if cards.behaviour(thing["_card"]).funding != "debit":
        raise refused(
            "The card provided as an external account is not a supported card type. Provide a "
            "non-prepaid debit card instead.",
            "invalid_card_type",
            "external_account",
        )
    return {
        **thing,
        "available_payout_methods": ["standard", "instant"],
        "currency": thing.get("currency") or "usd",
        "status": "new",
    }


# What happens to them.


def _named(book: Book, named: str) -> Json:
    thing = next((t for t in external_accounts(book) if t["id"] == named), None)
    if thing is None:
        raise no_such("external account", named)
    return thing


def _stand_down(book: Book, currency: str) -> None:
    for thing in external_accounts(book):
        if thing["currency"] == currency:
            thing["default_for_currency"] = False


def _remove(call: Call, book: Book, thing: Json) -> None:
    """Payouts that went there still name it, so it is kept, belonging to nobody."""
    events.emit(call.at(book), "account.external_account.deleted", thing)
    thing.update(account=None, default_for_currency=False)
