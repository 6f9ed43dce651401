"""Follow the PaymentIntents that name invoices: what has become of an invoice is what has become of
them, by whatever path and in whatever order that is heard.

Called for every family of records that changes. Our own PaymentIntents are known by the try that
made them, others' by the invoice in their metadata. Must not call Stripe.
"""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.domain.family import Family
from reconciler.domain.invoices import DEBITABLE, OUTCOMES, InvoiceStatus, today
from reconciler.domain.lifecycle import Kind
from reconciler.domain.payments import payment
from reconciler.domain.snapshot import Snapshot
from reconciler.store import debits, invoices, sendings
from reconciler.store.database import Row, Session

DEBIT = "debit"
"""The kind of our requests for invoices, as `sendings` names them."""

OURS = frozenset({*DEBITABLE, InvoiceStatus.DEBITING, InvoiceStatus.PROCESSING})
MONEY_CAME = frozenset({InvoiceStatus.PAID, InvoiceStatus.REFUNDED})


async def follow_invoices(
    session: Session, families: Mapping[str, list[Snapshot]], now: int
) -> None:
    """The invoices that these payments name stand where the payments say."""
    for id, members in sorted(families.items()):
        family = Family(id, tuple(members))
        for intent in family.of(Kind.PAYMENT_INTENT):
            if intent.detail.get("invoice"):
                await _follow(session, family, intent, now)


async def _follow(session: Session, family: Family, intent: Snapshot, now: int) -> None:
    row = await _payment_row(session, intent, now)
    if row is None:
        return
    status = payment_status(family, intent)
    await invoices.payment_is(session, row["id"], status, now)
    if status in ("succeeded", "processing", "refunded"):
        await _answered(session, row["invoice"], intent, now)
    await settle_invoice(session, row["invoice"], now)


def payment_status(family: Family, intent: Snapshot) -> str:
    """A PaymentIntent's standing for its invoice."""
    found = payment(family)
    if found is not None and found.amount_received:
        return "refunded" if found.status == "refunded" else "succeeded"
    if intent.status == "succeeded":
        return "succeeded"
    if intent.status == "canceled":
        return "cancelled"
    return "processing" if intent.status == "processing" else "open"


async def _payment_row(session: Session, intent: Snapshot, now: int) -> Row | None:
    """The row of this PaymentIntent, made if somebody else made the PaymentIntent; None if there
    is no such invoice."""
    row = await invoices.payment_named(session, intent.id)
    if row is not None:
        return row
    made_by = str(intent.detail.get("debit", ""))
    tried = await debits.get_try(session, made_by) if made_by else None
    if tried is not None and tried["invoice"] == intent.detail["invoice"]:
        await invoices.bind_payment(session, tried["payment"], intent.id, now)
        row = await invoices.payment_named(session, intent.id)
        if row is not None:
            return row
    invoice = str(intent.detail["invoice"])
    if await invoices.get(session, invoice) is None:
        return None
    outside = {
        "id": f"outside:{intent.id}",
        "invoice": invoice,
        "origin": "outside",
        "payment_intent": intent.id,
        "status": "open",
        "amount": intent.amount,
        "currency": intent.currency,
        "created_at": intent.created,
        "updated_at": now,
    }
    await invoices.add_payment(session, outside)
    return await invoices.payment_named(session, intent.id)


async def _answered(session: Session, invoice: str, intent: Snapshot, now: int) -> None:
    """Money that came settles the try that is under way, whether or not it was answered."""
    for tried in await debits.tries(session, invoice):
        if tried["status"] not in ("under_way", "waiting") or tried["step"] in ("cancel", "void"):
            continue
        payments = {row["id"]: row for row in await invoices.payments(session, invoice)}
        if payments[tried["payment"]]["payment_intent"] != intent.id:
            continue
        await debits.settle_try(session, tried["id"], "taken", now)
        await sendings.accepted_as(session, DEBIT, tried["id"], intent.id, now)


async def settle_invoice(session: Session, invoice: str, now: int) -> None:
    """The invoice stands where its payments say. A cancelled one that is paid all the same is
    shown as paid: the money came."""
    row = await invoices.get(session, invoice)
    if row is None:
        return
    statuses = {each["status"] for each in await invoices.payments(session, invoice)}
    status = InvoiceStatus(row["status"])
    if "succeeded" in statuses:
        await _to(session, row, InvoiceStatus.PAID, now)
    elif "refunded" in statuses:
        await _to(session, row, InvoiceStatus.REFUNDED, now)
    elif "processing" in statuses and status in OURS:
        await _to(session, row, InvoiceStatus.PROCESSING, now)
    elif status is InvoiceStatus.PROCESSING or status in MONEY_CAME:
        # What was on its way, or had come, has failed: it is tried again from tomorrow's run on.
        await invoices.move(
            session,
            invoice,
            expected={status},
            status=InvoiceStatus.SCHEDULED,
            now=now,
            next_try_on=_tomorrow(now),
            code="payment_failed",
            message="A payment that had been accepted failed later.",
        )
        await debits.items_settled(session, invoice, OUTCOMES[InvoiceStatus.SCHEDULED])


async def _to(session: Session, row: Row, status: InvoiceStatus, now: int) -> None:
    if row["status"] != status:
        await invoices.move(session, row["id"], expected={row["status"]}, status=status, now=now)
        await debits.items_settled(session, row["id"], OUTCOMES[status])


def _tomorrow(now: int) -> str:
    return today(now + 86400).isoformat()
