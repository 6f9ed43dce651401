"""Confirmation tokens: what a customer filled in, kept for half a day until it is confirmed.

Unfolded, one is nothing but the parameters it holds.
"""

from dataclasses import replace

from reconciler.simulator.kernel import refusals
from reconciler.simulator.kernel.form import Form
from reconciler.simulator.kernel.refusals import refused
from reconciler.simulator.kernel.views import copied
from reconciler.simulator.kernel.world import Call, Json
from reconciler.simulator.objects.methods import methods

_LIFETIME = 12 * 3600
_HELD = ("mandate_data", "return_url", "setup_future_usage", "shipping")
PARAMETERS = (
    "payment_method payment_method_data payment_method_options return_url setup_future_usage "
    "shipping"
)
"""What a creation takes: it is not in the part of Stripe's schema that is kept here."""


def create(call: Call) -> Json:
    """Only tests make one on the server; the customer's browser does it else."""
    form = call.form
    given, data = form.text("payment_method"), form.mapping("payment_method_data")
    if given is None and not data:
        raise refusals.missing_parameter("payment_method_data")
    method = methods.method_for(call, given) if given else methods.from_data(call, data)
    methods.refuse_spent(method)
    kind = method["type"]
    shown = ("allow_redisplay", "billing_details", kind, "customer", "type")
    token: Json = {
        "id": call.world.ids.new("ctoken"),
        "object": "confirmation_token",
        "_method": method["id"],
        "created": call.now,
        "expires_at": call.now + _LIFETIME,
        "livemode": False,
        "mandate_data": None,
        "payment_intent": None,
        "payment_method_options": form.mapping("payment_method_options") or None,
        "payment_method_preview": {name: copied(method[name]) for name in shown},
        "return_url": form.text("return_url"),
        "setup_future_usage": form.text("setup_future_usage"),
        "setup_intent": None,
        "shipping": form.mapping("shipping") or None,
        "use_stripe_sdk": False,
    }
    return call.world.put(call.book, "confirmation_token", token)


def retrieve(call: Call) -> Json:
    return call.book.get("confirmation_token", call.path["id"])


def unfold(call: Call) -> Call:
    """The call as if it had been made with what its confirmation token holds."""
    given = call.form.text("confirmation_token")
    if given is None:
        return call
    token = call.book.get("confirmation_token", given, "confirmation_token")
    if token.get("_used") or token["expires_at"] <= call.now:
        why = "has already been used" if token.get("_used") else "has expired"
        message = f"The ConfirmationToken {given} {why}. Create a new one and try again."
        raise refused(message, None, "confirmation_token")
    held = {name: token[name] for name in _HELD if token[name] and name not in call.form}
    values = {**call.form.values, **held, "payment_method": token["_method"]}
    del values["confirmation_token"]
    return replace(call, form=Form(values))


def spend(call: Call, intent: Json) -> None:
    """It was used to confirm this intent; `call` is the one that still names it."""
    given = call.form.text("confirmation_token")
    if given is not None:
        token = call.book.get("confirmation_token", given, "confirmation_token")
        token.update({"_used": True, intent["object"]: intent["id"]})
