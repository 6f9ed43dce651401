"""The console's page of deliveries: whether webhooks bring what Stripe lists, and how fast."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from handlers.console import Page, render
from handlers.delivery import days_of
from handlers.delivery_chart import HEIGHT, WIDTH, chart
from handlers.problems import not_found
from reconciler.context import Context
from reconciler.domain.snapshot import PLATFORM
from reconciler.oversight.delivery import delivery

PERIODS = (1, 7, 30)


async def shown(context: Context, request: Request) -> Response:
    """All accounts together; `?account=` shows one, `?days=` another period."""
    days, account = days_of(request), request.query_params.get("account", "")
    found = await delivery(context, days, account)
    if found is None:
        raise not_found("Stripe account whose events were listed", account)
    drawing = chart(found["hours"], found["since"], found["as_of"])
    values = {
        "it": found,
        "account": account,
        "shown_types": account or PLATFORM,
        "periods": PERIODS,
        "chart": drawing,
        "size": (WIDTH, HEIGHT),
    }
    return render("delivery.html", values)


PAGES: dict[str, Page] = {"/console/delivery": shown}
