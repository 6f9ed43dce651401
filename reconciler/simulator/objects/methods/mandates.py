"""Mandates: a customer's word that their account may be debited, once or again and again."""

import base64
from typing import Any

from reconciler.simulator.kernel.refusals import refused
from reconciler.simulator.kernel.world import Call, Json
from reconciler.simulator.objects.notices import events

NEEDED_BY = (
    "acss_debit",
    "au_becs_debit",
    "bacs_debit",
    "nz_bank_account",
    "sepa_debit",
    "us_bank_account",
)
"""The kinds that cannot be debited without one."""


def make(call: Call, method: Json, data: Json, single_use: Json | None = None) -> Json:
    """The mandate that `mandate_data` describes, active from now on."""
    kind, mandate_id = method["type"], call.world.ids.new("mandate")
    mandate: Json = {
        "id": mandate_id,
        "object": "mandate",
        "customer_acceptance": _acceptance(call, data.get("customer_acceptance") or {}),
        "livemode": False,
        "payment_method": method["id"],
        "payment_method_details": {kind: _details(call, kind, mandate_id), "type": kind},
        "status": "active",
        "type": "single_use" if single_use else "multi_use",
    }
    if single_use:
        currency = str(single_use["currency"]).lower()
        mandate["single_use"] = {"amount": int(single_use["amount"]), "currency": currency}
    else:
        mandate["multi_use"] = {}
        method["_mandate"] = mandate_id
    return call.world.put(call.book, "mandate", mandate)


def of_method(call: Call, method: Json) -> Json | None:
    """The standing mandate of a payment method, while it is active."""
    found = call.book.shelf("mandate").get(method.get("_mandate") or "")
    return found if found and found["status"] == "active" else None


def needed(call: Call, method: Json, given: str | None, data: Json | None, intent: str) -> bool:
    """Whether a new one has to be made; refuse if there is none and nothing to make it from."""
    if given is not None:
        _active(call.book.get("mandate", given, "mandate"), method, intent)
        return False
    if data:
        return True
    if method["type"] in NEEDED_BY and of_method(call, method) is None:
        raise refused(
            f"This {intent} requires a mandate, but no existing mandate was found. Collect mandate "
            "acceptance from the customer and try again, providing acceptance data in the "
            "mandate_data parameter.",
            f"{_CODES[intent]}_mandate_invalid",
        )
    return False


def used(call: Call, mandate: str) -> None:
    """A mandate for one payment ends with that payment."""
    thing = call.book.get("mandate", mandate)
    if thing["type"] == "single_use":
        events.amend(call, thing, {"status": "inactive"}, "mandate.updated")


def retrieve(call: Call) -> Json:
    return call.book.get("mandate", call.path["id"])


_CODES = {"PaymentIntent": "payment_intent", "SetupIntent": "setup_intent"}


def _active(mandate: Json, method: Json, intent: str) -> None:
    if mandate["status"] != "active" or mandate["payment_method"] != method["id"]:
        raise refused(
            f"The provided mandate is invalid: {mandate['id']} is {mandate['status']}, for the "
            f"payment method {mandate['payment_method']}.",
            f"{_CODES[intent]}_mandate_invalid",
            "mandate",
        )


def _acceptance(call: Call, given: Json) -> Json:
    accepted: dict[str, Any] = {"accepted_at": int(given.get("accepted_at") or call.now)}
    how = given.get("type") or "online"
    accepted[how] = dict(given.get(how) or {}) if how == "online" else {}
    return {**accepted, "type": how}


def _details(call: Call, kind: str, mandate: str) -> Json:
    if kind != "sepa_debit":
        return {}
    seal = base64.b32encode(mandate[-10:].encode()).decode()
    url = f"https://payments.stripe.com/sepa_debit/mandate/{mandate}"
    return {"reference": seal[:16], "url": url}
