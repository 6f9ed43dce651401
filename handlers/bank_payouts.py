"""The API of bank payouts: each with what it is made of, to the cent."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from handlers import rendering
from handlers.paging import after_of, limit_of, unknown_cursor
from handlers.problems import not_found, path_id
from reconciler.context import Context
from reconciler.domain.lifecycle import Kind
from reconciler.domain.snapshot import PLATFORM
from reconciler.moments import rendered
from reconciler.reconciling import payout_views
from reconciler.reconciling.payout_views import BankPayout
from reconciler.store import objects


async def listed(context: Context, request: Request) -> Any:
    """Those of the platform's own account, newest first, each as it is shown by itself."""
    limit, after = limit_of(request), after_of(request)
    async with context.database.read(snapshot=True) as session:
        held = (await objects.get(session, [after])).get(after) if after else None
        if after and held is None:
            raise unknown_cursor(after)
        before = (held.snapshot.created, held.snapshot.id) if held else None
        page = await objects.page(session, Kind.BANK_PAYOUT, PLATFORM, limit + 1, before)
        ids = [record.snapshot.id for record in page[:limit]]
        found = [await payout_views.bank_payout(session, id) for id in ids]
    return rendering.listing([_shown(each) for each in found if each], len(page) > limit)


def _shown(found: BankPayout) -> dict[str, Any]:
    return {**rendering.stripe_object(found.record.snapshot), **found.shown}


async def one(context: Context, request: Request) -> Any:
    """The bank payout, how it was composed, and by which movements it came back, if it did."""
    id = path_id(request)
    async with context.database.read(snapshot=True) as session:
        found = await payout_views.bank_payout(session, id)
    if found is None:
        raise not_found("bank payout", id)
    return rendered(_shown(found))


async def items(context: Context, request: Request) -> Any:
    """The movements it is made of, by their ids; `part` is what of each belongs to it."""
    id, limit = path_id(request), limit_of(request)
    async with context.database.read(snapshot=True) as session:
        found = await payout_views.bank_payout(session, id)
        if found is None:
            raise not_found("bank payout", id)
        rows = await payout_views.items(session, id, limit + 1, after_of(request))
    return rendering.listing(rows[:limit], len(rows) > limit)
