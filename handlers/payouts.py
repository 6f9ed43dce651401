"""Payouts over HTTP: ask for one, look at them, call one off, take one back."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from handlers import rendering
from handlers.answers import made, stripe_of
from handlers.bodies import Amount, Body, Currency, Id, Note, Why, body_of
from handlers.paging import after_of, limit_of, unknown_cursor
from handlers.problems import Problem, not_found, path_id, refused
from reconciler.context import Context
from reconciler.domain.refusals import Refusal
from reconciler.moments import rendered
from reconciler.money_out import views_out
from reconciler.money_out.course import cancel
from reconciler.money_out.pay_out import PAYOUTS, pay_out
from reconciler.money_out.reverse import reverse
from reconciler.reconciling import leg_views
from reconciler.store import instructions, payouts

STATUSES = (
    "awaiting_approval",
    "pending",
    "sending",
    "unknown",
    "completed",
    "failed",
    "cancelled",
    "partially_reversed",
    "reversed",
)


class Asked(Body):
    """`POST /v1/payouts`"""

    merchant: Id
    amount: Amount
    currency: Currency
    reason: Note = ""


class Back(Why):
    """`POST /v1/payouts/{id}/reverse`: all that is left, without an amount."""

    amount: Amount = 0


async def shown(context: Context, id: str) -> dict[str, Any]:
    """One payout as the interface has it. Raises Problem 404."""
    async with context.database.read(snapshot=True, brief=True) as session:
        found = await views_out.payout(session, id)
    if found is None:
        raise not_found("payout", id)
    return found


async def asked(context: Context, request: Request) -> Response:
    """`POST /v1/payouts`"""
    body = await body_of(request, Asked)
    done = await pay_out(
        context,
        stripe_of(context),
        body.merchant,
        body.amount,
        body.currency,
        actor=request.state.actor,
        claim=request.state.claim,
        reason=body.reason,
    )
    if isinstance(done, Refusal):
        raise refused(done)
    return made(await shown(context, done["id"]))


async def listed(context: Context, request: Request) -> Any:
    """`GET /v1/payouts`, narrowed to a `merchant` or a `status`."""
    limit, after = limit_of(request), after_of(request)
    merchant = request.query_params.get("merchant", "")
    status = request.query_params.get("status", "")
    if status and status not in STATUSES:
        raise Problem(400, "bad_status", f"status must be one of {', '.join(STATUSES)}.")
    if len(merchant) > 255 or "\x00" in merchant:
        raise Problem(400, "bad_merchant", "merchant must be the id of a merchant.")
    async with context.database.read(snapshot=True) as session:
        last = await instructions.get(session, payouts.TABLE, after) if after else None
        if after and last is None:
            raise unknown_cursor(after)
        before = (last["created_at"], last["id"]) if last else None
        found = await payouts.page(session, limit + 1, before, merchant, status)
    rows = [views_out.payout_row(row) for row in found[:limit]]
    return rendering.listing(rows, len(found) > limit)


async def one(context: Context, request: Request) -> Any:
    """`GET /v1/payouts/{id}`: with each leg that the money has gone, and what differs on it."""
    id = path_id(request)
    found = await shown(context, id)
    async with context.database.read(snapshot=True) as session:
        legs = await leg_views.of_payout(session, id)
    return rendered({**found, "legs": legs})


async def cancelled(context: Context, request: Request) -> Any:
    """`POST /v1/payouts/{id}/cancel`"""
    asked = await body_of(request, Why)
    id = path_id(request)
    who, claim = request.state.actor, request.state.claim
    done = await cancel(context, PAYOUTS, id, actor=who, claim=claim, reason=asked.reason)
    if isinstance(done, Refusal):
        raise refused(done)
    return rendered(await shown(context, id))


async def reversed_(context: Context, request: Request) -> Any:
    """`POST /v1/payouts/{id}/reverse`"""
    body = await body_of(request, Back)
    id = path_id(request)
    done = await reverse(
        context,
        stripe_of(context),
        id,
        body.amount or None,
        actor=request.state.actor,
        claim=request.state.claim,
        reason=body.reason,
    )
    if isinstance(done, Refusal):
        raise refused(done)
    return rendered(await shown(context, id))
