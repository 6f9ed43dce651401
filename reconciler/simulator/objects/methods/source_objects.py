"""Sources: a card or a bank account on its way to being charged, as integrations before payment
methods made them.

Cards and SEPA debits only: others lead their customers away first. Once a customer has one it is
kept with that customer's cards, see `sources`.
"""

import re

from reconciler.simulator.kernel import refusals
from reconciler.simulator.kernel.form import merged
from reconciler.simulator.kernel.refusals import Refusal, refused
from reconciler.simulator.kernel.world import Call, Json
from reconciler.simulator.objects.methods import cards, method_making, method_shapes, tokens
from reconciler.simulator.objects.notices import events

KIND = "customer_source"
"""The shelf that sources share with the cards and accounts of customers."""

PARAMETERS = (
    "amount card currency flow mandate metadata original_source owner receiver redirect "
    "sepa_debit source_order statement_descriptor token type usage"
)
CHANGES = "amount mandate metadata owner source_order"
"""What these operations take: they are not in the part of Stripe's schema that is kept here."""

_OWNER = ("address", "email", "name", "phone")
_VERIFIED = ("verified_address", "verified_email", "verified_name", "verified_phone")
_CARD = (
    "address_line1_check",
    "address_zip_check",
    "brand",
    "country",
    "cvc_check",
    "dynamic_last4",
    "exp_month",
    "exp_year",
    "fingerprint",
    "funding",
    "last4",
    "name",
    "tokenization_method",
)
_ALWAYS_ASKS = ("always", "required")


def create(call: Call) -> Json:
    kind = call.form.needed("type")
    if kind not in _MAKERS:
        raise refused(f"This simulator has no sources of type `{kind}`.", param="type")
    source = _MAKERS[kind](call, _blank(call, kind))
    call.world.put(call.book, KIND, source)
    events.emit(call, "source.chargeable", source)
    return source


def retrieve(call: Call) -> Json:
    return stored(call, call.path["id"])


def update(call: Call) -> Json:
    source, form = stored(call, call.path["id"]), call.form
    source["metadata"] = merged(source["metadata"], form.metadata())
    if form.mapping("owner"):
        source["owner"] = _owner(form.mapping("owner"), source["owner"])
    if "amount" in form:
        source["amount"] = form.integer("amount")
    return source


def stored(call: Call, given: str, param: str = "id") -> Json:
    found = call.book.shelf(KIND).get(given)
    if found is None or found["object"] != "source":
        missing = "missing" if param == "id" else "invalid_request"
        message = f"No such source: '{given}'"
        raise Refusal(missing, message, code="resource_missing", param=param)
    return found


def check_usable(source: Json, holder: str | None) -> None:
    """Refuse a source that is used up, or somebody else's."""
    if source["status"] != "chargeable":
        raise refused(
            "The source you provided is not in a chargeable state.",
            "payment_method_unactivated" if source["status"] == "pending" else None,
            "source",
        )
    if source.get("customer") not in (None, holder):
        message = f"Customer {holder} does not have a linked source with ID {source['id']}."
        raise refused(message, "missing", "source")


def as_method(call: Call, source: Json) -> Json:
    """The payment method that a source also is, under its own id."""
    kind = source["type"]
    shelf = call.book.shelf("payment_method")
    if source["id"] not in shelf:
        shape = _shape(call, source)
        method = method_making.under_id(call, source["_card"], shape, source["id"])
        owner = source["owner"]
        given = {name: owner[name] or "" for name in ("email", "name", "phone")}
        given["address"] = owner["address"] or {}
        shelf[source["id"]] = {**method, "billing_details": method_shapes.billing(given)}
    method = shelf[source["id"]]
    if source.get("customer") and method["customer"] is None:
        method["customer"] = source["customer"]
        call.book.belong(source["customer"], "payment_methods", source["id"])
    if kind == "card":
        method["card"]["checks"]["cvc_check"] = source["card"]["cvc_check"]
    return method


def spent(source: Json) -> None:
    """It was charged: one made for a single use is used up."""
    if source["usage"] == "single_use":
        source["status"] = "consumed"


def _shape(call: Call, source: Json) -> Json:
    shape = method_shapes.of_name(call, source["_card"])
    inside = source[source["type"]]
    if source["type"] == "card":
        return {**shape, "exp_month": inside["exp_month"], "exp_year": inside["exp_year"]}
    shown = {name: inside[name] for name in ("bank_code", "branch_code", "country", "last4")}
    return {**shape, **shown}


def _blank(call: Call, kind: str) -> Json:
    form = call.form
    secret = call.world.ids.new("src_client_secret")
    return {
        "id": call.world.ids.new("src"),
        "object": "source",
        "amount": form.integer("amount"),
        "client_secret": secret,
        "created": call.now,
        "currency": form.text("currency"),
        "flow": "none",
        "livemode": False,
        "metadata": merged({}, form.metadata()),
        "owner": _owner(form.mapping("owner"), dict.fromkeys((*_OWNER, *_VERIFIED))),
        "statement_descriptor": form.text("statement_descriptor"),
        "status": "chargeable",
        "type": kind,
        "usage": form.text("usage") or "reusable",
    }


def _owner(given: Json, before: Json) -> Json:
    known = {name: given[name] or None for name in _OWNER[1:] if name in given}
    address = given.get("address")
    if isinstance(address, dict):
        known["address"] = method_shapes.billing({"address": address})["address"]
    return {**before, **known}


def _sorted(source: Json) -> Json:
    """Its fields in their places, `id` and `object` first."""
    first = {name: source.pop(name) for name in ("id", "object")}
    return {**first, **dict(sorted(source.items()))}


def _card(call: Call, source: Json) -> Json:
    given = call.form.values.get("token") or call.form.values.get("card")
    if isinstance(given, dict):
        given = tokens.create(call.asking(card=given))["id"]
    if not given:
        raise refusals.missing_parameter("token")
    card = tokens.spend(call, str(given), "token").get("card")
    if card is None:
        raise refused("The token provided is not that of a card.", param="token")
    secure = "required" if cards.card_of(card).authentication in _ALWAYS_ASKS else "optional"
    if card["_card"].endswith("threeDSecureNotSupported"):
        secure = "not_supported"
    shown = {**{name: card[name] for name in _CARD}, "three_d_secure": secure}
    source["owner"]["name"] = source["owner"]["name"] or card["name"]
    return _sorted({**source, "_card": card["_card"], "card": dict(sorted(shown.items()))})


def _sepa_debit(call: Call, source: Json) -> Json:
    iban, holder = _account(call)
    name, shape = method_shapes.of_iban(call, {"iban": iban})
    owner = source["owner"]
    owner["name"] = owner["name"] or holder
    address = owner["address"] or method_shapes.billing({})["address"]
    owner["address"] = {**address, "country": address["country"] or shape["country"]}
    # A mandate of a source is only a number and an address; it is part of the source.
    reference = call.world.ids.new("sepa_reference")[-16:].upper()
    address_of_mandate = (
        f"https://hooks.stripe.com/adapter/sepa_debit/file/{source['id']}/{source['client_secret']}"
    )
    shown = {
        "bank_code": shape["bank_code"],
        "branch_code": shape["branch_code"] or None,
        "country": shape["country"],
        "fingerprint": shape["fingerprint"],
        "last4": shape["last4"],
        "mandate_reference": reference,
        "mandate_url": address_of_mandate,
    }
    source.update(_card=name, currency=source["currency"] or "eur", sepa_debit=shown)
    source["mandate"] = _mandate(reference, address_of_mandate)
    return _sorted(source)


def _mandate(reference: str, url: str) -> Json:
    nothing = ("date", "ip", "offline", "online", "status", "type", "user_agent")
    return {
        "acceptance": {**dict.fromkeys(nothing), "status": "pending"},
        "amount": None,
        "currency": None,
        "interval": "variable",
        "notification_method": "none",
        "reference": reference,
        "url": url,
    }


def _account(call: Call) -> tuple[str, str | None]:
    """The IBAN of the form, or of its token, and whose account it is."""
    token = call.form.text("token")
    if token is None:
        return re.sub(r"\s", "", str(call.form.mapping("sepa_debit").get("iban") or "")), None
    account = tokens.spend(call, token, "token").get("bank_account")
    if account is None:
        raise refused("The token provided is not that of a bank account.", param="token")
    return account["_account_number"], account["account_holder_name"]


_MAKERS = {"card": _card, "sepa_debit": _sepa_debit}
