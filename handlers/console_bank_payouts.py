"""The console's pages of bank payouts: what went to the bank, and of what each is made."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from handlers.console import Page, render
from handlers.problems import not_found, path_id
from reconciler.context import Context
from reconciler.domain.lifecycle import Kind
from reconciler.domain.snapshot import PLATFORM
from reconciler.reconciling import payout_views
from reconciler.store import compositions, objects

LISTED = 100
ITEMS = 200

TONES = {"paid": "clean", "failed": "drift", "canceled": "incomplete"}


async def listed(context: Context, request: Request) -> Response:
    """The latest bank payouts of the platform's own account."""
    async with context.database.read(snapshot=True) as session:
        records = await objects.page(session, Kind.BANK_PAYOUT, PLATFORM, LISTED, None)
        rows = {r.snapshot.id: await compositions.get(session, r.snapshot.id) for r in records}
    payouts = [
        (record.snapshot, payout_views.composed(rows[record.snapshot.id], record.snapshot))
        for record in records
    ]
    return render("bank_payouts.html", {"payouts": payouts, "tones": TONES})


async def one(context: Context, request: Request) -> Response:
    """One bank payout: its figures, its movements by category, and each of them."""
    id = path_id(request)
    async with context.database.read(snapshot=True) as session:
        found = await payout_views.bank_payout(session, id)
        if found is None:
            raise not_found("bank payout", id)
        rows = await payout_views.items(session, id, ITEMS + 1, "")
    values = {
        "payout": found.record.snapshot,
        **found.shown,
        "items": rows[:ITEMS],
        "more": len(rows) > ITEMS,
        "tones": TONES,
    }
    return render("bank_payout.html", values)


PAGES: dict[str, Page] = {
    "/console/bank-payouts": listed,
    "/console/bank-payouts/{id}": one,
}
