"""Invoices: made by a caller, cancelled, and shown.

The same invoice again is the same invoice; another under its id is refused. Must not charge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from reconciler.context import Context
from reconciler.domain.invoice_files import BadLine
from reconciler.domain.invoices import DEBITABLE, Draft, InvoiceStatus, why_not_debitable
from reconciler.domain.refusals import Refusal
from reconciler.gateway.client import Gateway
from reconciler.invoicing.debit import begin_try, claimed
from reconciler.invoicing.follow_debits import HANDLING
from reconciler.invoicing.last_look import Go, Step, held, read_intent
from reconciler.money_out.sending import Sending, prepare, send
from reconciler.oversight.audit import Action, Actor, Audit, record
from reconciler.store import customers, debits, invoices, merchants
from reconciler.store.database import Row, Session

CONTENT = ("customer", "merchant", "amount", "currency", "due_on", "description")


async def create(context: Context, draft: Draft, actor: Actor, reason: str = "") -> Row | Refusal:
    """The invoice as it stands: new, or the one that was there with the same content."""
    async with context.write() as session:
        found = await sort_out(session, [(0, draft)])
        if found.bad:
            return Refusal(found.bad[0].code, found.bad[0].message)
        new = await store(context, session, found.new)
        row = await invoices.get(session, draft.id)
        assert row is not None
        if new:
            after = {name: row[name] for name in CONTENT}
            audited = Audit(actor, Action.INVOICE_CREATED, draft.id, None, after, reason)
            record(session, audited, context.now())
    return row


@dataclass(slots=True)
class SortedOut:
    """Drafts beside what is there: those to be stored, with their merchant filled in, how many are
    there already with the same content, and what is wrong with the others."""

    new: list[Draft]
    unchanged: int
    bad: list[BadLine]


async def sort_out(session: Session, lines: Sequence[tuple[int, Draft]]) -> SortedOut:
    """Every draft, by the number of its line, beside what is there."""
    owners = await customers.known(session, sorted({draft.customer for _, draft in lines}))
    there = await invoices.known(session, [draft.id for _, draft in lines])
    names = sorted({draft.merchant for _, draft in lines if draft.merchant})
    unknown = {name for name in names if await merchants.get(session, name) is None}
    found = SortedOut([], 0, [])
    for line, draft in lines:
        owner = owners.get(draft.customer)
        if owner is None:
            message = f"There is no customer {draft.customer}; create it first."
            found.bad.append(BadLine(line, "customer", "unknown_customer", message))
            continue
        if draft.merchant in unknown:
            message = f"There is no merchant {draft.merchant}; create it first."
            found.bad.append(BadLine(line, "merchant", "unknown_merchant", message))
            continue
        whole = draft if draft.merchant else replace(draft, merchant=owner["merchant"])
        held_row = there.get(draft.id)
        if held_row is None:
            found.new.append(whole)
        elif any(held_row[name] != getattr(whole, name) for name in CONTENT):
            message = f"Invoice {draft.id} exists with other content; use another id."
            found.bad.append(BadLine(line, "id", "invoice_exists", message))
        else:
            found.unchanged += 1
    return found


async def store(context: Context, session: Session, drafts: Sequence[Draft]) -> set[str]:
    """Write down new invoices; the ids of those that nobody else has written down meanwhile."""
    now = context.now()
    empty = dict.fromkeys(("attention", "next_try_on", "failure_code", "failure_message"), "")
    more = {**empty, "status": "open", "created_at": now, "updated_at": now}
    rows = [
        {"id": each.id, **{name: getattr(each, name) for name in CONTENT}, **more}
        for each in drafts
    ]
    return await invoices.insert(session, rows)


# Cancelling.


async def cancel(
    context: Context, stripe: Gateway, id: str, actor: Actor, reason: str = ""
) -> Row | Refusal:
    """The invoice will not be charged. Its open PaymentIntent, if there is one, is cancelled first;
    only when that is seen is the invoice cancelled. Raises StripeUnavailable."""
    known = await held(context, id)
    if known is None:
        return Refusal("unknown_invoice", f"There is no invoice {id}.")
    if known.status is InvoiceStatus.CANCELLED:
        return known.invoice
    if known.payment is not None and known.status in DEBITABLE:
        await read_intent(context, stripe, known.payment["payment_intent"])
        known = await held(context, id)
        assert known is not None
    refusal = why_not_debitable(id, known.status)
    if refusal is not None:
        return refusal
    go = Go(known, Step.CANCEL, "", known.payment["payment_intent"] if known.payment else "")
    sending = await _cancelled(context, go, actor, reason)
    if isinstance(sending, Refusal):
        return sending
    if sending is not None:
        await send(context, stripe, sending, HANDLING)
    async with context.database.read() as session:
        row = await invoices.get(session, id)
    return row or Refusal("unknown_invoice", f"There is no invoice {id}.")


async def _cancelled(
    context: Context, go: Go, actor: Actor, reason: str
) -> Sending | Refusal | None:
    """The invoice is cancelled; or what is to be sent, to cancel its PaymentIntent first."""
    now, id = context.now(), go.held.invoice["id"]
    async with context.write() as session:
        if not await claimed(session, go, now):
            return Refusal("debit_in_progress", f"Invoice {id} has just changed; look again.")
        sending, status = None, InvoiceStatus.DEBITING
        if go.held.payment is None:
            status = InvoiceStatus.CANCELLED
            await invoices.move(
                session, id, expected={InvoiceStatus.DEBITING}, status=status, now=now
            )
        else:
            order = await begin_try(session, context, go, "", step="void")
            sending = await prepare(session, context, order)
        before, after = {"status": go.held.status.value}, {"status": status.value}
        record(session, Audit(actor, Action.INVOICE_CANCELLED, id, before, after, reason), now)
    return sending


# What is shown.


async def shown(context: Context, id: str) -> dict[str, Any] | None:
    """An invoice with its payments and every try."""
    async with context.database.read(snapshot=True) as session:
        row = await invoices.get(session, id)
        if row is None:
            return None
        paid_by = await invoices.payments(session, id)
        tried = await debits.tries(session, id)
    return {
        **invoice_shown(row),
        "payments": [
            {
                "payment_intent": each["payment_intent"] or None,
                "origin": each["origin"],
                "status": each["status"],
                "amount": each["amount"],
                "currency": each["currency"],
            }
            for each in paid_by
        ],
        "tries": [
            {
                name: each[name] or None
                for name in (
                    *("id", "run", "step", "card", "day", "status", "code", "decline_code"),
                    *("advice_code", "message", "created_at"),
                )
            }
            for each in tried
        ],
    }


def invoice_shown(row: Row) -> dict[str, Any]:
    """An invoice as the interface has it."""
    failure = {"code": row["failure_code"], "message": row["failure_message"]}
    return {
        "id": row["id"],
        "customer": row["customer"],
        "merchant": row["merchant"] or None,
        "amount": row["amount"],
        "currency": row["currency"],
        "due_on": row["due_on"],
        "description": row["description"] or None,
        "status": row["status"],
        "attention": row["attention"] or None,
        "next_try_on": row["next_try_on"] or None,
        **({"failure": failure} if row["failure_code"] else {}),
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
    }
