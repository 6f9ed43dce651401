"""How a payment method comes to be: from a test name, from what is given of it, from a source.

Made and found here; what is done with one is in `methods`.
"""

from reconciler.simulator.kernel import refusals
from reconciler.simulator.kernel.form import Form, merged
from reconciler.simulator.kernel.refusals import refused
from reconciler.simulator.kernel.world import Book, Call, Json
from reconciler.simulator.objects.methods import cards, method_shapes, tokens

_NEEDED = {"fpx": ("bank",), "sofort": ("country",)}


def method_for(call: Call, given: str, param: str = "payment_method") -> Json:
    """The payment method of this id; a test name such as `pm_card_visa` makes a new one."""
    name = cards.named(given)
    if name is not None:
        return put(call, name, method_shapes.of_name(call, name))
    return stored(call.book, given, param)


def stored(book: Book, given: str, param: str = "payment_method") -> Json:
    found = book.shelf("payment_method").get(given)
    if found is None:
        raise refusals.no_such("PaymentMethod", given, param)
    return found


def in_path(call: Call) -> Json:
    """The payment method that the path names."""
    given = call.path.get("payment_method") or call.path["id"]
    found = call.book.shelf("payment_method").get(given)
    if found is None:
        raise refusals.not_found("PaymentMethod", given, "payment_method")
    return found


def from_data(call: Call, data: Json) -> Json:
    """A new payment method of `payment_method_data`, or of the form of a creation."""
    form = Form(data)
    kind = form.needed("type")
    name, shape = _shape(call, kind, form.mapping(kind))
    method = put(call, name, shape)
    method["billing_details"] = method_shapes.billing(form.mapping("billing_details"))
    method["metadata"] = merged({}, form.metadata())
    method["allow_redisplay"] = form.text("allow_redisplay") or "unspecified"
    if kind == "us_bank_account":
        method["_unverified"] = True
    return method


def _shape(call: Call, kind: str, given: Json) -> tuple[str, Json]:
    if kind == "card" and "token" in given:
        return _of_token(call, str(given["token"]))
    if kind == "card":
        return method_shapes.of_card(call, given)
    if kind == "sepa_debit":
        return method_shapes.of_iban(call, given)
    if kind == "us_bank_account":
        return method_shapes.of_us_account(call, given)
    name = cards.kind_named(kind)
    if name is None:
        raise refused(
            f"The payment method type provided: {kind} is invalid. Please ensure the provided type "
            "is activated in your dashboard and your account is enabled for any preview features "
            "that you are trying to use.",
            "payment_intent_invalid_parameter",
            "type",
        )
    for needed in _NEEDED.get(kind, ()):
        if not given.get(needed):
            raise refusals.missing_parameter(f"{kind}[{needed}]")
    return name, method_shapes.of_kind(kind, given)


def _of_token(call: Call, token: str) -> tuple[str, Json]:
    name = cards.named(token)
    if name is not None:
        return name, method_shapes.of_name(call, name)
    spent = tokens.spend(call, token, "card[token]")["card"]
    shape = method_shapes.of_name(call, spent["_card"])
    return spent["_card"], {
        **shape,
        "exp_month": spent["exp_month"],
        "exp_year": spent["exp_year"],
    }


def of_source(call: Call, kept: Json) -> Json:
    """The payment method that a card kept as a source also is, under its own id.

    Not put in the index of the world, where this id is the source.
    """
    shelf = call.book.shelf("payment_method")
    if kept["id"] not in shelf:
        shape = method_shapes.of_name(call, kept["_card"])
        shape.update(exp_month=kept["exp_month"], exp_year=kept["exp_year"])
        method = under_id(call, kept["_card"], shape, kept["id"])
        shelf[kept["id"]] = {**method, "customer": kept.get("customer")}
        if kept.get("customer"):
            call.book.belong(kept["customer"], "payment_methods", kept["id"])
    return shelf[kept["id"]]


def put(call: Call, name: str, shape: Json) -> Json:
    method = under_id(call, name, shape, call.world.ids.new("pm"))
    return call.world.put(call.book, "payment_method", method)


def under_id(call: Call, name: str, shape: Json, method_id: str) -> Json:
    """A new payment method with this id, kept nowhere yet."""
    kind = cards.behaviour(name).kind
    return {
        "id": method_id,
        "object": "payment_method",
        "_card": name,
        "allow_redisplay": "unspecified",
        "billing_details": cards.blank_billing(),
        kind: shape,
        "created": call.now,
        "customer": None,
        "customer_account": None,
        "livemode": False,
        "metadata": {},
        "shared_payment_granted_token": None,
        "type": kind,
    }
