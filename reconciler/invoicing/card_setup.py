"""Send a customer to Stripe's own page to leave a card, and see what came of it.

The page's address is answered once and kept nowhere. Coming back from it proves nothing: the page
is read from Stripe. Must not see a card number: that is what the page is for.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

import structlog

from reconciler.context import Context
from reconciler.domain.refusals import Refusal
from reconciler.gateway import cards
from reconciler.gateway.client import Gateway
from reconciler.gateway.outcomes import StripeUnavailable
from reconciler.invoicing.read_cards import read_session
from reconciler.oversight.audit import Action, Actor, Audit, record
from reconciler.store import customers
from reconciler.store.database import Row

log = structlog.get_logger()

BACK = "/cards/return"
LOOK_AGAIN_SECONDS = 5
"""Whoever calls the return address over and over makes us ask Stripe no more often than this."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of Stripe's, good until then."""

    url: str
    expires_at: int


async def start(
    context: Context,
    stripe: Gateway,
    customer: str,
    actor: Actor,
    *,
    currency: str,
    return_url: str = "",
    back: str = "",
    reason: str = "",
) -> Page | Refusal:
    """A fresh page for this customer, who comes back to our own return page or to `back`."""
    async with context.database.read() as session:
        row = await customers.get(session, customer)
    refusal = unusable(customer, row) or _bad_return(return_url) or stripe.not_now()
    if refusal is not None or row is None:
        return refusal or Refusal("unknown_customer", f"There is no customer {customer}.")
    back = f"{back or context.base_url + BACK}?session={{CHECKOUT_SESSION_ID}}&stripe="
    parameters = cards.setup_parameters(
        customer, row["stripe_customer"], currency, f"{back}success", f"{back}cancel"
    )
    found = await cards.open_setup_page(stripe, parameters, context.new_id("setup"))
    if not isinstance(found, tuple):
        return Refusal(
            "card_setup_failed",
            f"Stripe opened no page ({found.refusal.code}): {found.refusal.message}",
        )
    session_id, url, expires_at = found
    now = context.now()
    async with context.write() as session:
        entry = {
            "session_id": session_id,
            "customer": customer,
            "return_url": return_url,
            "status": "open",
            "created_at": now,
            "expires_at": expires_at,
            "checked_at": 0,
        }
        await customers.add_setup(session, entry)
        after = {"page": session_id}
        audited = Audit(actor, Action.CARD_SETUP_STARTED, customer, None, after, reason)
        record(session, audited, now)
    return Page(url, expires_at)


def unusable(customer: str, row: Row | None) -> Refusal | None:
    """Why nothing can be asked of Stripe for this customer; None if something can."""
    if row is None:
        return Refusal("unknown_customer", f"There is no customer {customer}; create it first.")
    if row["status"] == "active":
        return None
    sentences = {
        "creating": (
            "customer_not_ready",
            f"Customer {customer} is still being made at Stripe; try again in a minute.",
        ),
        "failed": (
            "customer_not_ready",
            f"Stripe refused to make customer {customer} ({row['failure_code']}); create it again.",
        ),
        "deleted": (
            "customer_deleted",
            f"Customer {customer} was deleted at Stripe; create one under another id.",
        ),
    }
    return Refusal(*sentences[row["status"]])


def _bad_return(url: str) -> Refusal | None:
    """A page of ours leads there, so it must be an address that a browser may be sent to."""
    if not url:
        return None
    try:
        parts = urlsplit(url)
        good = (
            parts.scheme in ("https", "http") and bool(parts.hostname) and "@" not in parts.netloc
        )
    except ValueError:
        good = False
    if good and len(url) <= 1000 and url.isascii() and url.isprintable() and " " not in url:
        return None
    return Refusal(
        "bad_return_url", "return_url must be an http or https address of at most 1000 characters."
    )


@dataclass(frozen=True, slots=True)
class Returned:
    """What is known of a page when its customer comes back: `complete`, `open`, `expired`, or
    `unknown` while Stripe does not answer."""

    status: str
    return_url: str


async def returned(context: Context, stripe: Gateway | None, session_id: str) -> Returned | None:
    """What Stripe says of the page that somebody comes back from; None if it is none of ours."""
    async with context.database.read() as session:
        row = await customers.setup(session, session_id)
    if row is None:
        return None
    status = row["status"]
    if status == "open" and stripe and row["checked_at"] <= context.now() - LOOK_AGAIN_SECONDS:
        try:
            status = await read_session(context, stripe, session_id) or status
        except StripeUnavailable as error:
            log.warning("card_setup.not_read", session=session_id, error=str(error))
            status = "unknown"
    return Returned(status, row["return_url"])
