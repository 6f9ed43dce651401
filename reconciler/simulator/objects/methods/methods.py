"""Payment methods: made, kept with a customer, let go, and what using one does to it.

One that was used without a customer, or was detached from one, is spent. What a payment with one
leads to is said by the tables behind `cards`.
"""

from typing import Any

from reconciler.simulator.kernel.form import merged
from reconciler.simulator.kernel.pages import page
from reconciler.simulator.kernel.refusals import Refusal, refused
from reconciler.simulator.kernel.views import copied
from reconciler.simulator.kernel.world import Call, Json
from reconciler.simulator.objects.methods import cards, method_shapes
from reconciler.simulator.objects.methods.cards import card_of
from reconciler.simulator.objects.methods.method_making import from_data as from_data
from reconciler.simulator.objects.methods.method_making import in_path, put
from reconciler.simulator.objects.methods.method_making import method_for as method_for
from reconciler.simulator.objects.methods.method_making import of_source as of_source
from reconciler.simulator.objects.methods.method_making import stored as stored
from reconciler.simulator.objects.notices import events

_SPENT = (
    "The provided PaymentMethod was previously used with a PaymentIntent without Customer "
    "attachment, shared with a connected account without Customer attachment, or was detached from "
    "a Customer. It may not be used again. To use a PaymentMethod multiple times, you must attach "
    "it to a Customer first."
)


# Making and finding.


def create(call: Call) -> Json:
    if "payment_method" in call.form:
        return _share(call)
    if "customer" in call.form:
        raise refused(
            "You cannot attach a PaymentMethod to a Customer during PaymentMethod creation. Please "
            "instead create the PaymentMethod and then attach it using the attachment method of "
            "the PaymentMethods API."
        )
    return from_data(call, call.form.values)


def retrieve(call: Call) -> Json:
    return _named_in_path(call)


def retrieve_of_customer(call: Call) -> Json:
    customer = call.book.get("customer", call.path["id"])["id"]
    method = in_path(call)
    if method["customer"] != customer:
        raise Refusal("missing", "Invalid request", param="customer")
    return method


def listing(call: Call) -> Json:
    """Only those of a customer are listed, and none when none is asked for."""
    customer = call.form.text("customer")
    if customer:
        call.book.get("customer", customer, "customer")
    return _kept(call, customer)


def list_of_customer(call: Call) -> Json:
    return _kept(call, call.book.get("customer", call.path["id"])["id"])


def _kept(call: Call, customer: str | None) -> Json:
    shelf = call.book.shelf("payment_method")
    kept = [method["id"] for method in of_customer(call, customer or "")]
    equal = ("type", "allow_redisplay")
    return page(call, shelf, equal=equal, within=sorted(kept, key=shelf.place))


def of_customer(call: Call, customer: str) -> list[Json]:
    return call.book.belonging(customer, "payment_methods", "payment_method")


def _named_in_path(call: Call) -> Json:
    """A test name in the path makes a new one."""
    given = call.path["id"]
    return method_for(call, given) if cards.named(given) else in_path(call)


# Changing.


def update(call: Call) -> Json:
    method = in_path(call)
    if method["customer"] is None:
        raise refused("You must save this PaymentMethod to a customer before you can update it.")
    form, kind = call.form, method["type"]
    changes: Json = {"metadata": merged(method["metadata"], form.metadata())}
    if "billing_details" in form:
        given = form.mapping("billing_details")
        changes["billing_details"] = method_shapes.billing(given, method["billing_details"])
    if "allow_redisplay" in form:
        changes["allow_redisplay"] = form.text("allow_redisplay")
    if kind in form and kind == "card":
        changes["card"] = _changed_card(call, method["card"], form.mapping("card"))
    elif kind in form:
        changes[kind] = {**method[kind], **form.mapping(kind)}
    events.amend(call, method, changes, "payment_method.updated")
    return method


def attach(call: Call) -> Json:
    """The payment method belongs to the customer from now on."""
    given = call.form.text("customer")
    if given is None:
        message = "Must provide customer or customer_account."
        raise Refusal("invalid_request", message, code="parameter_missing", began=False)
    customer = call.book.get("customer", given, "customer")
    return attach_to(call, _named_in_path(call), customer["id"])


def attach_to(call: Call, method: Json, customer: str) -> Json:
    """Keep it with this customer; the bank checks it first."""
    if method["customer"] == customer:
        return method
    check_attachable(method)
    checked(method)
    method["customer"] = customer
    call.book.belong(customer, "payment_methods", method["id"])
    events.emit(call, "payment_method.attached", method)
    return method


def check_attachable(method: Json) -> None:
    if method["customer"] is not None:
        raise refused("The payment method you provided has already been attached to a customer.")
    refuse_spent(method)
    if card_of(method).declines_saving:
        raise declined(method)


def detach(call: Call) -> Json:
    method = in_path(call)
    if method["customer"] is None:
        raise refused(
            "The payment method you provided is not attached to a customer so detachment is "
            "impossible."
        )
    return detach_from(call, method)


def detach_from(call: Call, method: Json) -> Json:
    """Let go, for good: it cannot be used again."""
    customer = call.book.shelf("customer").get(method["customer"])
    if customer and customer["invoice_settings"]["default_payment_method"] == method["id"]:
        customer["invoice_settings"]["default_payment_method"] = None
    previous = {"customer": method["customer"]}
    call.book.children[f"{method['customer']}/payment_methods"].remove(method["id"])
    method.update(customer=None, _spent=True)
    events.emit(call, "payment_method.detached", method, previous)
    return method


def replace_card(
    call: Call, method: Json, exp_month: int, exp_year: int, last4: str | None = None
) -> Json:
    """The network's card updater: the bank sent its customer a new card."""
    if method["type"] != "card":
        raise refused("Only a card can be updated by its network.", None, "payment_method")
    changed = {**method["card"], "exp_month": exp_month, "exp_year": exp_year}
    if last4 is not None:
        print_ = cards.fingerprint(call.book.id, f"{method['_card']}:{last4}")
        changed.update(last4=last4, fingerprint=print_)
    previous = events.difference({"card": method["card"]}, {"card": changed})
    if previous:
        method["card"] = changed
        events.emit(call, "payment_method.automatically_updated", method, previous)
    return method


# Using.


def check_usable(method: Json, customer: str | None, intent: str = "PaymentIntent") -> None:
    """Refuse what cannot be used with this customer, or no more."""
    owner = method["customer"]
    if owner and customer is None:
        raise refused(
            f"The payment method supplied ({method['id']}) belongs to the Customer {owner}. Please "
            f"include the Customer in the `customer` parameter on the {intent}.",
            None,
            "payment_method",
        )
    if owner and owner != customer:
        raise refused(
            f"The PaymentMethod {method['id']} does not belong to the Customer you supplied "
            f"{customer}. Please use this PaymentMethod with the Customer that it belongs to "
            "instead.",
            None,
            "payment_method",
        )
    refuse_spent(method)


def refuse_spent(method: Json) -> None:
    if method.get("_spent"):
        raise refused(_SPENT, None, "payment_method")


def used(call: Call, method: Json, customer: str | None, usage: str | None = None) -> None:
    """After it has worked: it is kept if that was asked for, and spent if nobody keeps it.

    `usage` is `setup_future_usage` of a payment, or `usage` of a setup: kept for `off_session`,
    its customer need not be there again.
    """
    checked(method)
    if usage == "off_session":
        method["_set_up"] = True
    if customer and usage and method["customer"] is None and method["type"] != "customer_balance":
        attach_to(call, method, customer)
    elif customer is None and method["customer"] is None:
        method["_spent"] = usage is None


def failed(method: Json, customer: str | None) -> None:
    """A payment with it was declined; nobody's payment method is spent by that, too."""
    checked(method)
    if customer is None and method["customer"] is None:
        method["_spent"] = True


def asks(method: Json, *, present: bool, wanted: bool = False) -> bool:
    """Whether the bank asks its customer for a payment with this; see `Card.asks`."""
    known = bool(method.get("_set_up"))
    return card_of(method).asks(present=present, set_up=known, wanted=wanted)


def checked(method: Json) -> None:
    """The bank has answered what was asked of it: security code and address."""
    if method["type"] != "card":
        return
    card, checks = card_of(method), method["card"]["checks"]
    address = method["billing_details"]["address"]
    if checks["cvc_check"] == "unchecked":
        checks["cvc_check"] = card.cvc
    if address["line1"]:
        checks["address_line1_check"] = card.line1
    if address["postal_code"]:
        checks["address_postal_code_check"] = card.zip


def declined(thing: Json, **more: Any) -> Refusal:
    """The bank refuses this card, now and for good."""
    card = card_of(thing)
    code = card.code or "card_declined"
    more["decline_code"] = card.decline_code or code
    if code in ("expired_card", "incorrect_cvc"):
        more["param"] = {"expired_card": "exp_month", "incorrect_cvc": "cvc"}[code]
    return Refusal("card", cards.message(code, card.decline_code), code=code, **more)


def _changed_card(call: Call, card: Json, given: Json) -> Json:
    month = int(given.get("exp_month") or card["exp_month"])
    year = int(given.get("exp_year") or card["exp_year"])
    month, year = method_shapes.judged_expiry(call, month, year)
    networks = {**card["networks"], **(given.get("networks") or {})}
    return {**card, "exp_month": month, "exp_year": year, "networks": networks}


def _share(call: Call) -> Json:
    """A connected account gets a copy of a payment method of the platform's, to use once."""
    home = call.world.home
    original = stored(home, call.form.needed("payment_method"))
    customer = call.form.text("customer")
    if original["customer"] != customer:
        check_usable(original, customer)
    refuse_spent(original)
    copy = put(call, original["_card"], copied(original[original["type"]]))
    copy["billing_details"] = method_shapes.billing(original["billing_details"])
    copy["metadata"] = dict(original["metadata"])
    if original["customer"] is None:
        original["_spent"] = True
    return copy
