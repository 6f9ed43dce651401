"""The console's page of resyncs: what was read again, what is under way, and what went wrong."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from handlers.console import Page, render
from reconciler.context import Context
from reconciler.intake import resync
from reconciler.store import resyncs

LISTED = 50
REFRESH_SECONDS = "2"


async def listed(context: Context, request: Request) -> Response:
    """The latest resyncs; while one is under way the page loads itself again."""
    async with context.database.read() as session:
        rows = await resyncs.listed(session, LISTED, None)
    found = [resync.view(row) for row in rows]
    response = render("resyncs.html", {"resyncs": found})
    if any(each["status"] == "running" for each in found):
        response.headers["Refresh"] = REFRESH_SECONDS
    return response


PAGES: dict[str, Page] = {"/console/resyncs": listed}
