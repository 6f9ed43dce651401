"""The API of resyncs: objects read from Stripe again, by ids or by type and window."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from pydantic import Field
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request

from handlers.answers import made, stripe_of
from handlers.bodies import Body, Id, Note, body_of
from handlers.paging import after_of, limit_of, unknown_cursor
from handlers.problems import Problem, not_found, path_id, refused
from reconciler.context import Context
from reconciler.domain.refusals import Refusal
from reconciler.domain.resyncs import Wanted
from reconciler.domain.snapshot import PLATFORM
from reconciler.intake import resync
from reconciler.moments import NotAMoment, parsed, rendered
from reconciler.store import resyncs

LOOK_AGAIN_SECONDS = 1.0
"""How often the progress of a resync is looked at while somebody watches it."""


class ResyncAsked(Body):
    """Either `ids`, or `type` with `since` and `until` (RFC 3339, or a date in UTC)."""

    ids: list[Id] = Field(default_factory=list)
    type: Id | None = None
    since: str | None = None
    until: str | None = None
    account: Id | None = None
    reason: Note = ""


async def asked(context: Context, request: Request) -> Any:
    """The resync, begun; the job goes on with it at once."""
    stripe_of(context)
    body = await body_of(request, ResyncAsked)
    wanted = Wanted(
        tuple(body.ids),
        body.type or "",
        _moment("since", body.since),
        _moment("until", body.until),
        body.account or PLATFORM,
    )
    found = await resync.ask(context, wanted, request.state.actor, body.reason)
    if isinstance(found, Refusal):
        raise refused(found)
    return made(found, 202)


def _moment(field: str, written: str | None) -> int:
    if not written:
        return 0
    try:
        return parsed(written)
    except NotAMoment as error:
        raise Problem(400, "bad_moment", f"{field} {error}", field=field) from None


async def listed(context: Context, request: Request) -> Any:
    """Newest first."""
    limit, after = limit_of(request), after_of(request)
    async with context.database.read(snapshot=True) as session:
        before = await resyncs.get(session, after) if after else None
        if after and before is None:
            raise unknown_cursor(after)
        place = (before["created_at"], before["id"]) if before else None
        rows = await resyncs.listed(session, limit + 1, place)
    return rendered(
        {"data": [resync.view(row) for row in rows[:limit]], "has_more": len(rows) > limit}
    )


async def one(context: Context, request: Request) -> Any:
    return rendered(await _found(context, path_id(request)))


async def cancelled(context: Context, request: Request) -> Any:
    """The resync, stopped; what it has read stays read."""
    found = await resync.cancel(context, path_id(request), request.state.actor)
    if isinstance(found, Refusal):
        raise refused(found)
    return rendered(found)


async def progress(context: Context, request: Request) -> Any:
    """Server-sent events: how it stands, whenever that changes, until it has ended."""
    id = path_id(request)
    await _found(context, id)
    return EventSourceResponse(_told(context, id), ping=15)


async def _told(context: Context, id: str) -> AsyncIterator[ServerSentEvent]:
    told = b""
    while True:
        found = await _found(context, id)
        state = msgspec.json.encode(rendered(found))
        if state != told:
            yield ServerSentEvent(state.decode(), event="progress")
        if found["status"] != "running":
            return
        told = state
        await asyncio.sleep(LOOK_AGAIN_SECONDS)


async def _found(context: Context, id: str) -> dict[str, Any]:
    async with context.database.read() as session:
        row = await resyncs.get(session, id)
    if row is None:
        raise not_found("resync", id)
    return resync.view(row)
