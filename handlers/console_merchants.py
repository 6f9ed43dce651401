"""The console's pages about merchants: all of them with where they stand, and each by itself."""

from __future__ import annotations

from collections import Counter

from starlette.requests import Request
from starlette.responses import Response

from handlers.console import Page, render
from handlers.problems import not_found, path_id
from reconciler.context import Context
from reconciler.domain.countries import country_name
from reconciler.domain.onboarding import State
from reconciler.domain.requirements_words import capability
from reconciler.onboarding.connections import connection, connections
from reconciler.oversight import views
from reconciler.reconciling import leg_views
from reconciler.store import account_mirrors, merchants

PAGE = 100
LEGS = 25

STATE_WORDS = {
    State.NOT_STARTED: "not started",
    State.ONBOARDING: "onboarding",
    State.RESTRICTED: "restricted",
    State.READY: "ready",
    State.REJECTED: "rejected",
    State.DISCONNECTED: "disconnected",
}
WORDS = {"state_words": STATE_WORDS, "country_name": country_name, "capability": capability}


async def listed(context: Context, request: Request) -> Response:
    """Merchants in the order of their ids, `?after=` one of them."""
    after = request.query_params.get("after", "")
    after = "" if len(after) > 255 or "\x00" in after else after
    async with context.database.read(snapshot=True) as session:
        found = await connections(session, PAGE + 1, after)
    shown = found[:PAGE]
    counts = Counter(each.state for each in shown)
    return render(
        "merchants.html",
        {
            "merchants": shown,
            "counts": [(state, counts[state]) for state in State if counts[state]],
            "more": shown[-1].merchant["id"] if len(found) > PAGE else "",
            "after": after,
            "now": context.now(),
            **WORDS,
        },
    )


async def one(context: Context, request: Request) -> Response:
    """One merchant: its standing, what is asked of it, its balances, what became of the money that
    was sent to it, its accounts over time."""
    id = path_id(request)
    async with context.database.read(snapshot=True) as session:
        found = await connection(session, id)
        balances = await views.merchant_balance(session, id) if found else []
        legs = await leg_views.of_merchant(session, id, LEGS) if found else []
        mirrors = await account_mirrors.of_merchant(session, id) if found else []
        own = await merchants.get(session, id)
    if found is None:
        raise not_found("merchant", id)
    values = {
        "it": found,
        "balances": balances,
        "legs": legs,
        "mirror": bool(own and own["mirror"]),
        "mirrors": {row["stripe_account"]: row for row in mirrors},
        "now": context.now(),
        **WORDS,
    }
    return render("merchant.html", values)


PAGES: dict[str, Page] = {"/console/merchants": listed, "/console/merchants/{id}": one}
