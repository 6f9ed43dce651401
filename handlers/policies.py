"""Policies over HTTP: what payouts and refunds may be, and an admin's changes to it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from starlette.requests import Request

from handlers.bodies import LARGEST_AMOUNT, Body, Note, body_of
from handlers.problems import Problem, path_id, refused
from reconciler.context import Context
from reconciler.domain.policies import FIELDS, Limits, Scope, scope
from reconciler.domain.refusals import Refusal
from reconciler.moments import rendered
from reconciler.money_out import policy

Limit = Annotated[int, Field(ge=1, le=LARGEST_AMOUNT)] | None


class Policy(Body):
    """A scope's whole policy: a field left out, or null, sets no limit of its own. `version` is the
    one that was read, 0 where there was none."""

    version: Annotated[int, Field(ge=0)]
    approval_above: Annotated[int, Field(ge=0, le=LARGEST_AMOUNT)] | None = None
    minimum: Limit = None
    maximum: Limit = None
    per_day: Limit = None
    per_merchant_per_day: Limit = None
    reason: Note = ""


async def listed(context: Context, _: Request) -> Any:
    """`GET /v1/policies`: each with what is in force in its scope."""
    async with context.database.read(snapshot=True) as session:
        found = await policy.listed(session)
    return {"data": rendered(found), "has_more": False}


async def one(context: Context, request: Request) -> Any:
    """`GET /v1/policies/{scope}`, also of a scope that has no policy of its own."""
    where = _scope(request)
    async with context.database.read(snapshot=True) as session:
        return rendered(await policy.of(session, where))


async def changed(context: Context, request: Request) -> Any:
    """`PUT /v1/policies/{scope}`: the whole policy, and the version that was read."""
    where = _scope(request)
    asked = await body_of(request, Policy)
    limits = Limits(**{name: getattr(asked, name) for name in FIELDS})
    change = policy.Change(where, limits, asked.version, asked.reason)
    done = await policy.change(context, change, request.state.actor)
    if isinstance(done, Refusal):
        raise Problem(400, done.code, done.message) if done.code == "bad_policy" else refused(done)
    return rendered(done)


def _scope(request: Request) -> Scope:
    where = scope(path_id(request))
    if where is None:
        detail = "A policy is for a currency, as usd, or for a merchant in it, as usd:bakery."
        raise Problem(404, "unknown_scope", detail)
    return where
