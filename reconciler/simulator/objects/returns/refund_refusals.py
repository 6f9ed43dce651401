"""What makes a refund inadmissible, in Stripe's words. Rules only: nothing here changes anything.

The wordings are those Stripe sends at 2026-08-26, amounts in the currency of the charge included.
"""

from reconciler.domain.money import major
from reconciler.simulator.kernel.refusals import Refusal, refused
from reconciler.simulator.kernel.world import Book, Call, Json
from reconciler.simulator.objects.payments import charges

# A charge that the bank has taken back, or is about to.
_CHARGED_BACK = ("needs_response", "under_review", "lost")

_SIGNS = {
    "aud": "A$",
    "brl": "R$",
    "cad": "CA$",
    "cny": "CN¥",
    "eur": "€",
    "gbp": "£",
    "hkd": "HK$",
    "ils": "₪",
    "inr": "₹",
    "jpy": "¥",
    "krw": "₩",
    "mxn": "MX$",
    "nzd": "NZ$",
    "twd": "NT$",
    "usd": "$",
    "vnd": "₫",
    "xcd": "EC$",
}


def in_words(amount: int, currency: str) -> str:
    """`$1,040.00`, `¥500`, `CHF 12.50`."""
    sign = _SIGNS.get(currency, f"{currency.upper()} ")
    return f"{sign}{major(amount, currency)}"


def charge_to_refund(call: Call) -> Json:
    """The charge named in the form, or the successful one of the payment intent named there."""
    named, payment = call.form.text("charge"), call.form.text("payment_intent")
    if not named and not payment:
        raise refused(
            "One of the following params should be provided for this request: payment_intent or "
            "charge."
        )
    if named:
        charge = call.book.get("charge", named)
        if payment not in (None, charge["payment_intent"]):
            raise refused(
                f"The charge {named} does not belong to the PaymentIntent {payment}.",
                param="payment_intent",
            )
        return charge
    intent = call.book.get("payment_intent", payment or "", "payment_intent")
    if intent["status"] != "succeeded":
        raise _no_successful_charge(intent["id"])
    return call.book.get("charge", intent["latest_charge"])


def refusal(call: Call, charge: Json, amount: int | None) -> Refusal | None:
    """Why this charge cannot be refunded by so much, or by what is left of it."""
    name, left = charge["id"], charges.refundable(charge)
    if charge["status"] == "failed":
        return _failed(charge)
    if charge["captured"] and charged_back(call.book, charge):
        message = f"Charge {name} has been charged back; cannot issue a refund."
        return refused(message, "charge_disputed")
    if charge["refunded"] or (charge["captured"] and left == 0):
        return refused(f"Charge {name} has already been refunded.", "charge_already_refunded")
    if not charge["captured"]:
        return _uncaptured(charge, amount)
    if amount is not None and amount > left:
        asked, rest = (in_words(value, charge["currency"]) for value in (amount, left))
        return refused(
            f"Refund amount ({asked}) is greater than unrefunded amount on charge ({rest})",
            param="amount",
        )
    return _unfitting(charge, amount) or _nothing_to_give_back(call, charge)


def charged_back(book: Book, charge: Json) -> bool:
    disputes = book.belonging(charge["id"], "disputes", "dispute")
    return any(dispute["status"] in _CHARGED_BACK for dispute in disputes)


def _failed(charge: Json) -> Refusal:
    if charge["payment_intent"]:
        return _no_successful_charge(charge["payment_intent"])
    return refused(
        f"Charge {charge['id']} did not succeed; it cannot be refunded.", "charge_not_refundable"
    )


def _no_successful_charge(intent: str) -> Refusal:
    return refused(
        f"This PaymentIntent ({intent}) does not have a successful charge to refund.",
        "payment_intent_unexpected_state",
        "payment_intent",
    )


def _uncaptured(charge: Json, amount: int | None) -> Refusal | None:
    if charge["payment_intent"]:
        return refused(
            f"This uncaptured Charge was created by a PaymentIntent ({charge['payment_intent']}). "
            "You must cancel the PaymentIntent to reverse the authorization instead of refunding "
            "the Charge directly. For more information, see "
            "https://stripe.com/docs/payments/place-a-hold-on-a-payment-method"
        )
    if amount not in (None, charge["amount"]):
        return refused(
            "You cannot partially refund an uncaptured charge. Instead, capture the charge for an "
            "amount less than the original amount",
            param="amount",
        )
    return None


def _unfitting(charge: Json, amount: int | None) -> Refusal | None:
    """Three-decimal amounts end in 0, also in refunds."""
    if amount is None or amount % 10 == 0 or len(major(1, charge["currency"])) < len("0.001"):
        return None
    return refused(
        "Invalid amount: three-decimal currency amounts must be rounded to the nearest ten.",
        "parameter_invalid_integer",
        "amount",
    )


def _nothing_to_give_back(call: Call, charge: Json) -> Refusal | None:
    if call.form.flag("reverse_transfer") and not charge.get("transfer"):
        return refused(
            f"Cannot reverse the transfer of charge {charge['id']}: the charge has no transfer "
            "associated with it.",
            param="reverse_transfer",
        )
    # A destination charge may well have had none: then there is nothing to give back.
    has_fee = charge["application_fee"] or charge.get("transfer")
    if call.form.flag("refund_application_fee") and not has_fee:
        return refused(
            f"Cannot refund the application fee of charge {charge['id']}: the charge has no "
            "application fee.",
            param="refund_application_fee",
        )
    return None
