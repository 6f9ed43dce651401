"""A new checkout session as its form describes it, without what it sells.

Only shapes. What is kept here without an effect (texts, collections, wallets) changes how a real
page looks, and nothing else.
"""

from typing import Any

from reconciler.simulator.kernel.form import Form, merged
from reconciler.simulator.kernel.world import Call, Json
from reconciler.simulator.objects.selling import checkout_form

_NOTHING_YET = (
    "after_expiration amount_subtotal amount_total collected_information consent "
    "currency_conversion customer_account customer_details invoice payment_intent payment_link "
    "payment_method_configuration_details permissions recovered_from setup_intent shipping_cost "
    "subscription total_details"
)
_PASSED_ON = ("capture_method", "request_three_d_secure", "setup_future_usage")
_TEXT_POSITIONS = ("after_submit", "shipping_address", "submit", "terms_of_service_acceptance")


def blank(call: Call, mode: str) -> Json:
    """The session as its form describes it, without what it sells."""
    form, session = call.form, call.world.ids.new("cs_test")
    ui_mode = checkout_form.ui_mode(call)
    hosted = ui_mode == "hosted_page"
    shown: Json = {
        **dict.fromkeys(_NOTHING_YET.split()),
        **({} if hosted else _embedded(form)),
        "adaptive_pricing": {"enabled": True} if mode == "payment" else None,
        "allow_promotion_codes": _flag(form, "allow_promotion_codes"),
        "allowed_payment_method_types": form.texts("allowed_payment_method_types") or None,
        "automatic_tax": _automatic_tax(form),
        "billing_address_collection": form.text("billing_address_collection"),
        "cancel_url": form.text("cancel_url"),
        "client_reference_id": form.text("client_reference_id"),
        "client_secret": None if hosted else call.world.ids.new(f"{session}_secret"),
        "consent_collection": _consent(form),
        "created": call.now,
        "currency": form.text("currency"),
        "custom_fields": [_custom_field(row) for row in form.values.get("custom_fields") or []],
        "custom_text": _custom_text(form),
        "customer": form.text("customer"),
        "customer_creation": _customer_creation(form, mode),
        "customer_email": form.text("customer_email"),
        "discounts": [] if mode != "setup" else None,
        "expires_at": checkout_form.expires_at(call),
        "integration_identifier": form.text("integration_identifier"),
        "invoice_creation": _no_invoice() if mode == "payment" else None,
        "livemode": False,
        "locale": form.text("locale"),
        "managed_payments": {"enabled": False},
        "metadata": merged({}, form.metadata()),
        "mode": mode,
        "origin_context": form.text("origin_context"),
        "payment_method_collection": _method_collection(form, mode),
        "payment_method_options": _method_options(form),
        "payment_method_types": ["card"],
        "payment_status": "no_payment_required" if mode == "setup" else "unpaid",
        "phone_number_collection": {
            "enabled": Form(form.mapping("phone_number_collection")).flag("enabled")
        },
        "saved_payment_method_options": _saved_methods(form, mode),
        "shipping_address_collection": form.mapping("shipping_address_collection") or None,
        "shipping_options": [],
        "status": "open",
        "submit_type": form.text("submit_type"),
        "success_url": form.text("success_url"),
        "ui_mode": ui_mode,
        "url": f"{call.address}/c/pay/{session}" if hosted else None,
        "wallet_options": form.mapping("wallet_options") or None,
    }
    return {"id": session, "object": "checkout.session", **dict(sorted(shown.items()))}


def _embedded(form: Form) -> Json:
    shown = {"redirect_on_completion": form.text("redirect_on_completion") or "always"}
    url = form.text("return_url")
    return {**shown, "return_url": url} if url else shown


def _flag(form: Form, name: str) -> bool | None:
    return form.flag(name) if name in form else None


def _automatic_tax(form: Form) -> Json:
    enabled = Form(form.mapping("automatic_tax")).flag("enabled")
    return {
        "enabled": enabled,
        "liability": {"type": "self"} if enabled else None,
        "provider": "stripe" if enabled else None,
        "status": "requires_location_inputs" if enabled else None,
    }


def _consent(form: Form) -> Json | None:
    given = Form(form.mapping("consent_collection"))
    if not given.values:
        return None
    agreement = given.mapping("payment_method_reuse_agreement")
    return {
        "payment_method_reuse_agreement": agreement or None,
        "promotions": given.text("promotions") or "none",
        "terms_of_service": given.text("terms_of_service") or "none",
    }


def _custom_text(form: Form) -> Json:
    given = form.mapping("custom_text")
    return {name: given.get(name) or None for name in _TEXT_POSITIONS}


def _custom_field(row: Json) -> Json:
    given = Form(row)
    kind = given.needed("type")
    limits: Json = {"default_value": None, "value": None}
    if kind == "dropdown":
        limits["options"] = list(given.mapping("dropdown").get("options") or [])
    else:
        asked = Form(given.mapping(kind))
        limits["maximum_length"] = asked.integer("maximum_length")
        limits["minimum_length"] = asked.integer("minimum_length")
    label = given.mapping("label")
    return {
        "key": given.needed("key"),
        kind: limits,
        "label": {"custom": label.get("custom"), "type": "custom"},
        "optional": given.flag("optional"),
        "type": kind,
    }


def _customer_creation(form: Form, mode: str) -> str | None:
    if form.text("customer"):
        return None
    usual = {"payment": "if_required", "subscription": "always"}
    return form.text("customer_creation") or usual.get(mode)


def _method_collection(form: Form, mode: str) -> str:
    usual = "if_required" if mode == "payment" else "always"
    return form.text("payment_method_collection") or usual


def _method_options(form: Form) -> Json:
    """Those that a payment can have too; they are its own when it is made."""
    shown: Json = {"card": {"request_three_d_secure": "automatic"}}
    for kind, given in form.mapping("payment_method_options").items():
        kept = {name: value for name, value in given.items() if name in _PASSED_ON}
        shown[kind] = {**shown.get(kind, {}), **kept}
    return shown


def _saved_methods(form: Form, mode: str) -> Json | None:
    if mode == "setup":
        return None
    given = Form(form.mapping("saved_payment_method_options"))
    return {
        "allow_redisplay_filters": given.texts("allow_redisplay_filters") or ["always"],
        "payment_method_remove": given.text("payment_method_remove") or "disabled",
        "payment_method_save": given.text("payment_method_save"),
    }


def _no_invoice() -> Json:
    nothing: dict[str, Any] = dict.fromkeys(
        ("account_tax_ids", "custom_fields", "description", "footer", "issuer")
    )
    return {
        "enabled": False,
        "invoice_data": {**nothing, "metadata": {}, "rendering_options": None},
    }
