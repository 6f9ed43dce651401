"""The door: Stripe's HTTP, around the operations.

In Stripe's order: who is asking, is the line broken, was this asked before, do it, remember it, is
the line broken now. Operations know nothing of any of this.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from reconciler.simulator.kernel import refusals
from reconciler.simulator.kernel.form import Form, decode
from reconciler.simulator.kernel.refusals import Refusal
from reconciler.simulator.kernel.views import copied, served
from reconciler.simulator.kernel.world import Book, Call, Json, World
from reconciler.simulator.outside.faults import ConnectionLost, Faults
from reconciler.simulator.wire import expansion, versions
from reconciler.simulator.wire.idempotency import Answer, Idempotency
from reconciler.simulator.wire.routes import OPERATIONS, Operation

_STALL_TURNS = 50
_LOST = 0

_BROKEN: dict[str, Refusal] = {
    "500": Refusal("api", "An unknown error occurred"),
    "429": Refusal("rate_limit", "Request rate limit exceeded.", code="rate_limit", began=False),
    "429_lock_timeout": Refusal(
        "rate_limit",
        "This object cannot be accessed right now because another API request or Stripe process is "
        "currently accessing it.",
        code="lock_timeout",
        began=False,
    ),
    "409_lock_timeout": Refusal(
        "conflict",
        "This object cannot be accessed right now because another API request or Stripe process is "
        "currently accessing it.",
        code="lock_timeout",
        began=False,
    ),
}


class Recorded(NamedTuple):
    """One request as the simulator saw it; status 0 when the answer was lost."""

    method: str
    path: str
    form: dict[str, Any]
    stripe_account: str | None
    idempotency_key: str | None
    status: int


@dataclass
class Asked:
    """A request, read and not yet judged."""

    method: str
    path: str
    form: dict[str, Any]
    ids: dict[str, str]
    authorization: str
    account: str | None
    key: str | None
    version: str
    request_id: str
    book: Book | None = None
    headers: dict[str, str] = field(default_factory=dict)


class Door:
    def __init__(self, world: World, faults: Faults) -> None:
        self._world = world
        self._faults = faults
        self._idempotency = Idempotency(world.clock, world.settings.idempotency_hours)
        self.requests: list[Recorded] = []

    def routes(self) -> list[Route]:
        return [
            Route(operation.path, self._endpoint(operation), methods=[operation.method])
            for operation in OPERATIONS
        ]

    async def unknown(self, request: Request, _: Exception) -> Response:
        """No operation has this address."""
        asked = await self._read(request)
        refusal = refusals.no_route(asked.method, asked.path)
        return self._respond(asked, self._refuse(asked, refusal))

    def _endpoint(self, operation: Operation) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            asked = await self._read(request)
            try:
                self._admit(asked)
                answer = await self._through_faults(asked, operation)
            except ConnectionLost:
                self._record(asked, _LOST)
                return _Cut()
            except Refusal as refusal:
                answer = self._refuse(asked, refusal)
            return self._respond(asked, answer)

        return endpoint

    async def _read(self, request: Request) -> Asked:
        self._world.clock.catch_up()
        body = (await request.body()).decode(errors="replace")
        headers = request.headers
        return Asked(
            method=request.method,
            path=request.url.path,
            form=decode(body if request.method == "POST" else request.url.query),
            ids=dict(request.path_params),
            authorization=headers.get("authorization", ""),
            account=headers.get("stripe-account"),
            key=headers.get("idempotency-key") if request.method == "POST" else None,
            version=headers.get("stripe-version") or self._world.settings.account_version,
            request_id=self._world.ids.new("req"),
        )

    def _admit(self, asked: Asked) -> None:
        """Check the key, and find whose account the request is about."""
        scheme, _, key = asked.authorization.partition(" ")
        if scheme.lower() != "bearer" or not key:
            raise refusals.no_key()
        if not key.startswith(("sk_test_", "rk_test_")):
            raise refusals.bad_key(f"{key[:8]}{'*' * 8}{key[-4:]}")
        book = self._world.books.get(asked.account or self._world.platform)
        if book is None or book.deleted:
            raise refusals.no_access(asked.account or "")
        asked.book = book

    async def _through_faults(self, asked: Asked, operation: Operation) -> Answer:
        before = self._faults.strike(asked.method, asked.path, "before")
        if before in _BROKEN:
            raise self._broken(asked, before)
        if before == "reset":
            raise ConnectionLost("connection reset before the request was handled")
        if before == "broken_body":
            return _torn()
        return await self._once(asked, operation, stalled=before == "stall")

    async def _once(self, asked: Asked, operation: Operation, stalled: bool) -> Answer:
        """Do it, or give the answer of the time it was done with this key."""
        account = asked.book.id if asked.book else ""
        if asked.key:
            fingerprint = (asked.method, asked.path, asked.form)
            earlier = self._idempotency.begin(account, asked.key, fingerprint)
            if earlier is not None:
                return self._after(asked, earlier)
        try:
            for _ in range(_STALL_TURNS if stalled else 0):
                await asyncio.sleep(0)
            answer, began = self._perform(asked, operation)
        except BaseException:
            self._idempotency.forget(account, asked.key or "")
            raise
        struck = self._faults.strike(asked.method, asked.path, "after") if began else None
        if struck in _BROKEN:
            answer = self._refuse(asked, self._broken(asked, struck))
        if asked.key and began:
            self._idempotency.remember(account, asked.key, answer)
        elif asked.key:
            self._idempotency.forget(account, asked.key)
        if struck == "reset":
            raise ConnectionLost("connection reset before the answer arrived")
        return _torn() if struck == "broken_body" else answer

    def _after(self, asked: Asked, earlier: Answer) -> Answer:
        """A remembered answer can get lost as well."""
        struck = self._faults.strike(asked.method, asked.path, "after")
        if struck in _BROKEN:
            raise self._broken(asked, struck)
        if struck == "reset":
            raise ConnectionLost("connection reset before the answer arrived")
        return _torn() if struck == "broken_body" else earlier

    def _perform(self, asked: Asked, operation: Operation) -> tuple[Answer, bool]:
        """Run the operation and what it makes due; say also whether the work began."""
        if asked.book is None:
            raise refusals.no_key()
        call = Call(
            self._world,
            asked.book,
            Form(asked.form),
            asked.ids,
            asked.request_id,
            asked.key,
            self._faults.hidden(asked.path) if operation.lists else frozenset(),
            asked.version,
        )
        try:
            operation.contract.check(asked.form, asked.version)
            expansion.check(operation.contract.answer, call.form.texts("expand"))
            answer, began = self._show(asked, call, operation.run(call)), True
        except Refusal as refusal:
            answer, began = self._refuse(asked, refusal), refusal.began
        self._world.clock.catch_up()
        return answer, began

    def _show(self, asked: Asked, call: Call, thing: Json) -> Answer:
        """The work is done by now, even if what was asked to see of it cannot be shown."""
        view = served(call.book, thing)
        if view.get("object") == "list":
            view["url"] = asked.path
        try:
            expansion.expand(self._world, view, call.form.texts("expand"))
        except Refusal as refusal:
            return self._refuse(asked, refusal)
        versions.render(self._world, view, asked.version)
        return Answer(200, msgspec.json.encode(view))

    def _broken(self, asked: Asked, effect: str | None) -> Refusal:
        if effect == "429_lock_timeout":
            asked.headers["Stripe-Should-Retry"] = "true"
        return _BROKEN[effect or "500"]

    def _refuse(self, asked: Asked, refusal: Refusal) -> Answer:
        account = asked.book.id if asked.book else self._world.platform
        body = copied(refusal.body(account, asked.request_id))
        versions.render(self._world, body, asked.version)
        return Answer(refusal.status, msgspec.json.encode(body))

    def _respond(self, asked: Asked, answer: Answer) -> Response:
        self._record(asked, answer.status)
        headers = {
            "Request-Id": asked.request_id,
            "Stripe-Version": asked.version,
            **asked.headers,
        }
        if asked.key:
            headers["Idempotency-Key"] = asked.key
        if asked.account:
            headers["Stripe-Account"] = asked.account
        if answer.replayed:
            headers["Idempotent-Replayed"] = "true"
        return Response(answer.body, answer.status, headers, "application/json")

    def _record(self, asked: Asked, status: int) -> None:
        self.requests.append(
            Recorded(asked.method, asked.path, asked.form, asked.account, asked.key, status)
        )


def _torn() -> Answer:
    return Answer(200, b'{"id": "')


class _Cut(Response):
    """An answer that starts and is cut off: a server then closes the connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"1000"), (b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"{", "more_body": True})
        raise ConnectionLost("connection reset")
