"""Findings over HTTP: listed by what they are, and what people say of them.

Must not repair anything: `repairs` does.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field, StringConstraints
from starlette.requests import Request

from handlers import rendering
from handlers.bodies import LARGEST_AMOUNT, Body, Note, body_of
from handlers.paging import after_of, limit_of, unknown_cursor
from handlers.problems import Problem, not_found, path_id, refused
from reconciler.context import Context
from reconciler.domain.casework import AGES, STATUSES, first_seen_between
from reconciler.domain.findings import FindingKind
from reconciler.domain.repairs import Choice, Repair
from reconciler.moments import rendered
from reconciler.reconciling.repairing import casework, views
from reconciler.reconciling.repairing.casework import Resolution
from reconciler.reconciling.repairing.repair import Shown
from reconciler.store import findings, runs
from reconciler.store.findings import Chosen

FILTERS = ("status", "kind", "cause", "currency", "assignee", "reference", "age")
LONGEST_FILTER = 255

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Person = Annotated[str, StringConstraints(max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")]
Said = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00]*$")]


class Assignment(Body):
    """Whose it is; an empty name makes it nobody's."""

    assignee: Person


class Remark(Body):
    """What somebody knows about it."""

    note: Said


class Settled(Body):
    """Why it is settled, of a closed list, and the digest that the finding shows."""

    reason: Annotated[str, StringConstraints(min_length=1, max_length=40)]
    digest: Digest
    note: Note = ""


class Aside(Body):
    """For how long it is set aside and why, and the digest that the finding shows. Without a cap
    the amounts may not change."""

    reason: Said
    digest: Digest
    days: Annotated[int, Field(ge=1, le=366)]
    cap: Annotated[int, Field(ge=0, le=LARGEST_AMOUNT)] | None = None


class Lifted(Body):
    """Why it is set aside no more."""

    reason: Note = ""


def chosen_by(params: Any, now: int, ids: tuple[str, ...] = ()) -> Chosen:
    """The findings that filters ask for, out of these ids if there are any. Raises Problem 400 for
    what can choose none."""
    asked = {name: str(params.get(name, "")) for name in FILTERS}
    for name, value in asked.items():
        if len(value) > LONGEST_FILTER or "\x00" in value:
            raise Problem(400, f"bad_{name}", f"{name} is too long to be one.", field=name)
    closed = {"status": STATUSES, "kind": tuple(FindingKind), "age": tuple(a.name for a in AGES)}
    for name, known in closed.items():
        if asked[name] and asked[name] not in known:
            detail = f"{name} must be one of {', '.join(known)}."
            raise Problem(400, f"bad_{name}", detail, field=name)
    seen = first_seen_between(asked.pop("age"), now)
    chosen = Chosen(
        asked["status"],
        asked["kind"],
        asked["cause"],
        asked["currency"],
        asked["assignee"],
        asked["reference"],
        ids=ids,
    )
    return replace(chosen, seen_from=seen[0], seen_to=seen[1]) if seen else chosen


async def listed(context: Context, request: Request) -> Any:
    """`GET /v1/drift/findings`, narrowed by any of the filters."""
    limit, after, now = limit_of(request), after_of(request), context.now()
    chosen = chosen_by(request.query_params, now)
    async with context.database.read(snapshot=True) as session:
        last = await runs.finding(session, after) if after else None
        if after and last is None:
            raise unknown_cursor(after)
        before = (last["first_seen"], last["id"]) if last else None
        found = await findings.page(session, chosen, limit + 1, before)
    return rendering.listing([views.shown(row, now) for row in found[:limit]], len(found) > limit)


async def ageing(context: Context, request: Request) -> Any:
    """`GET /v1/drift/ageing`: what the chosen findings add up to, by status and currency, and how
    many there are of each age."""
    now = context.now()
    chosen = chosen_by(request.query_params, now)
    async with context.database.read(snapshot=True) as session:
        return await views.summary(session, chosen, now)


async def one(context: Context, request: Request) -> Any:
    """`GET /v1/drift/findings/{id}`: with its time line and what was done about it."""
    id = path_id(request)
    async with context.database.read(snapshot=True) as session:
        found = await runs.finding(session, id)
        if found is None:
            raise not_found("finding", id)
        return rendered(await views.whole(session, found, context.now()))


async def assigned(context: Context, request: Request) -> Any:
    """`POST …/{id}/assign`"""
    asked = await body_of(request, Assignment)
    done = await casework.assign(
        context, path_id(request), asked.assignee.strip(), request.state.actor
    )
    return answer(context, done)


async def noted(context: Context, request: Request) -> Any:
    """`POST …/{id}/note`"""
    asked = await body_of(request, Remark)
    done = await casework.note(context, path_id(request), asked.note, request.state.actor)
    return answer(context, done)


async def resolved(context: Context, request: Request) -> Any:
    """`POST …/{id}/resolve`"""
    asked = await body_of(request, Settled)
    resolution = Resolution(asked.reason, asked.digest, asked.note)
    done = await casework.resolve(context, path_id(request), resolution, request.state.actor)
    return answer(context, done)


async def suppressed(context: Context, request: Request) -> Any:
    """`POST …/{id}/suppress`"""
    asked = await body_of(request, Aside)
    choice = Choice(Repair.IGNORE, note=asked.reason, cap=asked.cap, days=asked.days)
    actor = request.state.actor
    done = await casework.suppress(context, path_id(request), choice, asked.digest, actor)
    return answer(context, done)


async def lifted(context: Context, request: Request) -> Any:
    """`POST …/{id}/lift`"""
    asked = await body_of(request, Lifted)
    done = await casework.lifted(context, path_id(request), asked.reason, request.state.actor)
    return answer(context, done)


def answer(context: Context, done: dict[str, Any] | Shown) -> Any:
    """The finding as it stands. Raises the Problem of a refusal, the finding with it."""
    if isinstance(done, Shown):
        raise shown_again(done, context.now())
    return rendered(views.shown(done, context.now()))


def shown_again(done: Shown, now: int) -> Problem:
    """A refusal, with what has to be looked at again."""
    problem = refused(done.refusal)
    if done.finding is not None:
        problem.more = {"finding": rendered(views.shown(done.finding, now))}
    if done.preview is not None:
        problem.more = {**problem.more, "preview": rendered(done.preview)}
    return problem
