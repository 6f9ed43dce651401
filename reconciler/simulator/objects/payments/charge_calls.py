"""Charges, as they are asked for: looked at, changed, and made or captured the old way.

A charge made here has no payment intent; otherwise it goes as one that has.
"""

from typing import Any

from reconciler.simulator.kernel import search
from reconciler.simulator.kernel.form import Form, merged
from reconciler.simulator.kernel.pages import page
from reconciler.simulator.kernel.refusals import Refusal, missing_parameter, no_such, refused
from reconciler.simulator.kernel.views import copied
from reconciler.simulator.kernel.world import Call, Json
from reconciler.simulator.objects.balance import transfers
from reconciler.simulator.objects.methods import methods, source_objects, tokens
from reconciler.simulator.objects.notices import events
from reconciler.simulator.objects.payments import (
    charge_details,
    charge_money,
    charges,
    payment_async,
    payment_blank,
    payment_capture,
    payment_confirm,
    payment_rules,
)
from reconciler.simulator.objects.returns import disputes

_DEBITS = ("sepa_debit", "us_bank_account")
_EQUAL = ("payment_intent", "customer", "transfer_group")
_SEARCHED = ("amount", "currency", "customer", "status", "refunded", "disputed", "payment_intent")
_TEXTS = ("customer", "description", "receipt_email", "transfer_group")


def retrieve(call: Call) -> Json:
    return _found(call)[1]


def listing(call: Call) -> Json:
    return page(call, call.book.shelf("charge"), equal=_EQUAL)


def search_(call: Call) -> Json:
    return search.search(call, call.book.shelf("charge"), "/v1/charges/search", _SEARCHED)


def update(call: Call) -> Json:
    there, charge = _found(call)
    form = call.form
    changes: Json = {"metadata": merged(charge["metadata"], form.metadata())}
    changes.update({name: form.text(name) for name in _TEXTS if name in form})
    if "shipping" in form:
        changes["shipping"] = payment_blank.shipping(form.mapping("shipping"))
    if form.mapping("fraud_details"):
        changes["fraud_details"] = {**charge["fraud_details"], **form.mapping("fraud_details")}
    if "customer" in form and charge["customer"] not in (None, changes["customer"]):
        raise refused("You can only set `customer` on a charge that has none.", param="customer")
    events.amend(there, charge, changes, "charge.updated")
    return charge


def _found(call: Call) -> tuple[Call, Json]:
    """The charge, and a call where it lives: a platform also sees what its transfers became."""
    named = call.path["id"]
    charge = call.book.shelf("charge").get(named)
    if charge is not None:
        return call, charge
    elsewhere = transfers.destination_payment(call, named) if call.on_platform else None
    if elsewhere is None:
        message = f"No such charge: '{named}'"
        raise Refusal("missing", message, code="resource_missing", param="id")
    return elsewhere


# The old way: without a payment intent.


def create(call: Call) -> Json:
    form = call.form
    amount, currency = payment_rules.given_amount(form), form.needed("currency").lower()
    method = _method(call)
    about = _as_payment(call, amount, currency, method)
    payment_rules.check_amount(call, amount, currency, [method["type"]])
    charge = charges.attempt(call, about, method)
    charge["payment_intent"] = None
    if method["type"] in _DEBITS:
        # Nobody has looked at it, as is done with payment intents.
        charge["outcome"].update(risk_level="not_assessed")
        charge["outcome"].pop("risk_score")
    _show_source(call, charge, method)
    if charge["status"] == "failed":
        methods.checked(method)
        payment_confirm.show_checks(charge, method)
        events.emit(call, "charge.failed", charge)
        raise _declined(call, charge, method)
    methods.checked(method)
    payment_confirm.show_checks(charge, method)
    if charge["status"] == "pending":
        payment_async.await_bank(call, charge)
        events.emit(call, "charge.pending", charge)
    elif about["capture_method"] == "manual":
        payment_capture.hold(call, charge)
        events.emit(call, "charge.succeeded", charge)
    else:
        charge.update(captured=True, amount_captured=charge["amount"])
        charge_money.book_money(call, charge)
        events.emit(call, "charge.succeeded", charge)
        disputes.follow_card(call, charge)
    return charge


def capture(call: Call) -> Json:
    charge = call.book.shelf("charge").get(call.path["id"])
    if charge is None:
        raise Refusal(
            "missing",
            f"No such charge: '{call.path['id']}'",
            code="resource_missing",
            param="charge",
        )
    amount = call.form.amount() or charge["amount"]
    refusal = _capture_refusal(charge, amount)
    if refusal is not None:
        raise refusal
    before = payment_capture.take(call, charge, amount)
    events.emit(call, "charge.captured", charge, before)
    disputes.follow_card(call, charge)
    return charge


def _capture_refusal(charge: Json, amount: int) -> Refusal | None:
    name = charge["id"]
    if charge["payment_intent"] and not charge["captured"]:
        return refused(
            "This uncaptured Charge was created by a PaymentIntent "
            f"({charge['payment_intent']}). You must capture the PaymentIntent instead. For more "
            "information, see https://stripe.com/docs/payments/place-a-hold-on-a-payment-method",
        )
    if charge["refunded"]:
        return refused(f"Charge {name} has already been refunded.", "charge_already_refunded")
    if charge["captured"]:
        message = f"Charge {name} has already been captured."
        return refused(message, "charge_already_captured")
    if charge["status"] != "succeeded":
        return refused(f"Charge {name} could not be captured because it failed.")
    if amount > charge["amount"]:
        message = "The amount to capture is greater than the authorized amount."
        return refused(message, "amount_too_large", "amount")
    return None


def _as_payment(call: Call, amount: int, currency: str, method: Json) -> Json:
    """The charge to be, described as a payment intent that is not kept."""
    form = call.form
    about = payment_blank.blank(call, amount, currency)
    said = {k: v for k, v in form.values.items() if k not in ("application_fee", "destination")}
    if "application_fee" in form:
        said["application_fee_amount"] = form.values["application_fee"]
    destination: Any = form.values.get("destination")
    if destination:
        named = {"account": destination} if isinstance(destination, str) else destination
        renamed = {"destination": named.get("account"), "amount": named.get("amount")}
        said["transfer_data"] = {k: v for k, v in renamed.items() if v}
    about.update(payment_blank.changes(_with(call, said), about))
    about["customer"] = about["customer"] or method["customer"]
    manual = "capture" in form and not form.flag("capture")
    about.update(capture_method="manual" if manual else "automatic", payment_method_options={})
    if method["type"] == "card" and charge_details.prefix(call, about):
        # Here a descriptor is what comes after the prefix, unless that was given, too.
        suffix = about["statement_descriptor_suffix"] or about["statement_descriptor"]
        about["statement_descriptor_suffix"] = suffix
    if about["transfer_data"]:
        about["transfer_group"] = form.text("transfer_group") or f"group_{about['id']}"
    return about


def _with(call: Call, said: Json) -> Call:
    return Call(call.world, call.book, Form(said), asked_version=call.asked_version)


def _method(call: Call) -> Json:
    """What is charged: a token, a kept card, or the customer's default one."""
    form = call.form
    given: Any = form.values.get("source") or form.values.get("card")
    customer = form.text("customer")
    holder = call.book.get("customer", customer, "customer") if customer else None
    if given is None and holder is not None:
        given = holder["default_source"]
        if given is None:
            message = "Cannot charge a customer that has no active card"
            raise Refusal("card", message, code="missing", param="card")
    if given is None:
        raise missing_parameter("source")
    return _of_source(call, given, holder)


def _of_source(call: Call, given: Any, holder: Json | None) -> Json:
    if isinstance(given, dict):
        details = {name: value for name, value in given.items() if name != "object"}
        given = tokens.create(call.asking(card=details))["id"]
    if str(given).startswith("src_"):
        source = source_objects.stored(call, str(given), "source")
        source_objects.check_usable(source, holder["id"] if holder else None)
        return source_objects.as_method(call, source)
    kept = call.book.shelf("payment_method").get(given)
    if kept is not None:
        methods.check_usable(kept, holder["id"] if holder else None)
        return kept
    card = tokens.spend(call, str(given), "source").get("card")
    if card is None:
        raise no_such("token", str(given), "source")
    method = methods.of_source(call, card)
    method["_legacy_card"] = card
    return method


def _show_source(call: Call, charge: Json, method: Json) -> None:
    """What was charged, as it is now: the charge goes on to show it so."""
    kept = call.book.shelf(source_objects.KIND).get(method["id"])
    if kept is not None and kept["object"] == "source" and charge["status"] != "failed":
        source_objects.spent(kept)
    charge["_source"] = copied(kept or method.get("_legacy_card"))


def _declined(call: Call, charge: Json, method: Json) -> Refusal:
    refusal = payment_confirm.decline(call, charge, method)
    refusal.error.pop("payment_method", None)
    return refusal
