"""Starlette's routes, made from the route table: each behind its role, each failure a problem.

Must not list what is answered: `table` does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from handlers import connect_pages, console, pay_pages
from handlers.auth import authorise
from handlers.idempotency import once
from handlers.metrics import scrapes
from handlers.paging import require_known
from handlers.problems import Problem
from handlers.state import State
from handlers.table import FORM_ROLES, FORMS, METRICS, PAGES, TABLE, Answer, Entry
from handlers.webhooks import WebhookRoute
from reconciler.context import Context
from reconciler.gateway.fields import Unreadable
from reconciler.gateway.outcomes import StripeUnavailable
from reconciler.store.database import DatabaseUnavailable

log = structlog.get_logger()


def build_routes(state: State, *, http: bool) -> list[BaseRoute]:
    """Starlette's routes: health always, the rest where this instance serves HTTP."""
    routes: list[BaseRoute] = [
        Route("/healthz", _healthz, methods=["GET"]),
        Route("/readyz", _readiness(state), methods=["GET"]),
    ]
    if not http:
        routes += [_route(state, entry) for entry in TABLE if entry.path == METRICS]
        return routes
    routes += [
        Route("/webhooks/stripe", WebhookRoute(state, "platform"), methods=["POST"]),
        Route("/webhooks/stripe/connect", WebhookRoute(state, "connect"), methods=["POST"]),
    ]
    routes += [_route(state, entry) for entry in TABLE]
    routes += [
        Route(path, console.guarded(state, page), methods=["GET"]) for path, page in PAGES.items()
    ]
    routes += [
        Route(path, console.guarded(state, form, FORM_ROLES[path]), methods=["POST"])
        for path, form in FORMS.items()
    ]
    # No key opens this one: whoever comes back from Stripe brings a token in the address.
    routes.append(Route("/connect/{id}", connect_pages.visited(state), methods=["GET"]))
    routes += pay_pages.routes(state)
    return routes


def _route(state: State, entry: Entry) -> Route:
    return Route(entry.path, _guarded(state, entry), methods=[entry.method])


def _guarded(state: State, entry: Entry) -> Callable[[Request], Awaitable[Response]]:
    """The route's function behind its role, with every expected failure as a problem document."""

    async def endpoint(request: Request) -> Response:
        id = request.state.request_id = state.context.new_id("req")
        with structlog.contextvars.bound_contextvars(request_id=id):
            response = await answered(request)
        response.headers["Request-Id"] = id
        return response

    async def answered(request: Request) -> Response:
        return await _answer(allowed, state.context, request)

    async def allowed(context: Context, request: Request) -> Response:
        if entry.path == METRICS and scrapes(request, state.metrics_key):
            return await answer(request)
        actor = await authorise(state, request, entry.role)
        require_known(request, entry.query)
        if not entry.keyed:
            return await answer(request)
        return await once(state.desk, context, request, actor.key_id, lambda: answer(request))

    async def answer(request: Request) -> Response:
        return await _answer(entry.answer, state.context, request)

    return endpoint


async def _answer(function: Answer, context: Context, request: Request) -> Response:
    """What the function answers, with every expected failure as a problem document."""
    try:
        answer = await function(context, request)
    except Problem as problem:
        return problem.response()
    except DatabaseUnavailable as error:
        log.error("api.database_unavailable", path=request.url.path, error=str(error))
        return Problem(503, "storage_unavailable", "The database is not available.").response()
    except StripeUnavailable as error:
        return Problem(502, "stripe_unavailable", str(error)).response()
    except Unreadable as error:
        log.error("api.stripe_unreadable", path=request.url.path, error=str(error))
        detail = f"Stripe's answer is not what this version can read: {error}."
        return Problem(502, "stripe_unreadable", detail).response()
    if isinstance(answer, Response):
        return answer
    return Response(msgspec.json.encode(answer), media_type="application/json")


async def _healthz(_: Request) -> Response:
    return Response(b'{"status":"ok"}', media_type="application/json")


def _readiness(state: State) -> Callable[[Request], Awaitable[Response]]:
    async def readyz(_: Request) -> Response:
        try:
            if not state.ready:
                raise DatabaseUnavailable("the service is starting")
            async with state.context.database.read() as session:
                await session.one("SELECT 1 AS ready")
        except DatabaseUnavailable as error:
            log.error("health.not_ready", error=str(error))
            return Problem(503, "not_ready", "The database is not available.").response()
        return Response(b'{"status":"ready"}', media_type="application/json")

    return readyz
