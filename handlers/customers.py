"""The API of customers and their cards. A card itself is left on Stripe's own page, never here."""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec
from pydantic import AfterValidator
from starlette.requests import Request
from starlette.responses import Response

from handlers import rendering
from handlers.answers import made, stripe_of
from handlers.bodies import Currency, Id, Name, Why, body_of
from handlers.paging import after_of, limit_of, unknown_cursor
from handlers.problems import not_found, path_id, refused
from reconciler.context import Context
from reconciler.domain.refusals import Refusal
from reconciler.invoicing import card_setup, customers
from reconciler.moments import moment, rendered
from reconciler.store import customers as stored

EMAIL = re.compile(r"[^@\s\x00-\x1f]{1,64}@[^@\s\x00-\x1f]{1,189}")


def _email(written: str) -> str:
    if not EMAIL.fullmatch(written):
        raise ValueError("must be an e-mail address")
    return written


def _one_line(written: str) -> str:
    if not written.isprintable():
        raise ValueError("must be one line of text")
    return written


class CustomerAsked(Why):
    """A customer under an id of the caller's own."""

    id: Id
    name: Annotated[Name, AfterValidator(_one_line)] | None = None
    email: Annotated[str, AfterValidator(_email)] | None = None
    merchant: Id | None = None


class SetupAsked(Why):
    """Where the customer goes after Stripe's page, and the currency that the card is for."""

    return_url: str = ""
    currency: Currency = "usd"


async def created(context: Context, request: Request) -> Any:
    """The customer, made at Stripe exactly once."""
    asked = await body_of(request, CustomerAsked)
    found = await customers.create(
        context,
        stripe_of(context),
        asked.id,
        asked.name or "",
        asked.email or "",
        asked.merchant or "",
        request.state.actor,
        reason=asked.reason,
    )
    if isinstance(found, Refusal):
        raise refused(found)
    return made(await customers.shown(context, found["id"]))


async def listed(context: Context, request: Request) -> Any:
    limit, after = limit_of(request), after_of(request)
    async with context.database.read(snapshot=True) as session:
        last = await stored.get(session, after) if after else None
        if after and last is None:
            raise unknown_cursor(after)
        before = (last["created_at"], last["id"]) if last else None
        rows = await stored.page(session, limit + 1, before)
    shown = [customers.customer_shown(row) for row in rows[:limit]]
    return rendering.listing(shown, len(rows) > limit)


async def one(context: Context, request: Request) -> Any:
    """A customer with its card, and the cards before it."""
    id = path_id(request)
    found = await customers.shown(context, id)
    if found is None:
        raise not_found("customer", id)
    return rendered(found)


async def card_setup_started(context: Context, request: Request) -> Any:
    """A fresh page of Stripe's: `{"url", "expires_at"}`."""
    id = path_id(request)
    asked = await body_of(request, SetupAsked)
    page = await card_setup.start(
        context,
        stripe_of(context),
        id,
        request.state.actor,
        currency=asked.currency,
        return_url=asked.return_url,
        reason=asked.reason,
    )
    if isinstance(page, Refusal):
        raise refused(page)
    body = {"url": page.url, "expires_at": moment(page.expires_at)}
    headers = {"Cache-Control": "no-store"}
    return Response(msgspec.json.encode(body), 200, headers, media_type="application/json")
