"""`POST /v1/events/{id}/replay`: try a dead event again."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from handlers.api import event_shown
from handlers.bodies import Body, Note, body_of
from handlers.problems import path_id, refused
from reconciler.context import Context
from reconciler.domain.refusals import Refusal
from reconciler.intake.replay import replay
from reconciler.moments import rendered


class ReplayAsked(Body):
    """Nothing has to be said; a reason goes into the audit log."""

    reason: Note = ""


async def replayed(context: Context, request: Request) -> Any:
    """The event as it stands after another try."""
    id = path_id(request)
    asked = await body_of(request, ReplayAsked)
    found = await replay(context, id, request.state.actor, asked.reason)
    if isinstance(found, Refusal):
        raise refused(found)
    return rendered(event_shown(found))
