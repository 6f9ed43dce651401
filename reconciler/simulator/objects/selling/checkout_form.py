"""What may be asked of a new checkout session, and what does not go together.

Only reads and refuses, before anything is made. What would change money and is not simulated is
refused as well.
"""

from reconciler.simulator.kernel.form import Form
from reconciler.simulator.kernel.refusals import missing_parameter, not_one_of, refused
from reconciler.simulator.kernel.world import Call

HALF_HOUR, DAY = 1_800, 86_400

_UNSOLD = ("shipping_options", "optional_items")
_ONLY_IN: dict[str, tuple[str, ...]] = {
    "customer_creation": ("payment", "setup"),
    "discounts": ("payment", "subscription"),
    "invoice_creation": ("payment",),
    "line_items": ("payment", "subscription"),
    "payment_intent_data": ("payment",),
    "payment_method_collection": ("subscription",),
    "saved_payment_method_options": ("payment", "subscription"),
    "setup_intent_data": ("setup",),
    "submit_type": ("payment",),
    "subscription_data": ("subscription",),
}
_NOT_BOTH = (
    ("customer", "customer_email"),
    ("customer", "customer_creation"),
    ("allow_promotion_codes", "discounts"),
    ("payment_method_types", "allowed_payment_method_types"),
)
# The currency each of these methods takes.
_CURRENCIES = {"bacs_debit": "gbp", "sepa_debit": "eur", "us_bank_account": "usd"}
_FORMER_UI_MODES = {"custom": "elements", "embedded": "embedded_page", "hosted": "hosted_page"}
_UI_MODES_SINCE = "2026-03-25"


def check(call: Call) -> str:
    """Refuse what does not go together; the mode."""
    form, mode = call.form, call.form.needed("mode")
    for name, modes in _ONLY_IN.items():
        if name in form and mode not in modes:
            raise refused(f"You can not pass `{name}` in `{mode}` mode.", param=name)
    for one, other in _NOT_BOTH:
        if one in form and other in form:
            message = f"You may only specify one of these parameters: {one}, {other}."
            raise refused(message, param=one)
    for name in _UNSOLD:
        if name in form:
            raise refused(f"This simulator has no checkout with `{name}`.", param=name)
    if Form(form.mapping("invoice_creation")).flag("enabled"):
        raise refused("This simulator makes no invoices.", param="invoice_creation")
    _check_addresses(form, ui_mode(call))
    return mode


def ui_mode(call: Call) -> str:
    """Where the customer sees the page; older versions have shorter names for it."""
    given = call.form.text("ui_mode") or "hosted_page"
    if given in _FORMER_UI_MODES and call.version >= _UI_MODES_SINCE:
        raise not_one_of("ui_mode", tuple(_FORMER_UI_MODES.values()))
    return _FORMER_UI_MODES.get(given, given)


def _check_addresses(form: Form, shown: str) -> None:
    """A hosted page leads back by itself, an embedded one to where its owner says."""
    if shown == "hosted_page":
        _address(form.needed("success_url"), "success_url")
        if form.text("cancel_url"):
            _address(form.needed("cancel_url"), "cancel_url")
        return
    for name in ("success_url", "cancel_url"):
        if name in form:
            raise refused(f"`{name}` can only be used when `ui_mode` is `hosted_page`.", param=name)
    if form.text("redirect_on_completion") != "never":
        _address(form.needed("return_url"), "return_url")


def _address(url: str, name: str) -> None:
    if not url.startswith(("http://", "https://")):
        raise refused("Not a valid URL", "url_invalid", name)


def expires_at(call: Call) -> int:
    given = call.form.integer("expires_at")
    if given is None:
        return call.now + DAY
    if given > call.now + DAY:
        raise refused(
            "The `expires_at` timestamp must be less than 24 hours from Checkout Session creation.",
            param="expires_at",
        )
    if given < call.now + HALF_HOUR:
        raise refused(
            "The `expires_at` timestamp must be at least 30 minutes from Checkout Session "
            "creation.",
            param="expires_at",
        )
    return given


def method_types(form: Form, currency: str | None) -> list[str]:
    """The payment methods to choose from. Named ones must take the currency, allowed ones may."""
    named = form.texts("payment_method_types")
    for kind in named:
        if not _takes(kind, currency):
            raise refused(
                f"The payment method `{kind}` cannot be used with the currency `{currency}`: it "
                f"only supports `{_CURRENCIES[kind]}`.",
                param="payment_method_types",
            )
    without = form.texts("excluded_payment_method_types")
    offered = named or form.texts("allowed_payment_method_types") or ["card"]
    kinds = [kind for kind in offered if kind not in without and _takes(kind, currency)]
    if not kinds:
        raise refused("No payment method types are left for this Checkout Session.")
    return kinds


def _takes(kind: str, currency: str | None) -> bool:
    return not currency or _CURRENCIES.get(kind, currency) == currency


def needed_currency(form: Form) -> str:
    """In setup mode nothing is sold that would have one."""
    if not form.texts("payment_method_types") and not form.texts("allowed_payment_method_types"):
        currency = form.text("currency")
        if currency is None:
            raise missing_parameter("currency")
        return currency.lower()
    return (form.text("currency") or "").lower()
