"""What follows for an invoice when Stripe has answered a try of it: the plan, the card, the person.

Runs in the transaction that records the answer, also when the answer comes by a replay or a proof.
Whether money came is not decided here: that is read off the PaymentIntent in `follow_invoices`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from reconciler.context import Context
from reconciler.domain.audit import SERVICE
from reconciler.domain.invoices import (
    OUTCOMES,
    Attention,
    InvoiceStatus,
    Standing,
    after_decline,
    day_of,
    today,
)
from reconciler.domain.retries import Answer, Try, Verdict, verdict
from reconciler.domain.sending import PROVEN_ABSENT, Status
from reconciler.gateway import cards, fields
from reconciler.gateway.client import Gateway
from reconciler.gateway.snapshots import DEBIT_METADATA
from reconciler.invoicing.follow_invoices import DEBIT, settle_invoice
from reconciler.money_out.sending import Handling, Heard, Search, Sending
from reconciler.oversight.audit import Action, Audit, record
from reconciler.store import customers, debits, invoices
from reconciler.store.database import Row, Session

CHARGES = frozenset({"create", "confirm"})
"""Tries that count for the plan: the customer is not there. `present`: it is, and decides itself;
`cancel` and `void` end a PaymentIntent, to open another or none."""

MOVED_ON = frozenset({"succeeded", "processing", "requires_action", "canceled"})

CLOCKS_APART_SECONDS = 3600
CARD_GONE = frozenset({"payment_method", "customer"})


async def _follow(context: Context, session: Session, sending: Sending, heard: Heard) -> None:
    tried = await debits.get_try(session, sending.instruction)
    if tried is None:
        return
    now = context.now()
    if sending.status is Status.ACCEPTED and heard.body:
        await _accepted(session, tried, heard.body, now)
    elif sending.status is Status.REFUSED:
        await _refused(session, tried, sending, heard.error, now)
    else:
        return
    await settle_invoice(session, tried["invoice"], now)
    invoice = await invoices.get(session, tried["invoice"])
    if invoice is not None:
        outcome = OUTCOMES[InvoiceStatus(invoice["status"])]
        await debits.items_settled(session, invoice["id"], outcome)
        after = {"status": invoice["status"], "step": tried["step"], "try": tried["id"]}
        more = {"code": invoice["failure_code"]} if invoice["failure_code"] else {}
        audited = Audit(SERVICE, Action.DEBIT_SETTLED, invoice["id"], None, {**after, **more})
        record(session, audited, now)


async def _accepted(session: Session, tried: Row, body: Mapping[str, Any], now: int) -> None:
    intent = cards.intent_of(body)
    await invoices.bind_payment(session, tried["payment"], intent.id, now)
    if intent.status == "requires_action":
        await debits.settle_try(session, tried["id"], "waiting", now)
        waits = Standing(InvoiceStatus.REQUIRES_CUSTOMER, Attention.AUTHENTICATE)
        await _stand(session, tried["invoice"], waits, Answer(""), "", now)
        return
    if tried["step"] in ("cancel", "void"):
        await _ended(session, tried, intent.status, now)
        return
    if intent.status == "canceled":
        await debits.settle_try(session, tried["id"], "refused", now, code="payment_cancelled")
        await _again_tomorrow(session, tried, now)
        return
    if intent.status in cards.OPEN_STATUSES:
        error = fields.inner(body, "last_payment_error")
        await _declined(session, tried, _answer(error, declined=True), "", now)
        return
    await debits.settle_try(session, tried["id"], "taken", now)


async def _ended(session: Session, tried: Row, status: str, now: int) -> None:
    """A PaymentIntent was to be cancelled. Seen cancelled, another may be opened, or none is."""
    if status != "canceled":
        await debits.settle_try(session, tried["id"], "refused", now, code="not_cancelled")
        await _again_tomorrow(session, tried, now)
        return
    await debits.settle_try(session, tried["id"], "taken", now)
    await invoices.payment_is(session, tried["payment"], "cancelled", now)
    void = tried["step"] == "void"
    next_status = InvoiceStatus.CANCELLED if void else InvoiceStatus.SCHEDULED
    day = "" if void else today(now).isoformat()
    await _stand(session, tried["invoice"], Standing(next_status, "", day), Answer(""), "", now)


async def _refused(
    session: Session, tried: Row, sending: Sending, error: Mapping[str, Any], now: int
) -> None:
    intent = error.get("payment_intent")
    known = fields.text(intent, "id") if isinstance(intent, Mapping) else ""
    if known:
        await invoices.bind_payment(session, tried["payment"], known, now)
    elif tried["step"] == "create":
        await _nothing_made(session, tried, now)
    said = _answer(error, declined=error.get("type") == "card_error")
    said = replace(said, code=said.code or sending.code)
    if sending.code == PROVEN_ABSENT or said.code == "payment_intent_unexpected_state":
        # Nothing happened, or something else did: the next look at the PaymentIntent tells.
        await debits.settle_try(session, tried["id"], "refused", now, code=said.code)
        await _again_tomorrow(session, tried, now)
        return
    if not said.declined and error.get("param") in CARD_GONE:
        await debits.settle_try(session, tried["id"], "refused", now, code=said.code)
        gone = Standing(InvoiceStatus.REQUIRES_CUSTOMER, Attention.NO_CARD)
        await _stand(session, tried["invoice"], gone, said, sending.message, now)
        return
    await _declined(session, tried, said, sending.message, now)


async def _nothing_made(session: Session, tried: Row, now: int) -> None:
    """The request made no PaymentIntent, so the next try opens one. If it was for one that is known
    already, that one stays."""
    for row in await invoices.payments(session, tried["invoice"]):
        if row["id"] == tried["payment"] and not row["payment_intent"]:
            await invoices.payment_is(session, row["id"], "failed", now)


def _answer(error: Mapping[str, Any], *, declined: bool) -> Answer:
    def said(name: str) -> str:
        value = error.get(name)
        return value[:100] if isinstance(value, str) else ""

    return Answer(said("code"), said("decline_code"), said("advice_code"), declined)


async def _declined(session: Session, tried: Row, said: Answer, message: str, now: int) -> None:
    await debits.settle_try(
        session,
        tried["id"],
        "declined" if said.declined else "refused",
        now,
        code=said.code,
        decline_code=said.decline_code,
        advice_code=said.advice_code,
        message=message,
    )
    if verdict(said) is Verdict.NEVER:
        reason = said.decline_code or said.advice_code or said.code
        await customers.bar_card(session, tried["card"], reason)
    standing = after_decline(said, await plan(session, tried["invoice"]), tried["card"])
    if standing.next_try_on:  # never on a day on which the card was tried
        standing = replace(standing, next_try_on=max(standing.next_try_on, _tomorrow(now)))
    await _stand(session, tried["invoice"], standing, said, message, now)


async def plan(session: Session, invoice: str) -> list[Try]:
    """The tries of an invoice that the retry plan counts."""
    rows = await debits.tries(session, invoice)
    counted = [row for row in rows if row["step"] in CHARGES and row["status"] != "refused"]
    return [Try(row["card"], day) for row in counted if (day := day_of(row["day"]))]


async def _stand(
    session: Session, invoice: str, standing: Standing, said: Answer, message: str, now: int
) -> None:
    await invoices.move(
        session,
        invoice,
        expected={InvoiceStatus.DEBITING},
        status=standing.status,
        now=now,
        attention=standing.attention,
        next_try_on=standing.next_try_on,
        code=said.decline_code or said.code,
        message=message,
    )


async def _again_tomorrow(session: Session, tried: Row, now: int) -> None:
    standing = Standing(InvoiceStatus.SCHEDULED, "", _tomorrow(now))
    await _stand(session, tried["invoice"], standing, Answer(""), "", now)


def _tomorrow(now: int) -> str:
    return (today(now) + timedelta(days=1)).isoformat()


def _search(sending: Sending) -> Search:
    """Where the PaymentIntent that a try made is listed. One that only confirms or cancels made
    none: it is settled by what its PaymentIntent is."""
    since = sending.first_sent_at - CLOCKS_APART_SECONDS
    asked: dict[str, Any] = {"created": {"gte": since}}
    customer = sending.parameters.get("customer")
    if customer:
        asked["customer"] = customer
    return Search(cards.PAYMENT_INTENTS, asked, DEBIT_METADATA)


async def _prove(stripe: Gateway, sending: Sending) -> Mapping[str, Any] | None:
    """The PaymentIntent that a try was to confirm or cancel, once it shows that something came of
    it. One that still wants a payment method may be about to be confirmed."""
    path, _, action = sending.path.rpartition("/")
    if action not in ("confirm", "cancel"):
        return None
    body = await stripe.get(path, {})
    return body if fields.text(body, "status") in MOVED_ON else None


HANDLING = Handling(DEBIT, _follow, _search, _prove)
