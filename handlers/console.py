"""The console's pages: server-rendered, read-only, complete without JavaScript.

Must not load anything from elsewhere: the policy below forbids it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from handlers.auth import authorise
from handlers.problems import Problem
from handlers.rendering import moment
from handlers.state import State
from reconciler.context import Context
from reconciler.domain.money import major
from reconciler.keys import Role
from reconciler.store import inbox, runs
from reconciler.store.database import DatabaseUnavailable

POLICY = "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " \
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

Page = Callable[[Context, Request], Awaitable[Response]]

_pages = Environment(
    loader=PackageLoader("handlers"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_pages.filters["money"] = major
_pages.filters["moment"] = moment
_pages.filters["words"] = lambda text: str(text).replace("_", " ")


def _page(template: str, values: Mapping[str, Any], status: int = 200) -> Response:
    body = _pages.get_template(template).render(**values)
    headers = {
        "Content-Security-Policy": POLICY,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }
    return Response(body, status, headers, media_type="text/html; charset=utf-8")


async def home(_: Context, __: Request) -> Response:
    return RedirectResponse("/console/runs/latest", 303)


async def run(context: Context, request: Request) -> Response:
    """One run: its verdict, its bridges and its findings."""
    id = str(request.path_params["id"])
    async with context.database.read(snapshot=True) as session:
        row = await runs.run(session, id)
        found = await runs.run_findings(session, row["id"]) if row else []
        events = await inbox.counts(session)
        recent = await runs.runs(session, 8, None)
    if row is None:
        return _page("empty.html", {"wanted": id, "recent": recent}, 404 if id != "latest" else 200)
    by_id = {finding["id"]: finding for finding in found}
    values = {
        "run": row,
        "findings": found,
        "by_id": by_id,
        "events": _event_counts(events),
        "recent": recent,
    }
    return _page("run.html", values)


def _event_counts(rows: list[Any]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["status"]] = counts.get(row["status"], 0) + row["events"]
    return counts


PAGES: dict[str, Page] = {
    "/console": home,
    "/console/": home,
    "/console/runs/{id}": run,
}


def guarded(state: State, page: Page) -> Callable[[Request], Awaitable[Response]]:
    """The page for whoever holds a key; the browser asks for one."""

    async def endpoint(request: Request) -> Response:
        try:
            await authorise(state.context, request, Role.VIEWER)
            return await page(state.context, request)
        except Problem as problem:
            answer = _page("problem.html", {"problem": problem}, problem.status)
            if problem.status == 401:
                answer.headers["WWW-Authenticate"] = 'Basic realm="reconciler", charset="UTF-8"'
            return answer
        except DatabaseUnavailable:
            unavailable = Problem(503, "storage_unavailable", "The database is not available.")
            return _page("problem.html", {"problem": unavailable}, 503)

    return endpoint
