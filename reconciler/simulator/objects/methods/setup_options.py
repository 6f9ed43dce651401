"""`payment_method_options` of a setup intent: what of it is shown, kind by kind.

Only of cards is there something to say when nothing was given.
"""

from typing import Any

from reconciler.simulator.kernel.form import Form, whole
from reconciler.simulator.kernel.world import Json

_CARD: Json = {
    "mandate_options": None,
    "network": None,
    "request_three_d_secure": "automatic",
}
_MANDATE_TEXTS = ("amount_type", "currency", "description", "interval", "reference")
_MANDATE_NUMBERS = ("amount", "end_date", "interval_count", "start_date")
_PLAIN = {
    "acss_debit": ("currency", "verification_method"),
    "us_bank_account": ("verification_method",),
}


def chosen(form: Form, kinds: list[str], before: Json | None = None) -> Json:
    """The options after what the form says of them, for the kinds that are taken."""
    given, known = form.mapping("payment_method_options"), before or {}
    found: Json = {}
    for kind in sorted(kinds):
        said: Any = given.get(kind)
        shown = {**known.get(kind, {}), **_said(kind, said if isinstance(said, dict) else {})}
        if kind == "card":
            found[kind] = {**_CARD, **shown}
        elif shown:
            found[kind] = shown
    return found


def _said(kind: str, given: Json) -> Json:
    if kind == "card":
        said = {name: given[name] for name in _CARD if given.get(name)}
        if isinstance(said.get("mandate_options"), dict):
            said["mandate_options"] = _card_mandate(said["mandate_options"])
        return said
    if kind == "sepa_debit":
        options: Any = given.get("mandate_options")
        prefix = options.get("reference_prefix") if isinstance(options, dict) else None
        return {"mandate_options": {"reference_prefix": prefix}} if prefix else {}
    return {name: given[name] for name in _PLAIN.get(kind, ()) if given.get(name)}


def _card_mandate(given: Json) -> Json:
    shown: Json = {name: given.get(name) for name in _MANDATE_TEXTS}
    for name in _MANDATE_NUMBERS:
        shown[name] = whole(name, given.get(name))
    shown["supported_types"] = given.get("supported_types")
    return dict(sorted(shown.items()))
