"""The route table: path, method, role and function of everything this service answers.

From it come Starlette's routes and the authorisation of each, so that none can be forgotten.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from handlers import api, console
from handlers.auth import authorise
from handlers.files import run_file
from handlers.problems import Problem, path_id
from handlers.state import State
from handlers.webhooks import WebhookRoute
from reconciler.context import Context
from reconciler.domain.lifecycle import Kind
from reconciler.gateway.outcomes import StripeUnavailable
from reconciler.keys import Role
from reconciler.store.database import DatabaseUnavailable

log = structlog.get_logger()

Answer = Callable[[Context, Request], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Entry:
    """One route: what it answers, and the least role that may ask."""

    method: str
    path: str
    role: Role
    answer: Answer


async def export(context: Context, request: Request) -> Response:
    """A run as a file, `?format=json|csv`."""
    return await run_file(context, path_id(request), request.query_params.get("format", "json"))


TABLE = (
    Entry("GET", "/v1/payments", Role.VIEWER, api.payments),
    Entry("GET", "/v1/payments/{id}", Role.VIEWER, api.payment),
    Entry("GET", "/v1/refunds", Role.VIEWER, api.of_kind(Kind.REFUND)),
    Entry("GET", "/v1/refunds/{id}", Role.VIEWER, api.one_of_kind(Kind.REFUND)),
    Entry("GET", "/v1/disputes", Role.VIEWER, api.of_kind(Kind.DISPUTE)),
    Entry("GET", "/v1/disputes/{id}", Role.VIEWER, api.one_of_kind(Kind.DISPUTE)),
    Entry("GET", "/v1/bank-payouts", Role.VIEWER, api.of_kind(Kind.BANK_PAYOUT)),
    Entry("GET", "/v1/bank-payouts/{id}", Role.VIEWER, api.one_of_kind(Kind.BANK_PAYOUT)),
    Entry("GET", "/v1/balance-transactions", Role.VIEWER, api.balance_transactions),
    Entry("GET", "/v1/events", Role.VIEWER, api.events),
    Entry("GET", "/v1/events/{id}", Role.VIEWER, api.event),
    Entry("GET", "/v1/merchants/{id}/balance", Role.VIEWER, api.merchant_balance),
    Entry("GET", "/v1/platform/balance", Role.VIEWER, api.platform_balance),
    Entry("GET", "/v1/drift/runs", Role.VIEWER, api.runs_listed),
    Entry("POST", "/v1/drift/runs", Role.OPERATOR, api.run_started),
    Entry("GET", "/v1/drift/runs/{id}", Role.VIEWER, api.run),
    Entry("GET", "/v1/drift/runs/{id}/bridge", Role.VIEWER, api.run_bridge),
    Entry("GET", "/v1/drift/runs/{id}/export", Role.VIEWER, export),
    Entry("GET", "/v1/drift/findings", Role.VIEWER, api.findings),
    Entry("GET", "/v1/drift/findings/{id}", Role.VIEWER, api.finding),
)


def build_routes(state: State, *, http: bool) -> list[BaseRoute]:
    """Starlette's routes: health always, the rest where this instance serves HTTP."""
    routes: list[BaseRoute] = [
        Route("/healthz", _healthz, methods=["GET"]),
        Route("/readyz", _readiness(state), methods=["GET"]),
    ]
    if not http:
        return routes
    routes += [
        Route("/webhooks/stripe", WebhookRoute(state, "platform"), methods=["POST"]),
        Route("/webhooks/stripe/connect", WebhookRoute(state, "connect"), methods=["POST"]),
    ]
    for entry in TABLE:
        routes.append(Route(entry.path, _guarded(state, entry), methods=[entry.method]))
    routes += [
        Route(path, console.guarded(state, page), methods=["GET"])
        for path, page in console.PAGES.items()
    ]
    return routes


def _guarded(state: State, entry: Entry) -> Callable[[Request], Awaitable[Response]]:
    """The route's function behind its role, with every expected failure as a problem document."""

    async def endpoint(request: Request) -> Response:
        try:
            await authorise(state.context, request, entry.role)
            answer = await entry.answer(state.context, request)
        except Problem as problem:
            return problem.response()
        except DatabaseUnavailable as error:
            log.error("api.database_unavailable", path=entry.path, error=str(error))
            return Problem(503, "storage_unavailable", "The database is not available.").response()
        except StripeUnavailable as error:
            return Problem(502, "stripe_unavailable", str(error)).response()
        if isinstance(answer, Response):
            return answer
        return Response(msgspec.json.encode(answer), media_type="application/json")

    return endpoint


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
