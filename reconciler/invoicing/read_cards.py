"""Read cards and their set-ups from Stripe, and keep the little that is kept of them.

Events only say that there is something to read: what counts is what Stripe answers, so the order
of events does not matter. Must not keep more of a card than brand, last four digits and expiry.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog

from reconciler.context import Context
from reconciler.domain.audit import SERVICE
from reconciler.domain.invoices import today
from reconciler.domain.snapshot import PLATFORM
from reconciler.gateway import cards, fields
from reconciler.gateway.cards import Card, SetUp
from reconciler.gateway.client import OBJECT_ID, Gateway
from reconciler.gateway.snapshots import CUSTOMER_METADATA
from reconciler.oversight.audit import Action, Audit, record
from reconciler.store import customers, invoices, objects
from reconciler.store.database import Row, Session

log = structlog.get_logger()

PREFIXES = frozenset({"cs", "seti", "pm", "card", "cus"})
"""Ids of what is read here, and not into the records."""

EVENTS = frozenset(
    {
        "checkout.session.completed",
        "checkout.session.expired",
        "setup_intent.succeeded",
        "payment_method.automatically_updated",
        "payment_method.updated",
        "payment_method.detached",
        "customer.deleted",
    }
)


def news(event: Mapping[str, Any], account: str, created: int) -> objects.Fetch | None:
    """What an event says is to be read; None if it is about no card of ours, as far as it shows."""
    type = event.get("type")
    if account != PLATFORM or type not in EVENTS:
        return None
    subject = fields.inner(fields.inner(event, "data"), "object")
    id = fields.text(subject, "id")
    if not OBJECT_ID.fullmatch(id):
        return None
    if type in ("checkout.session.completed", "checkout.session.expired", "setup_intent.succeeded"):
        marked = fields.inner(subject, "metadata")
        if CUSTOMER_METADATA not in marked:
            return None
    return objects.Fetch(id, PLATFORM, str(type), created, 0)


def reads(object_id: str) -> bool:
    """Whether an object is read here."""
    return object_id.partition("_")[0] in PREFIXES


async def read_card_object(context: Context, stripe: Gateway, object_id: str) -> None:
    """What an object says now has been kept, if it is about a customer of ours.

    Raises StripeUnavailable or Unreadable; then nothing was.
    """
    kind = object_id.partition("_")[0]
    read_at = context.now()
    if kind == "cs":
        await read_session(context, stripe, object_id)
    elif kind == "seti":
        done = await cards.set_up(stripe, object_id)
        if done is not None:
            await _keep_set_up(context, done, read_at)
    elif kind == "cus":
        await _read_customer(context, stripe, object_id)
    else:
        await _read_card(context, stripe, object_id)
    async with context.write() as session:
        await objects.settled(session, {object_id: read_at})


async def read_session(context: Context, stripe: Gateway, session_id: str) -> str:
    """A hosted page's status at Stripe (empty if there is none); a card left there is kept."""
    read_at = context.now()
    found = await cards.setup_session(stripe, session_id)
    if found is None:
        return ""
    status, done = found
    if done is not None:
        await _keep_set_up(context, done, read_at)
    async with context.write() as session:
        await customers.setup_seen(session, session_id, status, read_at)
    return status


async def _keep_set_up(context: Context, done: SetUp, read_at: int) -> None:
    if done.status != "succeeded" or done.card is None:
        return
    async with context.write() as session:
        customer = await customers.get(session, done.customer)
        if customer is None or customer["stripe_customer"] != done.stripe_customer:
            log.warning("card.of_nobody", customer=done.customer)
            return
        await keep_card(session, customer["id"], done.card, done.created, read_at)


async def keep_card(
    session: Session, customer: str, card: Card, set_up_at: int, read_at: int
) -> None:
    """The card is saved; the one set up last is the one that is charged, in whatever order they
    are heard of. Invoices that waited for a card are due again."""
    held = await customers.card(session, card.payment_method)
    if held is not None:
        await customers.refresh_card(session, _columns(card, read_at))
        return
    current = await customers.current_card(session, customer)
    newest = current is None or set_up_at >= current["set_up_at"]
    if newest and current is not None:
        await customers.end_card(session, current["payment_method"], "replaced", read_at)
    row = {
        **_columns(card, read_at),
        "customer": customer,
        "barred": "",
        "set_up_at": set_up_at,
        "status": "current" if newest else "replaced",
        "ended_at": 0 if newest else read_at,
    }
    await customers.save_card(session, row)
    due = (
        await invoices.waiting_for_card(session, customer, _day(read_at), read_at) if newest else []
    )
    before = {"last4": current["last4"]} if current else None
    after = {"last4": card.last4, "brand": card.brand, "invoices_due": len(due)}
    record(session, Audit(SERVICE, Action.CARD_SAVED, customer, before, after), read_at)


def _columns(card: Card, read_at: int) -> dict[str, Any]:
    return {
        "payment_method": card.payment_method,
        "brand": card.brand,
        "last4": card.last4,
        "exp_month": card.exp_month,
        "exp_year": card.exp_year,
        "read_at": read_at,
    }


def _day(now: int) -> str:
    return today(now).isoformat()


async def _read_card(context: Context, stripe: Gateway, payment_method: str) -> None:
    async with context.database.read() as session:
        held = await customers.card(session, payment_method)
        owner = await customers.get(session, held["customer"]) if held else None
    if held is None or owner is None:
        return  # a card that nobody saved here
    read_at = context.now()
    found = await cards.card(stripe, payment_method)
    async with context.write() as session:
        await refreshed(session, held, owner, found, read_at)


async def refreshed(
    session: Session, held: Row, owner: Row, found: Card | None, read_at: int
) -> bool:
    """Whether a saved card is still its owner's, after what Stripe said of it has been kept."""
    if found is None or found.customer != owner["stripe_customer"]:
        if held["status"] == "current":
            removed = {"last4": held["last4"]}
            record(session, Audit(SERVICE, Action.CARD_REMOVED, owner["id"], removed), read_at)
        await customers.end_card(session, held["payment_method"], "detached", read_at)
        return False
    await customers.refresh_card(session, _columns(found, read_at))
    return True


async def _read_customer(context: Context, stripe: Gateway, stripe_customer: str) -> None:
    async with context.database.read() as session:
        owner = await customers.by_stripe_customer(session, stripe_customer)
    if owner is None or await cards.customer_exists(stripe, stripe_customer):
        return
    async with context.write() as session:
        await customers.deleted(session, owner["id"], context.now())
