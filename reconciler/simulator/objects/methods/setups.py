"""Setup intents: a payment method is set up to be charged later, when nobody is there.

Created, confirmed, authenticated, cancelled. What a confirmation leads to is in `setup_attempts`.
"""

from typing import Any

from reconciler.simulator.kernel import refusals
from reconciler.simulator.kernel.form import merged
from reconciler.simulator.kernel.pages import page
from reconciler.simulator.kernel.refusals import Refusal, refused
from reconciler.simulator.kernel.world import Call, Json
from reconciler.simulator.objects.methods import (
    confirmation_tokens,
    methods,
    setup_attempts,
    setup_options,
)
from reconciler.simulator.objects.methods.setup_attempts import unexpected
from reconciler.simulator.objects.notices import events

_OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")
_ASKS_THE_DASHBOARD_SINCE = "2023-08-16"
_TYPES = ("allowed_payment_method_types", "payment_method_types")


def create(call: Call) -> Json:
    asked, call = call, confirmation_tokens.unfold(call)
    form = call.form
    customer = form.text("customer")
    if customer:
        call.book.get("customer", customer, "customer")
    if _two_ways(call):
        raise refused(
            "You may only specify one of these parameters: automatic_payment_methods, "
            "payment_method_types.",
            None,
            "payment_method_types",
        )
    if "mandate_data" in form and not form.flag("confirm"):
        raise refused(
            "The parameter `mandate_data` can only be passed if `confirm` is true.",
            "setup_intent_invalid_parameter",
            "mandate_data",
        )
    method = _given_method(call)
    intent = _blank(call, customer)
    if method is not None:
        _choose(intent, method, customer)
    single_use = form.mapping("single_use")
    if single_use:
        intent["_single_use"] = dict(single_use)
    if form.flag("confirm"):
        setup_attempts.admit(call, intent)
    confirmation_tokens.spend(asked, intent)
    call.world.put(call.book, "setup_intent", intent)
    events.emit(call, "setup_intent.created", intent)
    return setup_attempts.attempt(call, intent) if form.flag("confirm") else intent


def confirm(call: Call) -> Json:
    asked, call = call, confirmation_tokens.unfold(call)
    intent = retrieve(call)
    _keep_out(call, intent)
    unnamed = not {"payment_method", "payment_method_data"} & set(call.form.values)
    if intent["status"] not in _OPEN and not (unnamed and intent["payment_method"] is None):
        raise unexpected(intent, "confirm")
    draft = _drafted(call, intent, intent["customer"])
    setup_attempts.admit(call, draft)
    confirmation_tokens.spend(asked, intent)
    intent.update(draft)
    return setup_attempts.attempt(call, intent)


def update(call: Call) -> Json:
    intent, form = retrieve(call), call.form
    final = intent["status"] not in _OPEN
    if final and set(form.values) - {"metadata", "description", "expand"}:
        raise unexpected(intent, "update")
    given = form.text("customer")
    if given and intent["customer"] and given != intent["customer"]:
        raise refused(
            "You cannot modify `customer` on a SetupIntent once it already has been set. To use a "
            "different Customer, cancel this SetupIntent and create a new one.",
            None,
            "customer",
        )
    customer = call.book.get("customer", given, "customer")["id"] if given else intent["customer"]
    draft = _drafted(call, intent, customer)
    draft["metadata"] = merged(intent["metadata"], form.metadata())
    if "description" in form:
        draft["description"] = form.text("description")
    intent.update(draft)
    return intent


def _drafted(call: Call, intent: Json, customer: str | None) -> Json:
    """The intent as the form would have it."""
    draft: Json = {**intent, "customer": customer}
    _set_types(call, draft)
    method = _given_method(call)
    try:
        if method is not None:
            _choose(draft, method, customer)
    except Refusal as refusal:
        refusal.error["setup_intent"] = intent
        raise
    if "payment_method_options" in call.form:
        kinds, before = draft["payment_method_types"], draft["payment_method_options"]
        draft["payment_method_options"] = setup_options.chosen(call.form, kinds, before)
    return draft


def cancel(call: Call) -> Json:
    intent = retrieve(call)
    _keep_out(call, intent)
    if intent["status"] not in _OPEN:
        raise unexpected(intent, "cancel")
    intent.update(
        status="canceled",
        cancellation_reason=call.form.text("cancellation_reason"),
        next_action=None,
    )
    setup_attempts.abandon(call, intent)
    events.emit(call, "setup_intent.canceled", intent)
    return intent


def _keep_out(call: Call, intent: Json) -> None:
    """The intent behind a checkout session is not for others to end."""
    if intent.get("_checkout_session") and not call.form.flag("_by_checkout"):
        raise refused("You cannot perform this action on SetupIntents created by Checkout.")


def retrieve(call: Call) -> Json:
    intent = call.book.shelf("setup_intent").get(call.path["id"])
    if intent is None:
        raise refusals.not_found("setupintent", call.path["id"], "intent")
    return intent


def listing(call: Call) -> Json:
    return page(call, call.book.shelf("setup_intent"), equal=("customer", "payment_method"))


# What others do.


def authenticate(call: Call, intent: Json) -> Json:
    """The customer proves to be who they are, and the setup goes on."""
    _must_wait(intent, "authenticate")
    return setup_attempts.finish(call, intent)


def fail_authentication(call: Call, intent: Json) -> Json:
    """The customer does not pass the check, or does not want to."""
    _must_wait(intent, "authenticate")
    setup_attempts.fail(
        call,
        intent,
        setup_attempts.error(
            "invalid_request_error",
            "We are unable to authenticate your payment method. Please choose a different payment "
            "method and try again.",
            "setup_intent_authentication_failure",
        ),
    )
    return intent


def verify_microdeposits(call: Call) -> Json:
    """The customer says what arrived on the bank account: two amounts, or the code beside one."""
    intent = retrieve(call)
    action = intent["next_action"] or {}
    if action.get("type") != "verify_with_microdeposits":
        raise Refusal(
            "invalid_request",
            "This SetupIntent cannot be actioned on because it has a status of "
            f"{intent['status']}. Only a SetupIntent with one of the following statuses may be "
            'actioned on: ["requires_action"].',
            code="intent_invalid_state",
            setup_intent=intent,
        )
    amounts, code = call.form.texts("amounts"), call.form.text("descriptor_code")
    if amounts != ["32", "45"] and code != "SM11AA":
        raise refused(
            "The amounts or descriptor code provided do not match what was sent to the bank "
            "account.",
            "payment_method_microdeposit_verification_amounts_mismatch"
            if amounts
            else "payment_method_microdeposit_verification_descriptor_code_mismatch",
            "amounts" if amounts else "descriptor_code",
        )
    return setup_attempts.finish(call, intent)


def _must_wait(intent: Json, verb: str) -> None:
    if intent["status"] != "requires_action":
        raise unexpected(intent, verb)


# What is given.


def _two_ways(call: Call) -> bool:
    automatic = call.form.mapping("automatic_payment_methods").get("enabled")
    return str(automatic).lower() == "true" and any(name in call.form for name in _TYPES)


def _given_method(call: Call) -> Json | None:
    given, data = call.form.text("payment_method"), call.form.mapping("payment_method_data")
    if given:
        return methods.method_for(call, given)
    return methods.from_data(call, data) if data else None


def _choose(intent: Json, method: Json, customer: str | None) -> None:
    methods.check_usable(method, customer, "SetupIntent")
    kinds = intent["payment_method_types"]
    if intent["automatic_payment_methods"] is None and method["type"] not in kinds:
        raise refused(
            f"The PaymentMethod provided ({method['type']}) is not allowed for this SetupIntent. "
            "Please attach a PaymentMethod of one of the following types: "
            f"{', '.join(kinds)}.",
            "setup_intent_invalid_parameter",
            "payment_method",
        )
    intent.update(payment_method=method["id"], status="requires_confirmation")


def _set_types(call: Call, intent: Json) -> None:
    """Types given take the place of those chosen automatically."""
    given = next((call.form.texts(name) for name in _TYPES if name in call.form), [])
    if given:
        intent.update(payment_method_types=given, automatic_payment_methods=None, _redirects=False)
        intent["payment_method_options"] = setup_options.chosen(call.form, given)
    if "allowed_payment_method_types" in call.form:
        intent["allowed_payment_method_types"] = given


def _automatic(call: Call, intent: Json) -> None:
    """The kinds that the Dashboard has; asked for by the form, or by newer versions' default."""
    given = call.form.mapping("automatic_payment_methods")
    asked = str(given.get("enabled")).lower() == "true"
    if asked or call.version >= _ASKS_THE_DASHBOARD_SINCE:
        redirects = given.get("allow_redirects") or "always"
        intent["automatic_payment_methods"] = {"allow_redirects": redirects, "enabled": True}
        intent["_redirects"] = asked and redirects == "always"


def _blank(call: Call, customer: str | None) -> Json:
    form, intent_id = call.form, call.world.ids.new("seti")
    given = next((form.texts(name) for name in _TYPES if name in form), [])
    excluded = form.texts("excluded_payment_method_types")
    kinds: list[Any] = [kind for kind in given or ["card"] if kind not in excluded]
    secret = call.world.ids.new("secret").removeprefix("secret_1")
    intent: Json = {
        "id": intent_id,
        "object": "setup_intent",
        "allowed_payment_method_types": None,
        "application": None,
        "automatic_payment_methods": None,
        "cancellation_reason": None,
        "client_secret": f"{intent_id}_secret_{secret}",
        "created": call.now,
        "customer": customer,
        "customer_account": None,
        "description": form.text("description"),
        "excluded_payment_method_types": excluded or None,
        "flow_directions": form.texts("flow_directions") or None,
        "last_setup_error": None,
        "latest_attempt": None,
        "livemode": False,
        "mandate": None,
        "metadata": merged({}, form.metadata()),
        "next_action": None,
        "on_behalf_of": form.text("on_behalf_of"),
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": setup_options.chosen(form, kinds),
        "payment_method_types": kinds,
        "single_use_mandate": None,
        "status": "requires_payment_method",
        "usage": form.text("usage") or "off_session",
    }
    if "allowed_payment_method_types" in form:
        intent["allowed_payment_method_types"] = given
    if not given:
        _automatic(call, intent)
    return intent
