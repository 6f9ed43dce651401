"""Delivery health over HTTP: for all Stripe accounts, or for one."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from handlers.problems import Problem, not_found, path_id
from reconciler.context import Context
from reconciler.moments import rendered
from reconciler.oversight.delivery import MOST_DAYS, USUAL_DAYS, delivery


async def summary(context: Context, request: Request) -> Any:
    return rendered(await delivery(context, days_of(request)))


async def of_account(context: Context, request: Request) -> Any:
    """`{id}` is an `acct_`, or `platform`."""
    id = path_id(request)
    found = await delivery(context, days_of(request), id)
    if found is None:
        raise not_found("Stripe account whose events were listed", id)
    return rendered(found)


def days_of(request: Request) -> int:
    """`days`. Raises Problem 400."""
    written = request.query_params.get("days", str(USUAL_DAYS))
    usable = written.isascii() and written.isdigit() and len(written) <= 2
    if not usable or not 1 <= int(written) <= MOST_DAYS:
        detail = f"days must be a number from 1 to {MOST_DAYS}: Stripe lists no older events."
        raise Problem(400, "bad_days", detail, field="days")
    return int(written)
