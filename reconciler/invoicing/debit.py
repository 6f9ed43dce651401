"""Debit an invoice from its customer's saved card: look, decide in one transaction, send once.

One PaymentIntent is open for an invoice at any time. It is confirmed again rather than replaced;
where it has to be replaced, it is cancelled and seen cancelled first. Must not send what may have
happened: an unanswered try leaves the invoice `debiting` until `resolve` has proven its outcome.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reconciler.context import Context
from reconciler.domain.invoices import InvoiceStatus, Standing, today
from reconciler.domain.refusals import Refusal
from reconciler.gateway import cards
from reconciler.gateway.client import Gateway
from reconciler.invoicing.follow_debits import HANDLING, plan
from reconciler.invoicing.follow_invoices import DEBIT
from reconciler.invoicing.last_look import Go, Step, look
from reconciler.money_out import claims
from reconciler.money_out.claims import Claim
from reconciler.money_out.sending import Order, Sending, prepare, send
from reconciler.oversight.audit import Action, Actor, Audit, record
from reconciler.store import customers, debits, invoices
from reconciler.store.database import Row, Session

CANCEL_PARAMETERS = {"cancellation_reason": "abandoned"}
MOST_STEPS = 2
"""One to cancel a PaymentIntent that cannot be confirmed, one to open another."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Who wants a debit, why, and as part of what: a request of the API, or a run."""

    actor: Actor
    run: str = ""
    claim: Claim | None = None
    reason: str = ""


async def debit(context: Context, stripe: Gateway, id: str, asked: Asked) -> Row | Refusal:
    """The invoice as it stands after one try, or why there was none.

    Raises StripeUnavailable if Stripe could not be looked at: nothing was begun.
    """
    if asked.claim is not None and asked.claim.instruction:
        return await _now(context, id)  # an earlier attempt of this request has tried it
    for _ in range(MOST_STEPS):
        found = await look(context, stripe, id)
        if isinstance(found, Refusal):
            return found
        if isinstance(found, Standing):
            return await _stand(context, id, found)
        busy = stripe.not_now()
        if busy is not None:
            return busy
        decided = await _decide(context, found, asked)
        if isinstance(decided, Refusal):
            return decided
        await send(context, stripe, decided, HANDLING)
        if found.step is not Step.CANCEL:
            break
    return await _now(context, id)


async def _now(context: Context, id: str) -> Row | Refusal:
    async with context.database.read() as session:
        row = await invoices.get(session, id)
    return row or Refusal("unknown_invoice", f"There is no invoice {id}.")


async def _stand(context: Context, id: str, standing: Standing) -> Row | Refusal:
    """Nothing can be tried until the customer has acted: the invoice says so."""
    async with context.write() as session:
        row = await invoices.get(session, id)
        assert row is not None
        await invoices.move(
            session,
            id,
            expected={row["status"]} - {InvoiceStatus.DEBITING, InvoiceStatus.PROCESSING},
            status=standing.status,
            now=context.now(),
            attention=standing.attention,
            code=row["failure_code"],
            message=row["failure_message"],
        )
    return await _now(context, id)


async def _decide(context: Context, go: Go, asked: Asked) -> Sending | Refusal:
    """What is to be sent, stored with the invoice claimed for it; or what has changed since the
    look."""
    now, id = context.now(), go.held.invoice["id"]
    async with context.write() as session:
        if not await claimed(session, go, now):
            return Refusal("debit_in_progress", f"Invoice {id} has just changed; look at it again.")
        order = await begin_try(session, context, go, asked.run)
        if go.step is not Step.CANCEL:
            if asked.claim is not None:
                await claims.decided(session, asked.claim, order.instruction)
            after = {"try": order.instruction, "step": go.step.value, "run": asked.run}
            audited = Audit(asked.actor, Action.INVOICE_DEBITED, id, None, after, asked.reason)
            record(session, audited, now)
        return await prepare(session, context, order)


async def claimed(session: Session, go: Go, now: int) -> bool:
    """Whether the invoice still stands as it was looked at, and is now `debiting`. False leaves it
    as it is: its status, its open PaymentIntent, its tries or its customer's card have changed."""
    seen, id = go.held, go.held.invoice["id"]
    there = await invoices.locked(session, id)
    if there is None or there["status"] != seen.status:
        return False
    open_now = await invoices.open_payment(session, id)
    if (open_now or {}).get("id") != (seen.payment or {}).get("id"):
        return False
    if tuple(await plan(session, id)) != seen.tries:
        return False
    card = await customers.current_card(session, seen.customer["id"]) if go.card else None
    if go.card and (card is None or card["payment_method"] != go.card or card["barred"]):
        return False
    debiting = InvoiceStatus.DEBITING
    return await invoices.move(session, id, expected={seen.status}, status=debiting, now=now)


async def begin_try(
    session: Session,
    context: Context,
    go: Go,
    run: str,
    *,
    step: str = "",
    return_url: str = "",
) -> Order:
    """A new try in the caller's transaction, and what it asks of Stripe. With an address to come
    back to, the customer is present. `step` names it where it is not what `go` says."""
    now, invoice, id = context.now(), go.held.invoice, context.new_id("dbt")
    payment = go.held.payment["id"] if go.held.payment else context.new_id("inp")
    if go.held.payment is None:
        await invoices.add_payment(
            session,
            {
                "id": payment,
                "invoice": invoice["id"],
                "origin": "ours",
                "payment_intent": "",
                "status": "open",
                "amount": invoice["amount"],
                "currency": invoice["currency"],
                "created_at": now,
                "updated_at": now,
            },
        )
    new: dict[str, Any] = dict.fromkeys(debits.TRY_COLUMNS.split(", "), "")
    new |= {"id": id, "invoice": invoice["id"], "payment": payment, "run": run, "card": go.card}
    new |= {"step": step or go.step.value, "day": today(now).isoformat(), "status": "under_way"}
    await debits.add_try(session, {**new, "created_at": now, "updated_at": now})
    path, parameters = _request(context, go, id, return_url)
    return Order(DEBIT, id, path, parameters, invoice["amount"], invoice["currency"])


def _request(context: Context, go: Go, id: str, return_url: str) -> tuple[str, dict[str, Any]]:
    if go.step is Step.CANCEL:
        return f"{cards.PAYMENT_INTENTS}/{go.intent}/cancel", dict(CANCEL_PARAMETERS)
    confirmation = cards.confirmation(go.card, return_url)
    if go.step is Step.CONFIRM:
        return f"{cards.PAYMENT_INTENTS}/{go.intent}/confirm", confirmation
    invoice = go.held.invoice
    return cards.PAYMENT_INTENTS, cards.debit_parameters(
        amount=invoice["amount"],
        currency=invoice["currency"],
        stripe_customer=go.held.customer["stripe_customer"],
        confirmation=confirmation,
        description=invoice["description"],
        metadata=cards.invoice_metadata(
            invoice["id"], id, context.policy.reading.merchant_key, invoice["merchant"]
        ),
    )
