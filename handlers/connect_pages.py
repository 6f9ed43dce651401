"""The page that a merchant sees on the way back from Stripe, in words, and the way on.

Whoever comes has no key, only an address with a token that Stripe sent back. `?stripe=return` and
`?stripe=refresh` say which way they came, and prove nothing: the account is read. Must not show
more than the owner of the account knows, and nothing at all without a token.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from handlers.console import render
from handlers.problems import Problem, path_id
from handlers.state import State
from reconciler.context import Context
from reconciler.domain.countries import country_name
from reconciler.domain.onboarding import Tenure, is_done
from reconciler.gateway.accounts import Link
from reconciler.gateway.client import Gateway
from reconciler.gateway.fields import Unreadable
from reconciler.gateway.outcomes import Missing, StripeUnavailable
from reconciler.onboarding.account_access import lost
from reconciler.onboarding.connections import Holding, connection
from reconciler.onboarding.onboard import form_link
from reconciler.onboarding.read_account import read_account
from reconciler.onboarding.visits import admitted, browser_of, looked_up, too_many
from reconciler.store.database import DatabaseUnavailable, Row

log = structlog.get_logger()

GUARDED = {"Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}


def visited(state: State) -> Callable[[Request], Awaitable[Response]]:
    """The page for a visitor who comes back from Stripe."""

    async def endpoint(request: Request) -> Response:
        if request.method == "HEAD":  # a look at an address does not use it up
            return Response(headers=GUARDED)
        try:
            return await _visited(state.context, request)
        except DatabaseUnavailable:
            return _said("unavailable", 503)

    return endpoint


async def _visited(context: Context, request: Request) -> Response:
    try:
        merchant = path_id(request)
    except Problem:
        return _said("unknown", 404)
    token = request.query_params.get("visit", "")
    row = await admitted(context, merchant, token)
    if row is None:
        return _said("unknown", 404)
    asked = True
    try:
        if request.query_params.get("stripe") == "refresh" and context.stripe is not None:
            onward = await _onward(context, context.stripe, row)
            if onward is not None:
                return onward
        elif context.stripe is not None:
            await looked_up(context, context.stripe, row)
    except (StripeUnavailable, Unreadable) as error:
        log.warning("visit.stripe_unavailable", merchant=merchant, error=str(error)[:200])
        asked = False
    return await _shown(context, row, f"?stripe=refresh&visit={token}", asked=asked)


async def _onward(context: Context, stripe: Gateway, row: Row) -> Response | None:
    """A new link, which the browser follows at once; None where there is no way on."""
    if row["state"] != Tenure.CURRENT:
        return None
    if await too_many(context, row):
        return _said("too_many", 429)
    account, visitor = row["stripe_account"], browser_of(row["merchant"])
    detail = await read_account(context, stripe, account, visitor)
    if detail is None or is_done(detail):
        return None
    made = await form_link(context, stripe, row["merchant"], row)
    if isinstance(made, Missing):
        await lost(context, account, visitor)
    if not isinstance(made, Link):
        return None
    return RedirectResponse(made.url, 303, GUARDED)


async def _shown(context: Context, row: Row, way_on: str, *, asked: bool) -> Response:
    async with context.database.read(snapshot=True) as session:
        found = await connection(session, row["merchant"])
    if found is None:
        return _said("unknown", 404)
    held = [h for h in (found.holding, *found.earlier) if h and h.tenure["id"] == row["id"]]
    if not held:
        return _said("unknown", 404)
    values = {"name": found.merchant["name"], "way_on": way_on, "asked": asked}
    answer = render("connect.html", {**_values(held[0]), **values})
    answer.headers.update(GUARDED)  # the address holds the token
    return answer


def _values(holding: Holding) -> dict[str, Any]:
    detail = holding.detail or {}
    return {
        "standing": holding.standing,
        "submitted": detail.get("details_submitted") is True,
        "country": country_name(detail.get("country") or holding.tenure["country"]),
        "as_of": holding.as_of,
    }


def _said(what: str, status: int) -> Response:
    """A page that says nothing about any merchant, and the same about all of them."""
    answer = render("connect_said.html", {"what": what}, status)
    answer.headers.update(GUARDED)
    return answer
