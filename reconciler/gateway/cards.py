"""Saved cards and debits as Stripe knows them: what is asked of it, and its answers read.

Of a card no more is read than its id, brand, last four digits and expiry: what is not read here
cannot be stored or logged anywhere. Must not decide what to charge.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.gateway import fields
from reconciler.gateway.client import OBJECT_ID, Gateway
from reconciler.gateway.fields import Json, Unreadable
from reconciler.gateway.outcomes import Outcome, StripeUnavailable
from reconciler.gateway.snapshots import CUSTOMER_METADATA, DEBIT_METADATA, INVOICE_METADATA

CUSTOMERS = "/v1/customers"
PAYMENT_INTENTS = "/v1/payment_intents"
CHECKOUT_SESSIONS = "/v1/checkout/sessions"
PAGE = 100

OPEN_STATUSES = frozenset(
    {"requires_payment_method", "requires_confirmation", "requires_action", "requires_capture"}
)
"""A PaymentIntent that can still be confirmed, by somebody."""


@dataclass(frozen=True, slots=True)
class Card:
    """All that is ever read of a saved card. `customer` is empty once it is detached."""

    payment_method: str
    customer: str
    brand: str
    last4: str
    exp_month: int
    exp_year: int


@dataclass(frozen=True, slots=True)
class SetUp:
    """A finished set-up: which of our customers it was for, and the card, when there is one."""

    customer: str
    stripe_customer: str
    created: int
    status: str
    card: Card | None


@dataclass(frozen=True, slots=True)
class Intent:
    """A PaymentIntent as the one who is about to charge needs to know it. `next_url` is where its
    customer goes to confirm; it is never stored."""

    id: str
    status: str
    invoice: str
    amount: int
    currency: str
    payment_method: str
    created: int
    next_url: str


def customer_parameters(id: str, name: str, email: str) -> dict[str, Any]:
    """What a customer of ours is made of at Stripe."""
    told = {key: value for key, value in (("name", name), ("email", email)) if value}
    return {**told, "metadata": {CUSTOMER_METADATA: id}}


def setup_parameters(
    customer: str, stripe_customer: str, currency: str, success_url: str, cancel_url: str
) -> dict[str, Any]:
    """A page of Stripe's on which the customer leaves a card for later.

    https://docs.stripe.com/payments/checkout/save-and-reuse
    """
    mark = {CUSTOMER_METADATA: customer}
    return {
        "mode": "setup",
        "currency": currency,
        "customer": stripe_customer,
        "allowed_payment_method_types": ["card"],
        "success_url": success_url,
        "cancel_url": cancel_url,
        "metadata": mark,
        "setup_intent_data": {"metadata": mark},
    }


def debit_parameters(
    *,
    amount: int,
    currency: str,
    stripe_customer: str,
    confirmation: Mapping[str, Any],
    description: str,
    metadata: Mapping[str, str],
) -> dict[str, Any]:
    """A charge of a saved card, as `confirmation` has it.

    https://docs.stripe.com/payments/save-and-reuse
    """
    told = {"description": description} if description else {}
    return {
        "amount": amount,
        "currency": currency,
        "customer": stripe_customer,
        **confirmation,
        "allowed_payment_method_types": ["card"],
        "confirm": True,
        **told,
        "metadata": dict(metadata),
    }


def confirmation(card: str, return_url: str = "") -> dict[str, Any]:
    """Charge this card: its holder is away, or, with an address to come back to, present."""
    stored = {"card": {"stored_credential_usage": "recurring"}}
    asked: dict[str, Any] = {"payment_method": card, "payment_method_options": stored}
    if return_url:
        return {"payment_method": card, "return_url": return_url}
    return {**asked, "off_session": True}


def invoice_metadata(
    invoice: str, attempt: str, merchant_key: str, merchant: str
) -> Mapping[str, str]:
    """What names an invoice's PaymentIntent, so that it is found again and booked right."""
    owner = {merchant_key: merchant} if merchant else {}
    return {INVOICE_METADATA: invoice, DEBIT_METADATA: attempt, **owner}


async def open_setup_page(
    stripe: Gateway, parameters: Mapping[str, Any], key: str
) -> tuple[str, str, int] | Outcome:
    """The id, address and end of a page for one customer, or what Stripe said instead."""
    outcome = await stripe.post(CHECKOUT_SESSIONS, parameters, key)
    url, id = outcome.body.get("url"), outcome.body.get("id")
    if not isinstance(url, str) or not isinstance(id, str):
        return outcome
    return id, url, fields.seconds(outcome.body, "expires_at", 0)


async def card(stripe: Gateway, payment_method: str) -> Card | None:
    """A saved card as it is now; None if Stripe has no such card. Raises StripeUnavailable."""
    body = await _read(stripe, f"/v1/payment_methods/{_id(payment_method)}")
    return card_of(body) if body is not None else None


async def customer_exists(stripe: Gateway, stripe_customer: str) -> bool:
    """Whether Stripe still has this customer. Raises StripeUnavailable."""
    body = await _read(stripe, f"{CUSTOMERS}/{_id(stripe_customer)}")
    return body is not None and body.get("deleted") is not True


async def setup_session(stripe: Gateway, session: str) -> tuple[str, SetUp | None] | None:
    """A page's status (open, complete, expired), and the set-up it led to. None if there is no such
    page, or it is none of ours. Raises StripeUnavailable."""
    expand = {"expand": ["setup_intent.payment_method"]}
    body = await _read(stripe, f"{CHECKOUT_SESSIONS}/{_id(session)}", expand)
    if body is None or fields.text(body, "mode") != "setup":
        return None
    intent = body.get("setup_intent")
    done = set_up_of(intent) if isinstance(intent, Mapping) else None
    return fields.text(body, "status"), done


async def set_up(stripe: Gateway, setup_intent: str) -> SetUp | None:
    """A set-up and its card. Raises StripeUnavailable."""
    path = f"/v1/setup_intents/{_id(setup_intent)}"
    body = await _read(stripe, path, {"expand": ["payment_method"]})
    return set_up_of(body) if body is not None else None


async def intent(stripe: Gateway, payment_intent: str) -> Intent | None:
    """One PaymentIntent as it is now. Raises StripeUnavailable."""
    body = await _read(stripe, f"{PAYMENT_INTENTS}/{_id(payment_intent)}")
    return intent_of(body) if body is not None else None


async def intents_of_invoice(
    stripe: Gateway, stripe_customer: str, invoice: str, since: int
) -> list[Intent]:
    """Every PaymentIntent of this customer, made since then, that names this invoice: ours and
    others'. Raises StripeUnavailable."""
    asked: dict[str, Any] = {"customer": stripe_customer, "created": {"gte": since}, "limit": PAGE}
    found: list[Intent] = []
    while True:
        body = await stripe.get(PAYMENT_INTENTS, asked)
        rows = fields.rows(body, "data")
        read = [intent_of(row) for row in rows]
        found += [each for each in read if each.invoice == invoice]
        if body.get("has_more") is not True or not read:
            return found
        asked = {**asked, "starting_after": read[-1].id}


def card_of(body: Json) -> Card | None:
    """A saved card from Stripe's JSON; None for another kind of payment method."""
    shown = body.get("card")
    if not isinstance(shown, Mapping):
        return None
    month, year = shown.get("exp_month"), shown.get("exp_year")
    if type(month) is not int or type(year) is not int or not 1 <= month <= 12:
        raise Unreadable("card.exp_month is not a month")
    last4 = fields.text(shown, "last4")
    if len(last4) > 4 or not last4.isalnum():
        raise Unreadable("card.last4 is not four digits")
    return Card(
        fields.text(body, "id"),
        fields.text(body, "customer"),
        fields.text(shown, "brand")[:40],
        last4,
        month,
        year,
    )


def set_up_of(body: Json) -> SetUp:
    """A SetupIntent with its payment method expanded."""
    method = body.get("payment_method")
    return SetUp(
        customer=fields.text(fields.inner(body, "metadata"), CUSTOMER_METADATA),
        stripe_customer=fields.text(body, "customer"),
        created=fields.seconds(body, "created"),
        status=fields.text(body, "status"),
        card=card_of(method) if isinstance(method, Mapping) else None,
    )


def intent_of(body: Json) -> Intent:
    """A PaymentIntent from Stripe's JSON."""
    action = fields.inner(body, "next_action")
    return Intent(
        id=fields.text(body, "id"),
        status=fields.text(body, "status"),
        invoice=fields.text(fields.inner(body, "metadata"), INVOICE_METADATA),
        amount=fields.amount(body, "amount"),
        currency=fields.currency(body),
        payment_method=fields.text(body, "payment_method"),
        created=fields.seconds(body, "created"),
        next_url=_address(fields.inner(action, "redirect_to_url").get("url")),
    )


def _address(url: Any) -> str:
    return url if isinstance(url, str) else ""


async def _read(stripe: Gateway, path: str, params: Mapping[str, Any] | None = None) -> Json | None:
    try:
        return await stripe.get(path, params or {})
    except StripeUnavailable as error:
        if error.missing:
            return None
        raise


def _id(written: str) -> str:
    """An id that may be put into a path. Raises Unreadable."""
    if not OBJECT_ID.fullmatch(written):
        raise Unreadable("the id is not one of Stripe's")
    return written
