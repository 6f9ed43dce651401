"""What waits for a second person, and that person's word, over HTTP.

Must not be reached with the key that asked: the use case refuses it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from pydantic import StringConstraints
from starlette.requests import Request

from handlers import rendering
from handlers.answers import stripe_of
from handlers.bodies import Why, body_of
from handlers.paging import after_of, limit_of, unknown_cursor
from handlers.problems import Problem, not_found, path_id, refused
from reconciler.context import Context
from reconciler.domain.approvals import ApprovalStatus
from reconciler.moments import rendered
from reconciler.money_out import approvals, views_out
from reconciler.money_out.approve import Said, approve, decline
from reconciler.store import adjustments
from reconciler.store import approvals as stored

STATUSES = tuple(status.value for status in ApprovalStatus)

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Approval(Why):
    """The digest that the instruction shows, so that what was seen is what is approved."""

    digest: Digest


async def listed(context: Context, request: Request) -> Any:
    """`GET /v1/approvals?status=waiting`: newest first."""
    limit, after = limit_of(request), after_of(request)
    status = request.query_params.get("status", "")
    if status not in ("", *STATUSES):
        raise Problem(400, "bad_status", f"status must be one of {', '.join(STATUSES)}.")
    async with context.database.read(snapshot=True) as session:
        last = await stored.get(session, after) if after else None
        if after and last is None:
            raise unknown_cursor(after)
        before = (last["asked_at"], last["instruction"]) if last else None
        rows = await stored.page(session, status, limit + 1, before)
    found = [approvals.as_shown(row) for row in rows]
    return rendering.listing(found[:limit], len(found) > limit)


async def one(context: Context, request: Request) -> Any:
    """`GET /v1/approvals/{id}`, by the id of the payout or refund."""
    id = path_id(request)
    async with context.database.read() as session:
        found = await approvals.shown(session, id)
    if found is None:
        raise not_found("approval of", id)
    return rendered(found)


def approved(kind: str) -> Callable[[Context, Request], Awaitable[Any]]:
    """`POST …/{id}/approve` for payouts or refunds."""

    async def answer(context: Context, request: Request) -> Any:
        asked = await body_of(request, Approval)
        id, said = path_id(request), Said(request.state.actor, asked.digest, asked.reason)
        stripe = stripe_of(context)
        refusal = await approve(context, stripe, kind, id, said, request.state.claim)
        if refusal is not None:
            raise refused(refusal)
        return await _instruction(context, kind, id)

    return answer


def declined(kind: str) -> Callable[[Context, Request], Awaitable[Any]]:
    """`POST …/{id}/decline` for payouts or refunds."""

    async def answer(context: Context, request: Request) -> Any:
        asked = await body_of(request, Why)
        id, said = path_id(request), Said(request.state.actor, note=asked.reason)
        refusal = await decline(context, kind, id, said, request.state.claim)
        if refusal is not None:
            raise refused(refusal)
        return await _instruction(context, kind, id)

    return answer


async def _instruction(context: Context, kind: str, id: str) -> Any:
    """What was decided on, as it stands after the decision."""
    async with context.database.read(snapshot=True) as session:
        if kind == "adjustment":
            return rendered({**(await adjustments.get(session, id) or {})})
        view = views_out.payout if kind == "payout" else views_out.refund_request
        return rendered(await view(session, id))
