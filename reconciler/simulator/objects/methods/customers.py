"""Customers: who payments belong to, and what is kept to charge them again.

A deleted customer leaves a stub: it can still be looked at, and nothing else.
"""

import re
from typing import Any

from reconciler.simulator.kernel import refusals, search
from reconciler.simulator.kernel.form import merged
from reconciler.simulator.kernel.pages import page
from reconciler.simulator.kernel.refusals import refused
from reconciler.simulator.kernel.world import Call, Json
from reconciler.simulator.objects.methods import methods, sources
from reconciler.simulator.objects.notices import events
from reconciler.simulator.objects.selling import coupons

_TEXTS = ("description", "email", "name", "phone")
_OPTIONAL_TEXTS = ("business_name", "individual_name")
_DEFAULT = "invoice_settings[default_payment_method]"
_LINES = ("city", "country", "line1", "line2", "postal_code", "state")


def create(call: Call) -> Json:
    customer = _blank(call)
    customer.update(_changes(call, customer))
    coupon, source = call.form.text("coupon"), call.form.text("source")
    if coupon:
        coupons.usable(call, coupon, "coupon")
    method = _to_keep(call)
    default = call.form.mapping("invoice_settings").get("default_payment_method")
    if default and (
        method is None or default not in (method["id"], call.form.text("payment_method"))
    ):
        raise _not_attached(default)
    kept = sources.judged(call, source, "source") if source else None
    call.world.put(call.book, "customer", customer)
    if default and method is not None:
        customer["invoice_settings"]["default_payment_method"] = method["id"]
    if kept is not None:
        customer["default_source"] = sources.keep(call, customer, kept)["id"]
    events.emit(call, "customer.created", customer)
    if kept is not None:
        events.emit(call, "customer.source.created", kept)
    if method is not None:
        methods.attach_to(call, method, customer["id"])
    if coupon:
        coupons.apply(call, customer, coupon)
    return customer


def update(call: Call) -> Json:
    customer = call.book.get("customer", call.path["id"])
    changes, source = _changes(call, customer), call.form.text("source")
    if call.form.text("coupon"):
        coupons.usable(call, call.form.needed("coupon"), "coupon")
    default = call.form.mapping("invoice_settings").get("default_payment_method")
    if default:
        owned = methods.stored(call.book, default, _DEFAULT)
        if owned["customer"] != customer["id"]:
            raise _not_attached(default)
    if "default_source" in call.form:
        changes["default_source"] = _own_source(call, customer)
    kept = sources.judged(call, source, "source") if source else None
    if kept is not None:
        changes["default_source"] = sources.keep(call, customer, kept)["id"]
        events.emit(call, "customer.source.created", kept)
    events.amend(call, customer, changes, "customer.updated")
    if "coupon" in call.form:
        coupons.apply(call, customer, call.form.text("coupon"))
    return customer


def delete(call: Call) -> Json:
    """Everything kept for this customer is let go with it."""
    customer = call.book.get("customer", call.path["id"])
    for source in list(sources.of_customer(call, customer)):
        sources.drop(call, customer, source)
    for method in methods.of_customer(call, customer["id"]):
        methods.detach_from(call, method)
    del call.book.shelf("customer")[customer["id"]]
    stub: Json = {"id": customer["id"], "object": "customer", "deleted": True}
    call.world.put(call.book, "deleted_customer", stub)
    events.emit(call, "customer.deleted", customer)
    return stub


def retrieve(call: Call) -> Json:
    gone: Json | None = call.book.shelf("deleted_customer").get(call.path["id"])
    return gone or call.book.get("customer", call.path["id"])


def listing(call: Call) -> Json:
    return page(call, call.book.shelf("customer"), equal=("email", "test_clock"))


def search_(call: Call) -> Json:
    shelf = call.book.shelf("customer")
    return search.search(call, shelf, "/v1/customers/search", ("email", "name", "phone"))


def _to_keep(call: Call) -> Json | None:
    """The payment method to attach, if it can be."""
    given = call.form.text("payment_method")
    if given is None:
        return None
    method = methods.method_for(call, given)
    methods.check_attachable(method)
    return method


def _not_attached(method: str) -> refusals.Refusal:
    return refused(
        f"The customer does not have a payment method with the ID {method}. The payment method "
        "must be attached to the customer.",
        "resource_missing",
        _DEFAULT,
    )


def _own_source(call: Call, customer: Json) -> str:
    given = call.form.needed("default_source")
    if all(source["id"] != given for source in sources.of_customer(call, customer)):
        raise refusals.no_such("source", given, "default_source")
    return given


def _changes(call: Call, customer: Json) -> Json:
    """What the form says of the customer itself."""
    form = call.form
    for name in ("tax_id_data", "test_clock"):
        if name in form:
            raise refused(f"This simulator has no customers with `{name}`.", param=name)
    changes: Json = {"metadata": merged(customer["metadata"], form.metadata())}
    changes.update({name: form.text(name) for name in _TEXTS if name in form})
    changes.update({name: form.text(name) for name in _OPTIONAL_TEXTS if form.text(name)})
    if "address" in form:
        changes["address"] = _address(form.values["address"], customer["address"])
    if "shipping" in form:
        changes["shipping"] = _shipping(form.values["shipping"], customer["shipping"])
    if "balance" in form:
        changes["balance"] = form.integer("balance") or 0
    if changes.get("balance") and customer["currency"] is None:
        changes["currency"] = call.book.account["default_currency"]
    if "preferred_locales" in form:
        changes["preferred_locales"] = [text for text in form.texts("preferred_locales") if text]
    if "tax_exempt" in form:
        changes["tax_exempt"] = form.text("tax_exempt") or "none"
    if "invoice_prefix" in form:
        changes["invoice_prefix"] = _prefix(call, customer)
    if "next_invoice_sequence" in form:
        changes["next_invoice_sequence"] = form.integer("next_invoice_sequence")
    if "invoice_settings" in form:
        given = form.mapping("invoice_settings")
        before = customer["invoice_settings"]
        changes["invoice_settings"] = {**before, **{k: v or None for k, v in given.items()}}
    return changes


def _prefix(call: Call, customer: Json) -> str:
    given = call.form.needed("invoice_prefix")
    if not re.fullmatch(r"[A-Z0-9]{1,12}", given, re.ASCII):
        raise refused("Invoice number prefix must be 1\u201312 uppercase letters or numbers.")
    for other in call.book.shelf("customer").values():
        if other["invoice_prefix"] == given and other["id"] != customer["id"]:
            raise refused(
                f"This invoice number prefix is taken by customer: {other['id']}. Please enter a "
                "different prefix.",
                param="invoice_prefix",
            )
    return given


def _address(given: Any, before: Json | None) -> Json | None:
    """Line by line: what is not given stays."""
    if not isinstance(given, dict):
        return None
    lines = before or dict.fromkeys(_LINES)
    return {**lines, **{name: value or None for name, value in given.items()}}


def _shipping(given: Any, before: Json | None) -> Json | None:
    if not isinstance(given, dict):
        return None
    known = before or {"address": None, "name": None, "phone": None}
    address = _address(given.get("address") or {}, known["address"])
    plain = {name: given[name] or None for name in ("name", "phone") if name in given}
    return {**known, **plain, "address": address}


def _blank(call: Call) -> Json:
    return {
        "id": call.world.ids.new("cus"),
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": call.now,
        "currency": None,
        "customer_account": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": None,
        "invoice_prefix": call.world.ids.new("invoice_prefix")[-8:].upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": {},
        "name": None,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }
