"""Stripe's test cards: what each payment method makes happen.

A table and its reading, nothing else. An unknown `pm_card_…` is refused, never treated as good.
"""

from dataclasses import dataclass

from reconciler.simulator.kernel.world import Call, Json


@dataclass(frozen=True)
class Card:
    last4: str
    brand: str = "visa"
    country: str = "US"
    bypasses_pending: bool = False
    code: str | None = None
    decline_code: str | None = None
    dispute: str | None = None
    inquiry: bool = False
    refund: str = "succeeds"
    authentication: bool = False

    @property
    def declines(self) -> bool:
        return self.code is not None


def _declined(last4: str, decline_code: str) -> Card:
    return Card(last4, code="card_declined", decline_code=decline_code)


CARDS: dict[str, Card] = {
    "pm_card_visa": Card("4242"),
    "pm_card_mastercard": Card("4444", brand="mastercard"),
    "pm_card_bypassPending": Card("0077", bypasses_pending=True),
    "pm_card_bypassPendingInternational": Card("0278", country="BR", bypasses_pending=True),
    "pm_card_createDispute": Card("0259", dispute="fraudulent"),
    "pm_card_createDisputeProductNotReceived": Card("2685", dispute="product_not_received"),
    "pm_card_createDisputeInquiry": Card("1976", dispute="fraudulent", inquiry=True),
    "pm_card_pendingRefund": Card("7726", refund="pends"),
    "pm_card_refundFail": Card("5126", refund="fails"),
    "pm_card_authenticationRequired": Card("3184", authentication=True),
    "pm_card_visa_chargeDeclined": _declined("0002", "generic_decline"),
    "pm_card_visa_chargeDeclinedInsufficientFunds": _declined("9995", "insufficient_funds"),
    "pm_card_visa_chargeDeclinedLostCard": _declined("9987", "lost_card"),
    "pm_card_visa_chargeDeclinedStolenCard": _declined("9979", "stolen_card"),
    "pm_card_chargeDeclinedExpiredCard": Card("0069", code="expired_card"),
    "pm_card_chargeDeclinedProcessingError": Card("0119", code="processing_error"),
}

MESSAGES = {
    "authentication_required": "Your card was declined. This transaction requires authentication.",
    "card_declined": "Your card was declined.",
    "expired_card": "Your card has expired.",
    "processing_error": "An error occurred while processing your card. Try again in a little bit.",
    "insufficient_funds": "Your card has insufficient funds.",
}


def card_of(method: Json) -> Card:
    """What a stored payment method makes happen."""
    return CARDS[method["_card"]]


def method_for(call: Call, given: str) -> Json:
    """The payment method of this id; a `pm_card_…` makes a new one, as at Stripe."""
    if given in CARDS:
        return _new_method(call, given)
    return call.book.get("payment_method", given, "payment_method")


def details(card: Card, amount: int) -> Json:
    """`payment_method_details` of a charge."""
    return {
        "card": {
            "amount_authorized": amount,
            "brand": card.brand,
            "country": card.country,
            "exp_month": 12,
            "exp_year": 2034,
            "fingerprint": f"simulated{card.last4}",
            "funding": "credit",
            "last4": card.last4,
            "mandate": None,
            "network": card.brand,
            "three_d_secure": None,
            "wallet": None,
        },
        "type": "card",
    }


def retrieve(call: Call) -> Json:
    given = call.path["id"]
    if given in CARDS:
        return _new_method(call, given)
    return call.book.get("payment_method", given)


def attach(call: Call) -> Json:
    """The payment method belongs to the customer from now on."""
    customer = call.book.get("customer", call.form.needed("customer"), "customer")
    method = method_for(call, call.path["id"])
    method["customer"] = customer["id"]
    return method


def _new_method(call: Call, name: str) -> Json:
    card = CARDS[name]
    method: Json = {
        "id": call.world.ids.new("pm"),
        "object": "payment_method",
        "_card": name,
        "allow_redisplay": "unspecified",
        "billing_details": blank_billing(),
        "card": {
            "brand": card.brand,
            "country": card.country,
            "display_brand": card.brand,
            "exp_month": 12,
            "exp_year": 2034,
            "fingerprint": f"simulated{card.last4}",
            "funding": "credit",
            "last4": card.last4,
            "three_d_secure_usage": {"supported": True},
            "wallet": None,
        },
        "created": call.now,
        "customer": None,
        "customer_account": None,
        "livemode": False,
        "metadata": {},
        "type": "card",
    }
    return call.world.put(call.book, "payment_method", method)


def blank_billing() -> Json:
    lines = ("city", "country", "line1", "line2", "postal_code", "state")
    address = dict.fromkeys(lines)
    return {"address": address, "email": None, "name": None, "phone": None, "tax_id": None}
