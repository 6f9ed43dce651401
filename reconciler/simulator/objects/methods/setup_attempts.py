"""What confirming a setup intent leads to: one attempt, and how it ends.

The attempt succeeds, fails, or waits for the customer; the intent says so too.
"""

from typing import Any

from reconciler.simulator.kernel.pages import page
from reconciler.simulator.kernel.refusals import Refusal, refused
from reconciler.simulator.kernel.views import copied
from reconciler.simulator.kernel.world import Call, Json
from reconciler.simulator.objects.methods import cards, mandates, methods
from reconciler.simulator.objects.notices import events


def admit(call: Call, intent: Json) -> None:
    """Refuse what cannot even be tried, before anything changes."""
    if intent["payment_method"] is None:
        known: dict[str, Any] = {"setup_intent": intent} if _is_known(call, intent) else {}
        raise Refusal(
            "invalid_request",
            "You cannot confirm this SetupIntent because it's missing a payment method. You can "
            "either update the SetupIntent with a payment method and then confirm it again, or "
            "confirm it again directly with a payment method or ConfirmationToken.",
            code="setup_intent_unexpected_state",
            **known,
        )
    method = methods.stored(call.book, intent["payment_method"])
    _check_return(call, intent, method)
    mandates.needed(call, method, None, call.form.mapping("mandate_data"), "SetupIntent")


def attempt(call: Call, intent: Json) -> Json:
    """Try to set up the payment method that the intent has now."""
    method = methods.stored(call.book, intent["payment_method"])
    data = call.form.mapping("mandate_data")
    if data:
        intent["_mandate_data"] = dict(data)
    if intent["latest_attempt"] and intent["status"] == "requires_action":
        abandon(call, intent)
    _begin(call, intent, method)
    if _unverified(method):
        return _wait(call, intent, _deposits(call, intent))
    if methods.asks(method, present=True, wanted=_wanted(intent)):
        return _wait(call, intent, _authentication(call, intent))
    return finish(call, intent)


def finish(call: Call, intent: Json) -> Json:
    """The bank has the last word; then the payment method is kept with its customer."""
    method = methods.stored(call.book, intent["payment_method"])
    if cards.card_of(method).declines_saving:
        methods.checked(method)
        refusal = methods.declined(method, payment_method=copied(method))
        fail(call, intent, dict(refusal.error))
        refusal.error["setup_intent"] = intent
        raise refusal
    data = intent.pop("_mandate_data", None)
    if data:
        _give_mandate(call, intent, method, data)
    intent.update(status="succeeded", next_action=None, last_setup_error=None)
    _latest(call, intent).update(status="succeeded", setup_error=None)
    method.pop("_unverified", None)
    methods.used(call, method, intent["customer"], intent["usage"])
    events.emit(call, "setup_intent.succeeded", intent)
    return intent


def fail(call: Call, intent: Json, error: Json) -> None:
    """The intent waits for another payment method, and remembers why."""
    told = {"payment_method": copied(methods.stored(call.book, intent["payment_method"])), **error}
    told = dict(sorted(told.items()))
    _latest(call, intent).update(status="failed", setup_error=told)
    intent.update(
        status="requires_payment_method",
        last_setup_error=told,
        next_action=None,
        payment_method=None,
    )
    events.emit(call, "setup_intent.setup_failed", intent)


def abandon(call: Call, intent: Json) -> None:
    if intent["latest_attempt"]:
        _latest(call, intent)["status"] = "abandoned"


def listing(call: Call) -> Json:
    wanted = call.form.needed("setup_intent")
    call.book.get("setup_intent", wanted, "setup_intent")
    return page(call, call.book.shelf("setup_attempt"), equal=("setup_intent",))


def error(kind: str, message: str, code: str) -> Json:
    doc = f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}"
    return {"code": code, "doc_url": doc, "message": message, "type": kind}


def unexpected(intent: Json, verb: str) -> Refusal:
    status = intent["status"]
    why = {
        "succeeded": "it has already succeeded",
        "canceled": "it has been canceled",
    }.get(status, f"it has a status of {status}")
    if verb == "cancel":
        why = "it is already canceled" if status == "canceled" else f"it has a status of {status}"
    more_to_say = ""
    if verb == "cancel" and status != "canceled":
        more_to_say = (
            " Only a SetupIntent with one of the following statuses may be canceled: "
            "`requires_payment_method`, `requires_confirmation`, or `requires_action`."
        )
    more: dict[str, Any] = {"setup_intent": intent}
    return Refusal(
        "invalid_request",
        f"You cannot {verb} this SetupIntent because {why}.{more_to_say}",
        code="setup_intent_unexpected_state",
        **more,
    )


def _check_return(call: Call, intent: Json, method: Json) -> None:
    """Whoever may be sent away has to be able to come back."""
    if call.form.text("return_url"):
        return
    if intent.get("_redirects"):
        raise refused(
            "This SetupIntent is configured to accept payment methods enabled in your Dashboard. "
            "Because some of these payment methods might redirect your customer off of your page, "
            "you must provide a `return_url`. If you don't want to accept redirect-based payment "
            "methods, set `automatic_payment_methods[enabled]` to `true` and "
            "`automatic_payment_methods[allow_redirects]` to `never` when creating Setup Intents "
            "and Payment Intents."
        )
    if method["type"] not in ("card", "link") and methods.asks(method, present=True):
        message = f"A return_url must be provided to confirm a {method['type']} SetupIntent."
        raise refused(message, param="return_url")


def _is_known(call: Call, intent: Json) -> bool:
    return intent["id"] in call.book.shelf("setup_intent")


def _latest(call: Call, intent: Json) -> Json:
    return call.book.get("setup_attempt", intent["latest_attempt"])


def _begin(call: Call, intent: Json, method: Json) -> None:
    kind = method["type"]
    attempt_: Json = {
        "id": call.world.ids.new("setatt"),
        "object": "setup_attempt",
        "application": None,
        "created": call.now,
        "customer": intent["customer"],
        "customer_account": None,
        "flow_directions": intent["flow_directions"],
        "livemode": False,
        "on_behalf_of": intent["on_behalf_of"],
        "payment_method": method["id"],
        "payment_method_details": {kind: _details(method), "type": kind},
        "setup_error": None,
        "setup_intent": intent["id"],
        "status": "processing",
        "usage": intent["usage"],
    }
    call.world.put(call.book, "setup_attempt", attempt_)
    intent["latest_attempt"] = attempt_["id"]


def _details(method: Json) -> Json:
    if method["type"] != "card":
        return {}
    card = method["card"]
    names = ("brand", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4")
    return {
        **{name: card[name] for name in names},
        "checks": dict(card["checks"]),
        "network": card["brand"],
        "three_d_secure": None,
        "wallet": None,
    }


def _wait(call: Call, intent: Json, action: Json) -> Json:
    """Nothing goes on until the customer has done this."""
    intent.update(status="requires_action", next_action=action)
    _latest(call, intent)["status"] = "requires_action"
    events.emit(call, "setup_intent.requires_action", intent)
    return intent


def _authentication(call: Call, intent: Json) -> Json:
    page_ = f"{call.address}/_simulator/authenticate/{intent['id']}"
    back = call.form.text("return_url")
    if back and not call.form.flag("use_stripe_sdk"):
        return {"redirect_to_url": {"return_url": back, "url": page_}, "type": "redirect_to_url"}
    return {
        "type": "use_stripe_sdk",
        "use_stripe_sdk": {"stripe_js": page_, "type": "three_d_secure_redirect"},
    }


def _wanted(intent: Json) -> bool:
    """Whether the merchant wants 3-D Secure, asked for by the bank or not."""
    card = intent["payment_method_options"].get("card") or {}
    return card.get("request_three_d_secure") in ("any", "challenge")


def _unverified(method: Json) -> bool:
    """A bank account given by its number is not yet known to be the customer's."""
    return bool(method.get("_unverified"))


def _deposits(call: Call, intent: Json) -> Json:
    deposits = {
        "arrival_date": call.world.clock.midnight(2),
        "hosted_verification_url": f"{call.address}/_simulator/authenticate/{intent['id']}",
        "microdeposit_type": "amounts",
    }
    return {"type": "verify_with_microdeposits", "verify_with_microdeposits": deposits}


def _give_mandate(call: Call, intent: Json, method: Json, data: Json) -> None:
    """Cards need no mandate of their own."""
    if method["type"] == "card":
        return
    single_use = intent.pop("_single_use", None)
    mandate = mandates.make(call, method, data, single_use)
    intent["single_use_mandate" if single_use else "mandate"] = mandate["id"]
