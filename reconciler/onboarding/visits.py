"""Visits: a browser that comes back from Stripe's pages, and what it may see and do.

It brings a token that stands in the address only; we keep its digest. A valid one opens one
merchant's page of words and a new link to Stripe, for a week. What else the address says is not
believed: the account is read from Stripe.
"""

from __future__ import annotations

import hashlib

from reconciler.context import Context
from reconciler.domain.onboarding import Tenure, state_of
from reconciler.gateway.client import Gateway
from reconciler.onboarding.read_account import read_account
from reconciler.oversight.audit import Action, Actor, Audit, record
from reconciler.store import accounts, objects, visits
from reconciler.store.database import Row

VISIT_SECONDS = 7 * 86400
"""Long enough for whoever looks for a passport before going on."""

CALM_SECONDS = 2
"""An account that was read so lately is not read again for a reload."""

LINKS_PER_MINUTE = 10
"""New links for one account at the word of a browser."""


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


async def new_visit(context: Context, merchant: str, account: str) -> str:
    """The token for one link's way back, kept as a digest."""
    token = context.new_id("visit")
    now = context.now()
    async with context.write() as session:
        expires = now + VISIT_SECONDS
        await visits.allow_visit(session, digest(token), merchant, account, now, expires)
    return token


async def admitted(context: Context, merchant: str, token: str) -> Row | None:
    """The account that the visitor came back from; None for whoever brings no valid token."""
    if not token.isascii() or len(token) > 100:
        return None
    async with context.database.read() as session:
        found = await visits.visit(session, digest(token), merchant, context.now())
        return await accounts.get(session, found["account"]) if found else None


async def looked_up(context: Context, stripe: Gateway, row: Row) -> None:
    """The visitor's account as it is at Stripe now is in the records. Raises StripeUnavailable."""
    account, merchant = row["stripe_account"], row["merchant"]
    async with context.database.read() as session:
        record_held = (await objects.get(session, [account])).get(account)
    now = context.now()
    if record_held is not None and 0 <= now - record_held.fetched_at < CALM_SECONDS:
        return
    before = state_of(Tenure.CURRENT, record_held.snapshot.detail if record_held else None)
    visitor = browser_of(merchant)
    detail = await read_account(context, stripe, account, visitor)
    after = state_of(Tenure.CURRENT, detail)
    if detail is None or after is before:
        return
    async with context.write() as session:
        states = {"state": before.value}, {"state": after.value}
        record(session, Audit(visitor, Action.ONBOARDING_RETURNED, merchant, *states), now)


async def too_many(context: Context, row: Row) -> bool:
    """Whether this account has had enough new links for a minute."""
    async with context.database.read() as session:
        made = await visits.visits_since(session, row["id"], context.now() - 60)
    return made >= LINKS_PER_MINUTE


def browser_of(merchant: str) -> Actor:
    """The merchant's browser, which has no key."""
    return Actor("", f"merchant:{merchant}", "visitor")
