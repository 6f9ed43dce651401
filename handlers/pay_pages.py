"""The pages that a customer sees: an invoice to settle, and the way back from Stripe's card page.

Whoever comes has no key, only an address that cannot be guessed. Looking changes nothing (mail
programs follow links): what asks Stripe for money is a button. `?stripe=…` says which way somebody
came, and proves nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from handlers.console import render
from handlers.state import State
from reconciler.context import Context
from reconciler.domain.refusals import Refusal
from reconciler.gateway.fields import Unreadable
from reconciler.gateway.outcomes import StripeUnavailable
from reconciler.invoicing import card_setup, pay_page
from reconciler.invoicing.card_setup import Page
from reconciler.invoicing.pay_page import PATH, Away, Seen
from reconciler.store.database import DatabaseUnavailable

log = structlog.get_logger()

GUARDED = {"Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}

Visit = Callable[[Context, Request], Awaitable[Response]]


def routes(state: State) -> list[Route]:
    """The pages that no key opens: whoever comes brings an address that cannot be guessed."""
    return [
        Route(f"{PATH}{{token}}", _visited(state, _shown), methods=["GET"]),
        Route(f"{PATH}{{token}}", _visited(state, _paid), methods=["POST"]),
        Route(f"{PATH}{{token}}/card", _visited(state, _other_card), methods=["POST"]),
        Route(card_setup.BACK, _visited(state, _card_returned), methods=["GET"]),
    ]


NOT_NOW = (
    "This cannot be done just now. Please try again in a few minutes; if it stays so, write to"
    " whoever sent you this page."
)
LOOKED_AFTER = "A payment of this is being looked after. Please reload this page in a minute."
TROUBLE = {
    "no_usable_card": "Your saved card cannot be charged. Please use another one.",
    "debit_in_progress": LOOKED_AFTER,
    "other_payment_open": LOOKED_AFTER,
    "invoice_paid": "This is paid already.",
    "invoice_refunded": "This was paid, and the money was given back.",
    "invoice_cancelled": "This is not to be paid any more.",
}
"""What a customer is told. The sentences of refusals are for whoever sent the link: they name ids,
and what to do about them."""


def _visited(state: State, visit: Visit) -> Callable[[Request], Awaitable[Response]]:
    """A page for somebody without a key."""

    async def endpoint(request: Request) -> Response:
        try:
            response = await visit(state.context, request)
        except DatabaseUnavailable:
            response = _said("unavailable", 503)
        except (StripeUnavailable, Unreadable) as error:
            log.warning("pay_page.stripe_unavailable", error=str(error)[:200])
            response = _said("unavailable", 503)
        response.headers.update(GUARDED)
        return response

    return endpoint


async def _shown(context: Context, request: Request) -> Response:
    """The invoice as it stands. On the way back, what Stripe says now."""
    token = str(request.path_params["token"])
    came = request.query_params.get("stripe", "")
    if context.stripe is not None and came and await pay_page.seen(context, token) is not None:
        try:
            if came == "return":
                await pay_page.look_again(context, context.stripe, token)
            elif session := request.query_params.get("session", "")[:255]:
                await card_setup.returned(context, context.stripe, session)
        except (StripeUnavailable, Unreadable) as error:
            log.warning("pay_page.not_read", error=str(error)[:200])
    return await _page(context, token)


async def _paid(context: Context, request: Request) -> Response:
    """The customer pays with the saved card."""
    token = str(request.path_params["token"])
    if context.stripe is None:
        return _said("unavailable", 503)
    found = await pay_page.pay(context, context.stripe, token)
    if isinstance(found, Away):
        return _onward(found.url, "your bank")
    if isinstance(found, Refusal):
        return await _page(context, token, found)
    return RedirectResponse(f"{PATH}{token}", 303)


async def _other_card(context: Context, request: Request) -> Response:
    """The customer leaves another card, on Stripe's page."""
    token = str(request.path_params["token"])
    if context.stripe is None:
        return _said("unavailable", 503)
    found = await pay_page.new_card(context, context.stripe, token)
    if isinstance(found, Page):
        return _onward(found.url, "Stripe")
    return await _page(context, token, found)


async def _card_returned(context: Context, request: Request) -> Response:
    """The way back from Stripe's card page, for a customer who had no invoice to pay."""
    session = request.query_params.get("session", "")
    if not session or len(session) > 255 or "\x00" in session:
        return _said("unknown", 404)
    found = await card_setup.returned(context, context.stripe, session)
    if found is None:
        return _said("unknown", 404)
    if found.return_url and found.status != "unknown":
        return RedirectResponse(found.return_url, 303)
    return render("card_saved.html", {"status": found.status})


async def _page(context: Context, token: str, refusal: Refusal | None = None) -> Response:
    found = await pay_page.seen(context, token)
    if found is None:
        return _said("unknown", 404)
    return render("pay.html", _values(found, token, refusal), 409 if refusal else 200)


def _values(found: Seen, token: str, refusal: Refusal | None) -> dict[str, Any]:
    return {
        "invoice": found.invoice,
        "payee": found.payee,
        "card": found.card,
        "usable": found.usable,
        "token": token,
        "trouble": TROUBLE.get(refusal.code, NOT_NOW) if refusal else "",
    }


def _onward(url: str, where: str) -> Response:
    """The browser goes on by itself. Not as a redirection: the answer to a form may lead nowhere
    but here, so that nobody can make it lead elsewhere."""
    response = render("onward.html", {"url": url, "where": where})
    response.headers["Refresh"] = f"0; url={url}"
    return response


def _said(what: str, status: int) -> Response:
    return render("connect_said.html", {"what": what}, status)
