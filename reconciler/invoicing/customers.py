"""Customers of ours, each made once at Stripe, and what is shown of them and their cards.

A customer is stored first and made at Stripe through `sending`, so that a lost answer makes no
second one. Must not touch card data: cards are left on Stripe's own pages.
"""

from __future__ import annotations

from typing import Any

from reconciler.context import Context
from reconciler.domain.invoices import id_rule, is_id, today
from reconciler.domain.refusals import Refusal
from reconciler.domain.retries import card_has_expired
from reconciler.domain.sending import Status
from reconciler.gateway import cards
from reconciler.gateway.client import Gateway
from reconciler.gateway.snapshots import CUSTOMER_METADATA
from reconciler.money_out.sending import Handling, Heard, Order, Search, Sending, prepare, send
from reconciler.oversight.audit import Action, Actor, Audit, record
from reconciler.store import customers, merchants
from reconciler.store.database import Row, Session

KIND = "customer"
CLOCKS_APART_SECONDS = 3600


async def create(
    context: Context,
    stripe: Gateway,
    customer: str,
    name: str,
    email: str,
    merchant: str,
    actor: Actor,
    *,
    reason: str = "",
) -> Row | Refusal:
    """The customer as it stands after one attempt to make it at Stripe. The same again is the same
    customer; another under its id is refused."""
    if not is_id(customer):
        return Refusal("bad_id", f"{id_rule('id').capitalize()}.")
    busy = stripe.not_now()
    if busy is not None:
        return busy
    wanted = _row(customer, name, email, merchant, context.now())
    decided = await _decide(context, wanted, actor, reason)
    if isinstance(decided, Refusal):
        return decided
    if decided is not None:
        await send(context, stripe, decided, HANDLING)
    async with context.database.read() as session:
        row = await customers.get(session, customer)
    assert row is not None
    return row


def _row(customer: str, name: str, email: str, merchant: str, now: int) -> dict[str, Any]:
    return {
        "id": customer,
        "name": name,
        "email": email,
        "merchant": merchant,
        "stripe_customer": "",
        "status": "creating",
        "failure_code": "",
        "failure_message": "",
        "created_at": now,
        "updated_at": now,
    }


async def _decide(
    context: Context, row: dict[str, Any], actor: Actor, reason: str
) -> Sending | Refusal | None:
    """What is to be sent; nothing if the customer is there already, or being made."""
    now, customer, merchant = context.now(), row["id"], row["merchant"]
    async with context.write() as session:
        if merchant and await merchants.get(session, merchant) is None:
            return Refusal("unknown_merchant", f"There is no merchant {merchant}; create it first.")
        if not await customers.insert(session, row):
            before = await customers.get(session, customer)
            assert before is not None
            if any(before[key] != row[key] for key in ("name", "email", "merchant")):
                return Refusal(
                    "customer_exists",
                    f"Customer {customer} exists with other details; use another id.",
                )
            if not await customers.tried_again(session, customer, now):
                return None
        after = {"merchant": merchant}  # no name, no address: these rows can never be erased
        audited = Audit(actor, Action.CUSTOMER_CREATED, customer, None, after, reason)
        record(session, audited, now)
        parameters = cards.customer_parameters(customer, row["name"], row["email"])
        return await prepare(session, context, Order(KIND, customer, cards.CUSTOMERS, parameters))


async def _follow(context: Context, session: Session, sending: Sending, heard: Heard) -> None:
    now = context.now()
    if sending.status is Status.ACCEPTED:
        await customers.made(session, sending.instruction, sending.stripe_object, now)
    elif sending.status is Status.REFUSED:
        await customers.not_made(session, sending.instruction, sending.code, sending.message, now)


def _search(sending: Sending) -> Search:
    since = sending.first_sent_at - CLOCKS_APART_SECONDS
    return Search(cards.CUSTOMERS, {"created": {"gte": since}}, CUSTOMER_METADATA)


HANDLING = Handling(KIND, _follow, _search)


async def shown(context: Context, customer: str) -> dict[str, Any] | None:
    """A customer with its current card and those before it."""
    async with context.database.read(snapshot=True) as session:
        row = await customers.get(session, customer)
        saved = await customers.cards(session, customer)
    if row is None:
        return None
    listed = [card_shown(card, context.now()) for card in saved]
    current = next((card for card in listed if card["status"] == "current"), None)
    former = [card for card in listed if card["status"] != "current"]
    return {**customer_shown(row), "card": current, "former_cards": former}


def customer_shown(row: Row) -> dict[str, Any]:
    """A customer as the interface has it."""
    failure = {"code": row["failure_code"], "message": row["failure_message"]}
    return {
        "id": row["id"],
        "name": row["name"] or None,
        "email": row["email"] or None,
        "merchant": row["merchant"] or None,
        "status": row["status"],
        "stripe_customer_id": row["stripe_customer"] or None,
        **({"failure": failure} if row["failure_code"] else {}),
        "created_at": row["created_at"],
    }


def card_shown(row: Row, now: int) -> dict[str, Any]:
    """All that is known of a card."""
    return {
        "payment_method": row["payment_method"],
        "brand": row["brand"],
        "last4": row["last4"],
        "exp_month": row["exp_month"],
        "exp_year": row["exp_year"],
        "expired": card_has_expired(row["exp_month"], row["exp_year"], today(now)),
        "status": row["status"],
        "barred": row["barred"] or None,
        "saved_at": row["set_up_at"],
        "ended_at": row["ended_at"],
    }
