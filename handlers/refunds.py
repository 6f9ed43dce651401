"""Refunds over HTTP: Stripe's, whoever made them, and those that were asked for here."""

from __future__ import annotations

from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import Response

from handlers import rendering
from handlers.answers import made, stripe_of
from handlers.bodies import Amount, Body, Id, Note, Why, body_of
from handlers.paging import after_of, limit_of, unknown_cursor
from handlers.problems import not_found, path_id, refused
from reconciler.context import Context
from reconciler.domain.lifecycle import Kind
from reconciler.domain.refusals import Refusal
from reconciler.domain.snapshot import PLATFORM, Snapshot
from reconciler.moments import rendered
from reconciler.money_out import views_out
from reconciler.money_out.course import cancel
from reconciler.money_out.refund import REFUNDS, Wanted, refund
from reconciler.store import objects


class Asked(Body):
    """`POST /v1/refunds`: all that is left of the payment, without an amount. Stripe is told the
    reason; the note is for the audit log."""

    payment: Id
    amount: Amount = 0
    reason: Literal["", "duplicate", "fraudulent", "requested_by_customer"] = ""
    recover_from_merchant: bool = False
    note: Note = ""


async def shown(context: Context, id: str) -> dict[str, Any]:
    """One refund that was asked for here, as the interface has it. Raises Problem 404."""
    async with context.database.read(snapshot=True, brief=True) as session:
        found = await views_out.refund_request(session, id)
    if found is None:
        raise not_found("refund", id)
    return found


async def asked(context: Context, request: Request) -> Response:
    """`POST /v1/refunds`"""
    body = await body_of(request, Asked)
    wanted = Wanted(
        body.payment,
        body.amount or None,
        body.reason,
        body.recover_from_merchant,
        body.note,
    )
    done = await refund(
        context,
        stripe_of(context),
        wanted,
        actor=request.state.actor,
        claim=request.state.claim,
    )
    if isinstance(done, Refusal):
        raise refused(done)
    return made(await shown(context, done["id"]))


def _stripes(snapshot: Snapshot, requests: dict[str, dict[str, str]]) -> dict[str, Any]:
    """A refund of Stripe's, with the request of ours behind it."""
    return {**rendering.stripe_object(snapshot), "request": requests.get(snapshot.id)}


async def listed(context: Context, request: Request) -> Any:
    """`GET /v1/refunds`: Stripe's refunds on the platform's own account."""
    limit, after = limit_of(request), after_of(request)
    async with context.database.read(snapshot=True) as session:
        last = (await objects.get(session, [after])).get(after) if after else None
        if after and last is None:
            raise unknown_cursor(after)
        before = (last.snapshot.created, last.snapshot.id) if last else None
        found = await objects.page(session, Kind.REFUND, PLATFORM, limit + 1, before)
        snapshots = [record.snapshot for record in found[:limit]]
        requests = await views_out.requests_of(session, [s.id for s in snapshots])
    return rendering.listing([_stripes(s, requests) for s in snapshots], len(found) > limit)


async def one(context: Context, request: Request) -> Any:
    """`GET /v1/refunds/{id}`, by our id or Stripe's."""
    id = path_id(request)
    async with context.database.read(snapshot=True) as session:
        ours = await views_out.refund_request(session, id)
        record = (await objects.get(session, [id])).get(id)
        requests = await views_out.requests_of(session, [id])
    if ours is not None:
        return rendered(ours)
    if record is None or record.snapshot.kind is not Kind.REFUND:
        raise not_found("refund", id)
    return rendered(_stripes(record.snapshot, requests))


async def cancelled(context: Context, request: Request) -> Any:
    """`POST /v1/refunds/{id}/cancel`"""
    asked = await body_of(request, Why)
    id = path_id(request)
    who, claim = request.state.actor, request.state.claim
    done = await cancel(context, REFUNDS, id, actor=who, claim=claim, reason=asked.reason)
    if isinstance(done, Refusal):
        raise refused(done)
    return rendered(await shown(context, id))
