"""What a payment intent consists of, and how the parameters of a request become its fields.

Nothing here confirms, charges or announces anything.
"""

from hashlib import blake2b
from typing import Any

from reconciler.simulator.kernel.form import Form, merged, whole
from reconciler.simulator.kernel.refusals import empty_parameter, missing_parameter, refused
from reconciler.simulator.kernel.world import Call, Json
from reconciler.simulator.objects.payments import application_fees, payment_rules

# From these versions on, another thing is assumed when nothing is said.
_CAPTURES_LATER_SINCE = "2024-04-10"
_ASKS_THE_DASHBOARD_SINCE = "2023-08-16"

_PLAIN = (
    "description",
    "receipt_email",
    "setup_future_usage",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_group",
)
_ADDRESS = ("city", "country", "line1", "line2", "postal_code", "state")
_CARD_OPTIONS: Json = {
    "installments": None,
    "mandate_options": None,
    "network": None,
    "request_three_d_secure": "automatic",
}
_ASSUMED: dict[str, Json] = {"card": _CARD_OPTIONS, "link": {"persistent_token": None}}


def blank(call: Call, amount: int, currency: str) -> Json:
    intent = call.world.ids.new("pi")
    return {
        "id": intent,
        "object": "payment_intent",
        "allowed_payment_method_types": None,
        "amount": amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": application_fees.application_of(call),
        "application_fee_amount": None,
        "automatic_payment_methods": None,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": default_capture(call),
        "client_secret": call.world.ids.new(f"{intent}_secret"),
        "confirmation_method": call.form.text("confirmation_method") or "automatic",
        "created": call.now,
        "currency": currency,
        "customer": None,
        "customer_account": None,
        "description": None,
        "excluded_payment_method_types": None,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "managed_payments": {"enabled": False},
        "metadata": {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "payment_record": None,
        "processing": None,
        "receipt_email": None,
        "review": None,
        "setup_future_usage": None,
        "shared_payment_granted_token": None,
        "shipping": None,
        "source": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": None,
    }


def default_capture(call: Call) -> str:
    return "automatic_async" if call.version >= _CAPTURES_LATER_SINCE else "automatic"


# From parameters to fields.


def changes(call: Call, intent: Json) -> Json:
    """The fields that this form sets or unsets, judged; of a new intent or of an older one."""
    form = call.form
    found: Json = {name: form.text(name) for name in _PLAIN if name in form}
    payment_rules.check_descriptors(form)
    if "metadata" in form:
        found["metadata"] = merged(intent["metadata"], form.metadata())
    if form.text("currency"):
        found["currency"] = str(form.text("currency")).lower()
    if form.text("capture_method"):
        found["capture_method"] = form.text("capture_method")
    if "amount" in form:
        found["amount"] = payment_rules.given_amount(form)
    if "shipping" in form:
        found["shipping"] = shipping(form.mapping("shipping"))
    if form.text("customer"):
        found["customer"] = call.book.get("customer", form.needed("customer"), "customer")["id"]
    if form.mapping("amount_details"):
        found["amount_details"] = _amount_details(form.mapping("amount_details"))
    if form.mapping("radar_options"):
        found["_radar_options"] = form.mapping("radar_options")
    found.update(_connected(call, intent, found))
    return found


def shipping(given: Json) -> Json | None:
    if not given:
        return None
    if not given.get("name"):
        raise empty_parameter("shipping[name]")
    address = given.get("address") or {}
    return {
        "address": {line: address.get(line) or None for line in _ADDRESS},
        "carrier": given.get("carrier") or None,
        "name": given.get("name") or None,
        "phone": given.get("phone") or None,
        "tracking_number": given.get("tracking_number") or None,
    }


def transfer_data(given: Json, before: Json | None = None) -> Json | None:
    """Where the money goes on to; the destination is said once, at the beginning."""
    if not given:
        return before
    found = dict(before or {})
    if given.get("destination"):
        found["destination"] = given["destination"]
    part = whole("transfer_data[amount]", given.get("amount"))
    if part is not None:
        found["amount"] = part
    for name in ("description", "metadata"):
        if given.get(name):
            found[name] = given[name]
    return dict(sorted(found.items()))


def _connected(call: Call, intent: Json, found: Json) -> Json:
    """Fees, destinations, and on whose behalf."""
    form = call.form
    more: Json = {}
    if "application_fee_amount" in form:
        more["application_fee_amount"] = form.integer("application_fee_amount")
    if form.text("on_behalf_of"):
        more["on_behalf_of"] = form.text("on_behalf_of")
        payment_rules.check_account(call, more["on_behalf_of"], "on_behalf_of")
    if form.mapping("transfer_data"):
        given = transfer_data(form.mapping("transfer_data"), intent["transfer_data"])
        more["transfer_data"] = given
        target = (given or {}).get("destination")
        if target is None:
            raise missing_parameter("transfer_data[destination]")
        payment_rules.check_account(call, target, "transfer_data[destination]")
    both = {**intent, **found, **more}
    fee, transfer = both["application_fee_amount"], both["transfer_data"]
    if fee is not None or transfer is not None:
        payment_rules.check_connect(call, both["amount"], fee, transfer)
    if transfer and not both["transfer_group"]:
        more["transfer_group"] = f"group_{intent['id']}"
    return more


def _amount_details(given: Json) -> Json:
    """What the amount consists of; line items are counted, and not kept."""
    found: Json = {"tip": {}}
    discount = whole("amount_details[discount_amount]", given.get("discount_amount"))
    if discount is not None:
        found["discount_amount"] = discount
    for name, part in (("shipping", "amount"), ("tax", "total_tax_amount")):
        below: Any = given.get(name) or {}
        amount = whole(f"amount_details[{name}][{part}]", below.get(part))
        if amount is not None:
            found[name] = {**below, part: amount}
    return dict(sorted(found.items()))


# Which kinds of payment method.


def accept(call: Call, intent: Json, offered: str | None) -> Json:
    """Which kinds are taken: as the form names them, or as the Dashboard has them."""
    form = call.form
    named, allowed = form.texts("payment_method_types"), form.texts("allowed_payment_method_types")
    automatic = form.mapping("automatic_payment_methods")
    excluded = form.texts("excluded_payment_method_types")
    asked = _enabled(automatic)
    if named and asked:
        raise refused(
            "You may only specify one of these parameters: automatic_payment_methods, "
            "payment_method_types.",
            None,
            "automatic_payment_methods",
        )
    modern = call.version >= _ASKS_THE_DASHBOARD_SINCE
    dynamic = asked or (modern and not named)
    enabled = call.settings.dashboard_methods if dynamic else ("card",)
    kinds = allowed or named or list(enabled)
    found: Json = {
        "allowed_payment_method_types": allowed or None,
        "automatic_payment_methods": None,
        "excluded_payment_method_types": excluded or None,
        "payment_method_configuration_details": None,
    }
    if dynamic:
        redirects = automatic.get("allow_redirects") or "always"
        found["automatic_payment_methods"] = {"allow_redirects": redirects, "enabled": True}
        found["payment_method_configuration_details"] = {
            "id": form.text("payment_method_configuration") or configuration(call),
            # Those of connected accounts follow the platform's.
            "parent": None if call.on_platform else configuration(call.at(call.world.home)),
        }
        # A method of another kind that is offered shows that its kind is enabled, too.
        if offered and not allowed and offered not in kinds:
            kinds = [*kinds, offered]
    if asked:
        found["_redirects"] = found["automatic_payment_methods"]["allow_redirects"] == "always"
    found["payment_method_types"] = [kind for kind in kinds if kind not in excluded]
    found["payment_method_options"] = options(
        found["payment_method_types"], form, intent["payment_method_options"]
    )
    return found


def configuration(call: Call) -> str:
    """The `pmc_…` of the account: which kinds are enabled in its Dashboard."""
    digest = blake2b(f"pmc:{call.world.ids.seed}:{call.book.id}".encode(), digest_size=12)
    return f"pmc_1{digest.hexdigest()}"


def accept_also(call: Call, intent: Json, offered: str | None) -> Json:
    """The kinds as they were named before, with more said about them."""
    kinds = list(intent["payment_method_types"])
    dynamic = intent["automatic_payment_methods"] and not intent["allowed_payment_method_types"]
    if offered and dynamic and offered not in kinds:
        kinds.append(offered)
    return {
        "payment_method_options": options(kinds, call.form, intent["payment_method_options"]),
        "payment_method_types": kinds,
    }


def options(kinds: list[str], form: Form, before: Json) -> Json:
    """What is said about each kind, on top of what was said before and what is assumed."""
    given = form.mapping("payment_method_options")
    found: Json = {}
    for kind in kinds:
        assumed = _ASSUMED.get(kind, {})
        said = {**assumed, **before.get(kind, {}), **_settled(kind, given.get(kind))}
        found[kind] = dict(sorted(said.items()))
    return found


def _settled(kind: str, given: Any) -> Json:
    """Options as they are shown: what only steers the confirmation is not part of them."""
    if not isinstance(given, dict):
        return {}
    hidden = ("cvc_token", "moto", "network_options", "three_d_secure", "statement_descriptor")
    said = {name: value for name, value in given.items() if name not in hidden}
    if kind == "customer_balance" and isinstance(said.get("bank_transfer"), dict):
        transfer = dict(said["bank_transfer"])
        transfer["type"] = str(transfer.get("type", "")).replace("_account", "_transfer")
        said["bank_transfer"] = transfer
    for flag in ("require_cvc_recollection",):
        if flag in said:
            said[flag] = str(said[flag]).lower() == "true"
    return said


def _enabled(given: Json) -> bool:
    return str(given.get("enabled", "")).lower() == "true"
