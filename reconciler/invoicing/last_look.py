"""The last look before a saved card is charged: at what we hold, then at what Stripe has.

Says what may be done now, or why nothing: refused to whoever asked, or standing still until the
customer has done something. Keeps what it reads. Must not charge anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from reconciler.context import Context
from reconciler.domain.invoices import (
    Attention,
    InvoiceStatus,
    Standing,
    day_of,
    today,
    why_not_debitable,
)
from reconciler.domain.refusals import Refusal
from reconciler.domain.retries import Try, card_has_expired, may_try
from reconciler.domain.snapshot import PLATFORM
from reconciler.gateway import cards
from reconciler.gateway.client import Gateway
from reconciler.gateway.outcomes import Missing
from reconciler.intake.reread import absorb_read
from reconciler.invoicing.follow_debits import plan
from reconciler.invoicing.read_cards import refreshed
from reconciler.store import customers, invoices
from reconciler.store.database import Row

LOOK_BACK_SECONDS = 100 * 86400
"""How long before an invoice was written down somebody else may have begun to charge for it."""


class Step(StrEnum):
    """Closed list: what a try may ask of Stripe next."""

    CREATE = "create"
    CONFIRM = "confirm"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class Held:
    """An invoice and all that belongs to it, as we hold it. `payment` is our open one."""

    invoice: Row
    customer: Row
    card: Row | None
    payment: Row | None
    tries: tuple[Try, ...]

    @property
    def status(self) -> InvoiceStatus:
        return InvoiceStatus(self.invoice["status"])


@dataclass(frozen=True, slots=True)
class Go:
    """What may be done now, with which card; `intent` where a PaymentIntent is there already."""

    held: Held
    step: Step
    card: str
    intent: str = ""


async def held(context: Context, id: str) -> Held | None:
    """What we hold of an invoice; None if there is no such invoice."""
    async with context.database.read(snapshot=True) as session:
        invoice = await invoices.get(session, id)
        if invoice is None:
            return None
        customer = await customers.get(session, invoice["customer"])
        assert customer is not None
        return Held(
            invoice,
            customer,
            await customers.current_card(session, customer["id"]),
            await invoices.open_payment(session, id),
            tuple(await plan(session, id)),
        )


async def look(context: Context, stripe: Gateway, id: str) -> Go | Refusal | Standing:
    """What may be done about an invoice while its customer is away. A `Standing` says that nothing
    can, until the customer acts. Raises StripeUnavailable."""
    known = await held(context, id)
    if known is None:
        return Refusal("unknown_invoice", f"There is no invoice {id}.")
    day = today(context.now())
    first = _ours(known, day)
    if first is not None:
        return first
    asked = await at_stripe(context, stripe, known)
    if asked is not None:
        return asked
    known = await held(context, id)  # with what was read just now
    assert known is not None
    first = _ours(known, day)
    if first is not None or known.card is None:
        return first or Standing(InvoiceStatus.REQUIRES_CUSTOMER, Attention.NO_CARD)
    return await next_step(context, stripe, known, known.card["payment_method"])


def _ours(known: Held, day: date) -> Refusal | Standing | None:
    """What we hold that stands in the way."""
    id, card = known.invoice["id"], known.card
    refusal = why_not_debitable(id, known.status)
    if refusal is not None:
        return refusal
    if known.invoice["attention"] == Attention.AUTHENTICATE:
        return Refusal(
            "customer_must_authenticate",
            f"The bank wants to ask the customer of invoice {id}; send them its pay link.",
        )
    if known.customer["status"] == "creating":
        return Refusal(
            "customer_not_ready", "The customer is still being made at Stripe; try in a minute."
        )
    due = day_of(known.invoice["due_on"])
    if due is not None and due > day:
        return Refusal("not_due", f"Invoice {id} is due on {due}; wait for that day.")
    if known.customer["status"] != "active" or card is None:
        return Standing(InvoiceStatus.REQUIRES_CUSTOMER, Attention.NO_CARD)
    if card["barred"]:
        return Standing(InvoiceStatus.REQUIRES_CUSTOMER, Attention.OTHER_CARD)
    if card_has_expired(card["exp_month"], card["exp_year"], day):
        return Standing(InvoiceStatus.REQUIRES_CUSTOMER, Attention.NEW_CARD)
    if not may_try(known.tries, card["payment_method"], day):
        return Refusal(
            "card_tried_enough",
            f"The card of invoice {id} was tried today, or as often as the networks take well;"
            " try on another day, or have the customer leave another card.",
        )
    return None


async def at_stripe(context: Context, stripe: Gateway, known: Held) -> Refusal | Standing | None:
    """What Stripe has that stands in the way: a deleted customer, a card taken away, or another
    PaymentIntent for this invoice that is paid or could be."""
    now, customer, card = context.now(), known.customer, known.card
    if not await cards.customer_exists(stripe, customer["stripe_customer"]):
        async with context.write() as session:
            await customers.deleted(session, customer["id"], now)
        return Standing(InvoiceStatus.REQUIRES_CUSTOMER, Attention.NO_CARD)
    if card is not None:
        found = await cards.card(stripe, card["payment_method"])
        async with context.write() as session:
            await refreshed(session, card, customer, found, now)
    since = known.invoice["created_at"] - LOOK_BACK_SECONDS
    own = known.payment["payment_intent"] if known.payment else ""
    id = known.invoice["id"]
    for intent in await cards.intents_of_invoice(stripe, customer["stripe_customer"], id, since):
        if intent.id == own or intent.status == "canceled":
            continue
        await read_intent(context, stripe, intent.id)
        if intent.status in cards.OPEN_STATUSES:
            return Refusal(
                "other_payment_open",
                f"PaymentIntent {intent.id} at Stripe is for invoice {id} too and could still be"
                " paid; cancel it there, or let it be paid.",
            )
    return None


async def read_intent(context: Context, stripe: Gateway, payment_intent: str) -> str:
    """The status of a PaymentIntent now, which is then in the records and on its invoice."""
    read_at = context.now()
    found = await stripe.retrieve(payment_intent, PLATFORM, read_at)
    if isinstance(found, Missing):
        return "missing"
    await absorb_read(context, found, read_at)
    return next((s.status for s in found if s.id == payment_intent), "missing")


async def next_step(context: Context, stripe: Gateway, known: Held, card: str) -> Go | Refusal:
    """With the one PaymentIntent that is open, or with a new one; never with a second."""
    intent = known.payment["payment_intent"] if known.payment else ""
    if not known.payment:
        return Go(known, Step.CREATE, card)
    status = await read_intent(context, stripe, intent) if intent else "missing"
    if status in ("requires_payment_method", "requires_confirmation"):
        return Go(known, Step.CONFIRM, card, intent)
    if status in ("requires_action", "requires_capture"):
        return Go(known, Step.CANCEL, card, intent)
    fresh = await held(context, known.invoice["id"])
    assert fresh is not None
    refusal = why_not_debitable(fresh.invoice["id"], fresh.status)
    if refusal is not None:
        return refusal
    if fresh.payment is None:
        return Go(fresh, Step.CREATE, card)
    return Refusal(
        "payment_not_readable",
        f"PaymentIntent {intent or 'of this invoice'} cannot be read at Stripe; look at it there.",
    )
