"""The page on which a customer settles an invoice that could not be charged without them.

Its address is unguessable, expires, and is kept as a digest only. From it the customer is sent to
their bank, for the invoice's one PaymentIntent, or to Stripe's page to leave another card. Must not
show more of the invoice than its customer knows, and nothing of other invoices.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from reconciler.context import Context
from reconciler.domain.audit import SERVICE
from reconciler.domain.invoices import DEBITABLE, InvoiceStatus, today, why_not_debitable
from reconciler.domain.refusals import Refusal
from reconciler.domain.retries import card_has_expired
from reconciler.gateway import cards
from reconciler.gateway.client import Gateway
from reconciler.invoicing.card_setup import Page, start, unusable
from reconciler.invoicing.debit import MOST_STEPS, begin_try, claimed
from reconciler.invoicing.follow_debits import HANDLING
from reconciler.invoicing.last_look import Held, Step, at_stripe, held, next_step, read_intent
from reconciler.money_out.sending import prepare, send
from reconciler.oversight.audit import Action, Actor, Audit, record
from reconciler.store import customers, invoices, merchants
from reconciler.store.database import Row

LINK_SECONDS = 7 * 86400
PATH = "/pay/"
LONGEST_TOKEN = 80


@dataclass(frozen=True, slots=True)
class PayLink:
    """An address that leads to one invoice's page until then."""

    url: str
    expires_at: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What the page shows. `card` is the saved one, and `usable` whether it may be charged. `payee`
    is the merchant's name; empty for the platform's own invoices."""

    invoice: Row
    payee: str
    card: Row | None
    usable: bool
    expires_at: int


@dataclass(frozen=True, slots=True)
class Away:
    """Where the customer goes next, away from here."""

    url: str


async def link(context: Context, id: str, actor: Actor, reason: str = "") -> PayLink | Refusal:
    """A fresh address for an invoice's page; those given out before go on working."""
    token, now = context.new_id("pay"), context.now()
    expires_at = now + LINK_SECONDS
    async with context.write() as session:
        row = await invoices.get(session, id)
        if row is None:
            return Refusal("unknown_invoice", f"There is no invoice {id}.")
        if InvoiceStatus(row["status"]) not in DEBITABLE:
            refusal = why_not_debitable(id, InvoiceStatus(row["status"]))
            assert refusal is not None
            return refusal
        await invoices.add_link(session, _digest(token), id, now, expires_at)
        after = {"expires_at": expires_at}
        record(session, Audit(actor, Action.PAY_LINK_MADE, id, None, after, reason), now)
    return PayLink(f"{context.base_url}{PATH}{token}", expires_at)


async def seen(context: Context, token: str) -> Seen | None:
    """What a living link shows; None for any other address."""
    if len(token) > LONGEST_TOKEN:
        return None
    now = context.now()
    async with context.database.read(snapshot=True) as session:
        row = await invoices.linked(session, _digest(token), now)
        if row is None:
            return None
        card = await customers.current_card(session, row["customer"])
        merchant = await merchants.get(session, row["merchant"]) if row["merchant"] else None
    payee = merchant["name"] if merchant else ""
    usable = card is not None and not card["barred"]
    if card is not None and card_has_expired(card["exp_month"], card["exp_year"], today(now)):
        usable = False
    return Seen(row, payee, card, usable, row["expires_at"])


async def look_again(context: Context, stripe: Gateway, token: str) -> None:
    """The customer comes back from their bank: the invoice's PaymentIntent is read. Raises
    StripeUnavailable."""
    found = await seen(context, token)
    known = await held(context, found.invoice["id"]) if found else None
    if known is None or known.payment is None or not known.payment["payment_intent"]:
        return
    if known.status in (*DEBITABLE, InvoiceStatus.PROCESSING):
        await read_intent(context, stripe, known.payment["payment_intent"])


async def pay(context: Context, stripe: Gateway, token: str) -> Away | Row | Refusal:
    """The customer is present and pays with the saved card: to their bank, if it asks; else the
    invoice as it then stands. Raises StripeUnavailable."""
    found = await seen(context, token)
    if found is None:
        return Refusal("unknown_link", "This link has expired or is wrong; ask for a new one.")
    id = found.invoice["id"]
    known = await held(context, id)
    assert known is not None
    refusal = why_not_debitable(id, known.status) or unusable(known.customer["id"], known.customer)
    if refusal is not None:
        return refusal
    if known.card is None or not found.usable:
        return Refusal("no_usable_card", "The saved card cannot be charged; leave another one.")
    waiting = await _at_the_bank(stripe, known)
    if waiting is not None:
        return waiting
    back = f"{context.base_url}{PATH}{token}?stripe=return"
    for _ in range(MOST_STEPS):
        outcome = await _present(context, stripe, id, back)
        if outcome is not None:
            return outcome
    return Refusal("debit_in_progress", "Your payment is being looked after; load the page again.")


async def _at_the_bank(stripe: Gateway, known: Held) -> Away | None:
    """Where a PaymentIntent that already waits for the bank's answer sends its customer."""
    intent = known.payment["payment_intent"] if known.payment else ""
    now = await cards.intent(stripe, intent) if intent else None
    if now is None or now.status != "requires_action" or not now.next_url:
        return None
    return Away(now.next_url)


async def _present(
    context: Context, stripe: Gateway, id: str, return_url: str
) -> Away | Row | Refusal | None:
    """One request while the customer is here. None: an earlier PaymentIntent was put away, and the
    next request may open another."""
    known = await held(context, id)
    assert known is not None
    blocked = await at_stripe(context, stripe, known)
    if isinstance(blocked, Refusal):
        return blocked
    if blocked is not None or known.card is None:
        return Refusal("no_usable_card", "The saved card cannot be charged; leave another one.")
    go = await next_step(context, stripe, known, known.card["payment_method"])
    if isinstance(go, Refusal):
        return go
    busy = stripe.not_now()
    if busy is not None:
        return busy
    now = context.now()
    async with context.write() as session:
        if not await claimed(session, go, now):
            return Refusal("debit_in_progress", "Something has just changed; load the page again.")
        step = "" if go.step is Step.CANCEL else "present"
        order = await begin_try(session, context, go, "", step=step, return_url=return_url)
        after = {"try": order.instruction, "step": step or go.step.value, "by": "the customer"}
        record(session, Audit(SERVICE, Action.INVOICE_DEBITED, id, None, after), now)
        sending = await prepare(session, context, order)
    await send(context, stripe, sending, HANDLING)
    if go.step is Step.CANCEL:
        return None
    after_all = await held(context, id)
    assert after_all is not None
    return await _at_the_bank(stripe, after_all) or after_all.invoice


async def new_card(context: Context, stripe: Gateway, token: str) -> Page | Refusal:
    """Stripe's page on which the customer leaves another card, and comes back here. Raises
    StripeUnavailable."""
    found = await seen(context, token)
    if found is None:
        return Refusal("unknown_link", "This link has expired or is wrong; ask for a new one.")
    refusal = why_not_debitable(found.invoice["id"], InvoiceStatus(found.invoice["status"]))
    if refusal is not None:
        return refusal
    return await start(
        context,
        stripe,
        found.invoice["customer"],
        SERVICE,
        currency=found.invoice["currency"],
        back=f"{context.base_url}{PATH}{token}",
    )


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
