"""Cards and bank accounts kept the old way: as sources of a customer.

Kept for integrations that still have them; new ones use payment methods. A kept card can also be
used as a payment method, under its own id.
"""

from typing import Any

from reconciler.simulator.kernel import refusals
from reconciler.simulator.kernel.form import merged
from reconciler.simulator.kernel.pages import page
from reconciler.simulator.kernel.refusals import refused
from reconciler.simulator.kernel.world import Call, Json
from reconciler.simulator.objects.methods import (
    cards,
    method_shapes,
    methods,
    source_objects,
    tokens,
)
from reconciler.simulator.objects.notices import events

_KIND = source_objects.KIND
_CARD_TEXTS = (
    "address_city",
    "address_country",
    "address_line1",
    "address_line2",
    "address_state",
    "address_zip",
    "name",
)
_DEPOSITS = ["32", "45"]
PARAMETERS = "bank_account card metadata source validate"
CHANGES = (
    f"{' '.join(_CARD_TEXTS)} account_holder_name account_holder_type exp_month exp_year metadata"
)
"""What these operations take: they are not in the part of Stripe's schema that is kept here."""


def create(call: Call) -> Json:
    customer = call.book.get("customer", call.path["id"])
    given = call.form.values.get("source") or call.form.values.get("card")
    given = given or call.form.values.get("bank_account")
    if not given:
        raise refusals.missing_parameter("source")
    kept = judged(call, given, "source")
    kept["metadata"] = merged({}, call.form.metadata())
    keep(call, customer, kept)
    events.emit(call, "customer.source.created", kept)
    if customer["default_source"] is None:
        events.amend(call, customer, {"default_source": kept["id"]}, "customer.updated")
    return kept


def judged(call: Call, given: Any, param: str) -> Json:
    """The card or account of a token, or of plain details, if its bank lets it be kept."""
    if isinstance(given, dict):
        kind = given.get("object") or ("card" if "number" in given else "bank_account")
        token = tokens.create(
            call.asking(**{kind: {k: v for k, v in given.items() if k != "object"}})
        )
        given = token["id"]
    if str(given).startswith("pm_"):
        raise refused(
            "You cannot use a PaymentMethod as a source for Customers. Instead, use the "
            "PaymentMethods API to Attach a Customer to a PaymentMethod. See "
            "https://stripe.com/docs/api/payment_methods/attach",
            None,
            param,
        )
    if str(given).startswith("src_"):
        return _source(call, str(given), param)
    token = tokens.spend(call, str(given), param)
    found = token.get("card") or token.get("bank_account")
    if found is None:
        raise refusals.no_such("token", str(given), param)
    kept: Json = dict(found)
    if kept["object"] == "card" and cards.card_of(kept).declines_saving:
        raise methods.declined(kept)
    return kept


def _source(call: Call, given: str, param: str) -> Json:
    source = source_objects.stored(call, given, param)
    source_objects.check_usable(source, None)
    if source["type"] == "card" and cards.card_of(source).declines_saving:
        raise methods.declined(source)
    return source


def keep(call: Call, customer: Json, kept: Json) -> Json:
    kept["customer"] = customer["id"]
    if kept["object"] == "source":
        return _keep_source(call, customer, kept)
    if kept["object"] == "card" and kept["cvc_check"] == "unchecked":
        kept["cvc_check"] = cards.card_of(kept).cvc
    call.world.put(call.book, _KIND, kept)
    call.book.belong(customer["id"], "sources", kept["id"])
    if kept["object"] == "card":
        methods.of_source(call, kept)
    return kept


def _keep_source(call: Call, customer: Json, source: Json) -> Json:
    if source["type"] == "card" and source["card"]["cvc_check"] == "unchecked":
        source["card"]["cvc_check"] = cards.card_of(source).cvc
    call.book.belong(customer["id"], "sources", source["id"])
    source_objects.as_method(call, source)
    return source


def of_customer(call: Call, customer: Json) -> list[Json]:
    return call.book.belonging(customer["id"], "sources", _KIND)


def retrieve(call: Call) -> Json:
    return _own(call)


def listing(call: Call) -> Json:
    """Newest first; `object` may ask for cards or bank accounts only."""
    customer = call.book.get("customer", call.path["id"])
    every = {"card", "bank_account", "source"}
    kinds = every & {call.form.text("object") or ""} or every
    return page(
        call,
        call.book.shelf(_KIND),
        windows=(),
        keep=lambda row: row.get("customer") == customer["id"] and row["object"] in kinds,
    )


def update(call: Call) -> Json:
    kept, form = _own(call), call.form
    changes: Json = {"metadata": merged(kept["metadata"], form.metadata())}
    texts = ("account_holder_name", "account_holder_type")
    for name in _CARD_TEXTS if kept["object"] == "card" else texts:
        if name in form:
            changes[name] = form.text(name)
    if kept["object"] == "card":
        month = form.integer("exp_month") or kept["exp_month"]
        year = form.integer("exp_year") or kept["exp_year"]
        month, year = method_shapes.judged_expiry(call, month, year)
        changes.update(exp_month=month, exp_year=year)
    events.amend(call, kept, changes, "customer.source.updated")
    if kept["object"] == "card":
        method = methods.of_source(call, kept)
        method["card"].update(exp_month=kept["exp_month"], exp_year=kept["exp_year"])
    return kept


def verify(call: Call) -> Json:
    """A bank account is verified by the two small amounts that were sent to it."""
    kept = _own(call)
    if kept["object"] != "bank_account":
        raise refusals.no_such("bank_account", kept["id"])
    if call.form.texts("amounts") != _DEPOSITS:
        raise refused(
            "The amounts provided do not match the amounts that we sent to the bank account."
        )
    events.amend(call, kept, {"status": "verified"}, "customer.source.updated")
    return kept


def delete(call: Call) -> Json:
    customer = call.book.get("customer", call.path["id"])
    kept = _own(call)
    drop(call, customer, kept)
    rest = of_customer(call, customer)
    if customer["default_source"] == kept["id"]:
        default = rest[-1]["id"] if rest else None
        events.amend(call, customer, {"default_source": default}, "customer.updated")
    return {"id": kept["id"], "object": kept["object"], "deleted": True}


def drop(call: Call, customer: Json, kept: Json) -> None:
    call.book.children[f"{customer['id']}/sources"].remove(kept["id"])
    del call.book.shelf(_KIND)[kept["id"]]
    if call.book.shelf("payment_method").pop(kept["id"], None) is not None:
        call.book.children[f"{customer['id']}/payment_methods"].remove(kept["id"])
    gone: Json = {"id": kept["id"], "object": kept["object"], "deleted": True}
    call.world.put(call.book, "deleted_source", gone)
    events.emit(call, "customer.source.deleted", kept)


def _own(call: Call) -> Json:
    customer = call.book.get("customer", call.path["id"])
    kept = call.book.shelf(_KIND).get(call.path["source"])
    if kept is None or kept.get("customer") != customer["id"]:
        raise refusals.no_such("source", call.path["source"])
    return kept
