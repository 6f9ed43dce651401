"""Merchants over HTTP: who they are, what they are owed, and what moved that."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import StrictBool, StringConstraints
from starlette.requests import Request
from starlette.responses import Response

from handlers import rendering
from handlers.answers import made
from handlers.bodies import Name, Why, body_of
from handlers.paging import after_of, limit_of, unknown_cursor
from handlers.problems import not_found, path_id, refused
from reconciler.context import Context
from reconciler.domain.refusals import Refusal
from reconciler.moments import rendered
from reconciler.money_out import views_out
from reconciler.onboarding.add_merchant import add_merchant
from reconciler.onboarding.mirror_merchant import mirror_merchant
from reconciler.store import merchants

MerchantId = Annotated[
    str, StringConstraints(max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:@-]*$")
]
Country = Annotated[str, StringConstraints(pattern=r"^([A-Z]{2})?$")]


class Asked(Why):
    """`POST /v1/merchants`"""

    id: MerchantId
    name: Name
    country: Country = ""


async def asked(context: Context, request: Request) -> Response:
    """`POST /v1/merchants`: the same again is the same merchant."""
    body = await body_of(request, Asked)
    actor, why = request.state.actor, body.reason
    done = await add_merchant(context, body.id, body.name, body.country, actor=actor, reason=why)
    if isinstance(done, Refusal):
        raise refused(done)
    return made(await _shown(context, body.id))


class Mark(Why):
    """`PUT /v1/merchants/{id}/mirror`"""

    mirror: StrictBool


async def marked(context: Context, request: Request) -> Any:
    """`PUT /v1/merchants/{id}/mirror`: whether its accounts are reconciled like the platform's."""
    id, body = path_id(request), await body_of(request, Mark)
    done = await mirror_merchant(context, id, body.mirror, request.state.actor, body.reason)
    if isinstance(done, Refusal):
        raise refused(done)
    return rendered(await _shown(context, id))


async def _shown(context: Context, id: str) -> dict[str, Any]:
    async with context.database.read(snapshot=True) as session:
        found = await views_out.merchant(session, id)
    if found is None:
        raise not_found("merchant", id)
    return found


async def listed(context: Context, request: Request) -> Any:
    """`GET /v1/merchants`"""
    limit, after = limit_of(request), after_of(request)
    async with context.database.read(snapshot=True) as session:
        last = await merchants.get(session, after) if after else None
        if after and last is None:
            raise unknown_cursor(after)
        before = (last["created_at"], last["id"]) if last else None
        found = await merchants.page(session, limit + 1, before)
    rows = [views_out.merchant_row(row) for row in found[:limit]]
    return rendering.listing(rows, len(found) > limit)


async def one(context: Context, request: Request) -> Any:
    """`GET /v1/merchants/{id}`"""
    return rendered(await _shown(context, path_id(request)))


async def entries(context: Context, request: Request) -> Any:
    """`GET /v1/merchants/{id}/entries`: what moved the merchant's balance, newest first."""
    id, limit, after = path_id(request), limit_of(request), after_of(request)
    before = _entry(after) if after else (2**62, 0)
    async with context.database.read(snapshot=True) as session:
        known = await merchants.get(session, id)
        found = await views_out.merchant_entries(session, id, limit + 1, before)
    if known is None and not found and not after:
        raise not_found("merchant", id)
    return rendering.listing(found[:limit], len(found) > limit)


def _entry(after: str) -> tuple[int, int]:
    """The ledger transaction and line that an entry's id names."""
    transaction, _, line = after.partition("-")
    written = (transaction, line)
    if not all(part.isascii() and part.isdigit() and len(part) <= 18 for part in written):
        raise unknown_cursor(after)
    return int(transaction), int(line)
