"""Bulk repairs over HTTP: planned, confirmed with the digest of the plan, followed, cancelled.

Must not repair anything itself: a job does, finding by finding.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, StringConstraints
from starlette.requests import Request
from starlette.responses import Response

from handlers import rendering
from handlers.answers import made
from handlers.bodies import Body, Id, body_of
from handlers.findings import FILTERS, Digest, chosen_by
from handlers.paging import after_of, limit_of, unknown_cursor
from handlers.problems import Problem, path_id, refused
from handlers.repairs import Wanted, choice_of, require_role
from reconciler.context import Context
from reconciler.domain.refusals import Refusal
from reconciler.domain.repairs import Choice, Repair
from reconciler.moments import rendered
from reconciler.reconciling.repairing import bulk
from reconciler.store import repair_jobs

Filter = Annotated[str, StringConstraints(max_length=255)]


class Selected(Body):
    """Which findings, by the filters of their listing, or by their ids."""

    status: Filter = ""
    kind: Filter = ""
    cause: Filter = ""
    currency: Filter = ""
    assignee: Filter = ""
    reference: Filter = ""
    age: Filter = ""
    ids: Annotated[list[Id], Field(max_length=bulk.LARGEST, default_factory=list)]


class Planned(Wanted):
    """A repair, and the findings that it is for."""

    findings: Selected


class Confirmed(Body):
    """The digest that the plan shows."""

    digest: Digest


def plan_of(asked: Selected, choice: Choice, now: int) -> bulk.Plan:
    """What is to be planned. Raises Problem 400 for a filter that is none, or none at all."""
    given = {name: getattr(asked, name) for name in FILTERS if getattr(asked, name)}
    told = {**given, **({"ids": len(asked.ids)} if asked.ids else {})}
    if not told:
        detail = "Say which findings: by at least one filter, or by their ids."
        raise Problem(400, "no_filter", detail, field="findings")
    chosen = chosen_by(given, now, tuple(asked.ids))
    return bulk.Plan(chosen, choice, told)


async def planned(context: Context, request: Request) -> Response:
    """`POST /v1/repair-jobs`: counts and changes nothing."""
    asked = await body_of(request, Planned)
    choice = choice_of(asked)
    require_role(choice, request.state.actor)
    wanted = plan_of(asked.findings, choice, context.now())
    return made(_answer(await bulk.plan(context, wanted, request.state.actor)))


def _answer(done: dict[str, Any] | Refusal) -> dict[str, Any]:
    if isinstance(done, Refusal):
        raise refused(done)
    return done


async def listed(context: Context, request: Request) -> Any:
    """`GET /v1/repair-jobs`, the newest first."""
    limit, after = limit_of(request), after_of(request)
    async with context.database.read(snapshot=True) as session:
        last = await repair_jobs.get(session, after) if after else None
        if after and last is None:
            raise unknown_cursor(after)
        before = (last["planned_at"], last["id"]) if last else None
        rows = await repair_jobs.page(session, limit + 1, before)
        found = await bulk.summaries(session, rows[:limit])
    return rendering.listing(found, len(rows) > limit)


async def one(context: Context, request: Request) -> Any:
    """`GET /v1/repair-jobs/{id}`: with its progress."""
    id = path_id(request)
    async with context.database.read(snapshot=True) as session:
        if await repair_jobs.get(session, id) is None:
            raise refused(bulk.unknown(id))
        return rendered(await bulk.shown(session, id))


async def items(context: Context, request: Request) -> Any:
    """`GET /v1/repair-jobs/{id}/findings`, in the order in which they are repaired."""
    id, limit, after = path_id(request), limit_of(request), after_of(request)
    if after and not (after.isascii() and after.isdigit() and len(after) < 9):
        raise unknown_cursor(after)
    async with context.database.read(snapshot=True) as session:
        if await repair_jobs.get(session, id) is None:
            raise refused(bulk.unknown(id))
        rows = await repair_jobs.items(session, id, int(after or 0), limit + 1)
    return rendering.listing([dict(row) for row in rows[:limit]], len(rows) > limit)


async def confirmed(context: Context, request: Request) -> Any:
    """`POST /v1/repair-jobs/{id}/confirm`"""
    asked, id = await body_of(request, Confirmed), path_id(request)
    await require_role_for(context, id, request)
    claim = request.state.claim
    done = await bulk.confirm(context, id, asked.digest, request.state.actor, claim)
    return rendered(_answer(done))


async def require_role_for(context: Context, id: str, request: Request) -> None:
    """Raises Problem 403 where the bulk repair decides about money and the key may not."""
    async with context.database.read() as session:
        job = await repair_jobs.get(session, id)
    if job is not None:
        require_role(Choice(Repair(job["repair"])), request.state.actor)


async def cancelled(context: Context, request: Request) -> Any:
    """`POST /v1/repair-jobs/{id}/cancel`: what is repaired stays repaired."""
    await body_of(request, Body)
    return rendered(_answer(await bulk.cancel(context, path_id(request), request.state.actor)))
