"""What a charge shows of how it was made: the method, the bank's checks, the verdict on it.

Everything random-looking is derived from ids, so that a run can be repeated. No money moves here.
"""

from datetime import UTC, datetime
from hashlib import blake2b

from reconciler.simulator.kernel.clock import DAY
from reconciler.simulator.kernel.world import Call, Json
from reconciler.simulator.objects.methods.behaviours import Card

HELD_FOR = 7 * DAY
_LONGEST_DESCRIPTOR = 22

# What a charge shows of each kind that is no card. Others show nothing but their kind.
_SHOWN: dict[str, tuple[str, ...]] = {
    "sepa_debit": ("bank_code", "branch_code", "country", "fingerprint", "last4"),
    "us_bank_account": (
        "account_holder_type",
        "account_type",
        "bank_name",
        "fingerprint",
        "last4",
        "routing_number",
    ),
}

# What networks say with a decline, by decline code, or else by code: advice and their own code.
# A decline that never reached a network has neither.
_ADVICE: dict[str, tuple[str, str]] = {
    "generic_decline": ("try_again_later", "01"),
    "insufficient_funds": ("try_again_later", "51"),
    "card_velocity_exceeded": ("try_again_later", "65"),
    "lost_card": ("do_not_try_again", "41"),
    "stolen_card": ("do_not_try_again", "43"),
    "expired_card": ("confirm_card_data", "54"),
    "incorrect_cvc": ("confirm_card_data", "N7"),
    "processing_error": ("try_again_later", "96"),
}

# How a network knows a payment on the web that nobody was asked about.
_COMMERCE = dict.fromkeys(("amex", "diners", "discover", "jcb", "visa"), "07")

_SCORES = {"normal": (5, 60), "elevated": (65, 10), "highest": (75, 25)}


def method_details(call: Call, intent: Json, method: Json, *, approved: bool) -> Json:
    """`payment_method_details` of a charge that was just approved or declined."""
    kind = method["type"]
    if kind == "card":
        return {"card": _card(call, intent, method, approved), "type": "card"}
    shown = {name: method[kind].get(name) for name in _SHOWN.get(kind, ())}
    if kind == "us_bank_account":
        shown["payment_reference"] = None
    mandate = intent.get("_mandate")
    if kind in ("sepa_debit", "us_bank_account") and (mandate or kind == "sepa_debit"):
        shown["mandate"] = mandate
    return {kind: dict(sorted(shown.items())), "type": kind}


def debited(call: Call, details: Json) -> Json:
    """The same, once the bank has been asked for the money."""
    kind = details["type"]
    if kind not in ("sepa_debit", "us_bank_account"):
        return details
    day = datetime.fromtimestamp(call.now, UTC).strftime("%Y-%m-%d")
    return {**details, kind: dict(sorted({**details[kind], "expected_debit_date": day}.items()))}


def _card(call: Call, intent: Json, method: Json, approved: bool) -> Json:
    card, amount = method["card"], intent["amount"]
    asked = intent["payment_method_options"].get("card", {})
    details: Json = {
        "amount_authorized": amount if approved else None,
        "authorization_code": _digits(intent["id"], 6) if approved else None,
        "brand": card["brand"],
        "checks": dict(card["checks"]),
        "country": card["country"],
        "electronic_commerce_indicator": _COMMERCE.get(card["brand"]),
        "exp_month": card["exp_month"],
        "exp_year": card["exp_year"],
        "extended_authorization": {"status": "disabled"},
        "fingerprint": card["fingerprint"],
        "funding": card["funding"],
        "incremental_authorization": _feature(asked, "incremental_authorization"),
        "installments": None,
        "last4": card["last4"],
        "mandate": None,
        "multicapture": _feature(asked, "multicapture"),
        "network": card["brand"],
        "network_token": {"used": False},
        "network_transaction_id": _digits(str(card["fingerprint"]), 15),
        "overcapture": {"maximum_amount_capturable": amount, "status": "unavailable"},
        "regulated_status": card.get("regulated_status") or "unregulated",
        "three_d_secure": _three_d_secure(intent, method),
        "transaction_link_id": None,
        "wallet": None,
    }
    if approved and held(intent, "card"):
        details["capture_before"] = call.now + HELD_FOR
    return dict(sorted(details.items()))


def held(intent: Json, kind: str) -> bool:
    """Whether the money is only held at first, always or with this kind of method."""
    options = (intent.get("payment_method_options") or {}).get(kind) or {}
    return "manual" in (intent["capture_method"], options.get("capture_method"))


def _feature(asked: Json, name: str) -> Json:
    wanted = asked.get(f"request_{name}") == "if_available"
    return {"status": "available" if wanted else "unavailable"}


def _three_d_secure(intent: Json, method: Json) -> Json | None:
    if intent.get("_authenticated") != method["id"]:
        return None
    return {
        "authentication_flow": "challenge",
        "electronic_commerce_indicator": "05",
        "exemption_indicator": None,
        "result": "authenticated",
        "result_reason": None,
        "transaction_id": _digits(f"3ds:{intent['id']}", 20),
        "version": "2.2.0",
    }


def _digits(text: str, count: int) -> str:
    digest = blake2b(text.encode(), digest_size=16).digest()
    return str(int.from_bytes(digest, "big") % 10**count).zfill(count)


# The verdict.


def outcome(charge_id: str, card: Card, code: str | None, decline_code: str | None) -> Json:
    """What became of the attempt and why, as Radar and the network see it."""
    advice, network_code = advice_of(card, code, decline_code)
    verdict: Json = {
        "advice_code": advice,
        "network_advice_code": None,
        "network_decline_code": network_code,
        "network_status": "declined_by_network" if code else "approved_by_network",
        "reason": decline_code or code,
        "risk_level": card.risk,
        "risk_score": _score(charge_id, card.risk),
        "seller_message": _seller_message(code, decline_code),
        "type": "issuer_declined" if code else "authorized",
    }
    if card.blocked:
        verdict.update(
            network_status="not_sent_to_network",
            reason="highest_risk_level",
            seller_message="Stripe blocked this payment as too risky.",
            type="blocked",
        )
    elif not code and card.risk == "elevated":
        verdict.update(
            reason="elevated_risk_level",
            seller_message=(
                "Stripe evaluated this payment as having elevated risk, and placed it in your "
                "manual review queue."
            ),
            type="manual_review",
        )
    return verdict


def advice_of(card: Card, code: str | None, decline_code: str | None) -> tuple[str | None, ...]:
    """Advice and network code of a decline; none where no network was asked."""
    if code is None or card.blocked or card.kind != "card" or card.authentication == "required":
        return None, None
    return _ADVICE.get(decline_code or code, (None, None))


def _seller_message(code: str | None, decline_code: str | None) -> str:
    if code is None:
        return "Payment complete."
    reason = decline_code or code
    if reason == "generic_decline":
        return "The bank did not return any further details with this decline."
    return f"The bank returned the decline code `{reason}`."


def _score(charge_id: str, risk: str) -> int:
    least, span = _SCORES.get(risk, _SCORES["normal"])
    return least + int(_digits(charge_id, 9)) % span


# What the customer sees.


def statement(call: Call, intent: Json, kind: str) -> str | None:
    """The text on the statement of a card: capitals, at most 22 signs."""
    if kind != "card":
        return None
    whole, suffix = intent["statement_descriptor"], intent["statement_descriptor_suffix"]
    text = whole or _said(call, intent, "payments", "statement_descriptor") or "Stripe"
    if suffix:
        before = prefix(call, intent) or text[: _LONGEST_DESCRIPTOR - len(suffix) - 2]
        text = f"{before}* {suffix}"
    return str(text).upper()[:_LONGEST_DESCRIPTOR]


def prefix(call: Call, intent: Json) -> str | None:
    """What the account has before every addition to its name."""
    return _said(call, intent, "card_payments", "statement_descriptor_prefix")


def _said(call: Call, intent: Json, part: str, name: str) -> str | None:
    """In the settings of whoever the customer deals with, or else of the platform."""
    dealt_with = call.world.books.get(intent["on_behalf_of"] or "", call.book)
    for book in (dealt_with, call.world.home):
        settings = book.account.get("settings") or {}
        said: str | None = (settings.get(part) or {}).get(name)
        if said:
            return said
    return None


def receipt(call: Call, charge_id: str) -> str:
    token = blake2b(f"{call.book.id}:{charge_id}".encode(), digest_size=24).hexdigest()
    return f"https://pay.stripe.com/receipts/payment/{token}"
