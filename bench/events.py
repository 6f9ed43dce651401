"""Events as Stripe sends them, and their signatures: the same bytes for every side of a bench."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from reconciler.context import STRIPE_API_VERSION

CURRENCY = "usd"


@dataclass(frozen=True, slots=True)
class Sent:
    """One event of a payment: its id, type and moment, and the body that is signed."""

    id: str
    type: str
    created: int
    body: bytes


def amount_of(number: int) -> int:
    """What payment `number` moves, in minor units."""
    return 1_000 + number % 9_000


def merchant_of(number: int, merchants: int = 50) -> str:
    return f"merchant_{number % merchants:04d}"


def payments(first: int, count: int, now: int) -> Iterator[Sent]:
    """The three events of each payment, numbered from `first`; Stripe's clock steps between them,
    as it does when a customer takes a while."""
    for number in range(first, first + count):
        intent, charge = f"pi_3{number:020d}", f"ch_3{number:020d}"
        steps = (
            ("payment_intent.created", _intent(number, intent, "", now)),
            ("charge.succeeded", _charge(number, charge, intent, now)),
            ("payment_intent.succeeded", _intent(number, intent, charge, now)),
        )
        for step, (type, subject) in enumerate(steps):
            yield _event(f"evt_3{number:018d}{step}", type, subject, now + step)


def signature(body: bytes, secret: str, at: int) -> str:
    """The Stripe-Signature header of this body. https://docs.stripe.com/webhooks/signatures"""
    signed = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256)
    return f"t={at},v1={signed.hexdigest()}"


def _event(id: str, type: str, subject: dict[str, Any], created: int) -> Sent:
    body = {
        "id": id,
        "object": "event",
        "api_version": STRIPE_API_VERSION,
        "created": created,
        "data": {"object": subject},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": f"req_{id[4:18]}", "idempotency_key": f"key-{id}"},
        "type": type,
    }
    return Sent(id, type, created, msgspec.json.encode(body))


def _metadata(number: int) -> dict[str, str]:
    return {
        "merchant_id": merchant_of(number),
        "platform_fee": str(amount_of(number) // 20),
        "order_id": f"order-{number}",
    }


def _intent(number: int, id: str, charge: str, now: int) -> dict[str, Any]:
    amount = amount_of(number)
    return {
        "id": id,
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": amount if charge else 0,
        "application": None,
        "automatic_payment_methods": {"allow_redirects": "always", "enabled": True},
        "canceled_at": None,
        "capture_method": "automatic_async",
        "client_secret": f"{id}_secret_0123456789abcdefghijklmno",
        "confirmation_method": "automatic",
        "created": now,
        "currency": CURRENCY,
        "customer": f"cus_{number:014d}",
        "description": f"Order {number}, two items and delivery",
        "last_payment_error": None,
        "latest_charge": charge or None,
        "livemode": False,
        "metadata": _metadata(number),
        "next_action": None,
        "payment_method": f"pm_1{number:020d}",
        "payment_method_options": {
            "card": {"installments": None, "network": None, "request_three_d_secure": "automatic"}
        },
        "payment_method_types": ["card", "link"],
        "receipt_email": f"customer{number}@example.com",
        "setup_future_usage": None,
        "shipping": None,
        "source": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "succeeded" if charge else "requires_payment_method",
        "transfer_data": None,
        "transfer_group": None,
    }


def _charge(number: int, id: str, intent: str, now: int) -> dict[str, Any]:
    amount = amount_of(number)
    return {
        "id": id,
        "object": "charge",
        "amount": amount,
        "amount_captured": amount,
        "amount_refunded": 0,
        "balance_transaction": None,
        "billing_details": {"address": {"country": "US", "postal_code": "94107"}, "name": None},
        "captured": True,
        "created": now,
        "currency": CURRENCY,
        "customer": f"cus_{number:014d}",
        "description": f"Order {number}, two items and delivery",
        "disputed": False,
        "failure_code": None,
        "failure_message": None,
        "livemode": False,
        "metadata": _metadata(number),
        "outcome": {
            "network_status": "approved_by_network",
            "risk_level": "normal",
            "risk_score": 11,
            "seller_message": "Payment complete.",
            "type": "authorized",
        },
        "paid": True,
        "payment_intent": intent,
        "payment_method": f"pm_1{number:020d}",
        "payment_method_details": {
            "card": {
                "brand": "visa",
                "country": "US",
                "exp_month": 12,
                "exp_year": 2030,
                "funding": "credit",
                "last4": "4242",
                "network": "visa",
            },
            "type": "card",
        },
        "receipt_url": f"https://pay.stripe.com/receipts/payment/{number:040d}",
        "refunded": False,
        "status": "succeeded",
        "transfer_group": None,
    }
