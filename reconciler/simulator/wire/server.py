"""The door: Stripe's HTTP, around the operations.

In Stripe's order: who is asking, is the line broken, what is asked, was it asked before, do it,
remember it, is the line broken now. Operations know nothing of any of this.
"""

from base64 import b64decode
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import Receive, Scope, Send

from reconciler.simulator.kernel import refusals
from reconciler.simulator.kernel.form import Form
from reconciler.simulator.kernel.journal import linked
from reconciler.simulator.kernel.refusals import Refusal
from reconciler.simulator.kernel.views import copied, served
from reconciler.simulator.kernel.world import Call, Json, World
from reconciler.simulator.wire import asked as asking
from reconciler.simulator.wire import expansion, versions
from reconciler.simulator.wire.answers import ALWAYS, Answer, written
from reconciler.simulator.wire.asked import Asked
from reconciler.simulator.wire.idempotency import Idempotency
from reconciler.simulator.wire.keys import Keys
from reconciler.simulator.wire.line import (
    HARMLESS,
    ConnectionLost,
    Fault,
    Line,
    refusal_of,
    spoilt,
    wait,
)
from reconciler.simulator.wire.rates import Rates
from reconciler.simulator.wire.responses import Cut, response
from reconciler.simulator.wire.router import Router
from reconciler.simulator.wire.routes import OPERATIONS, Operation

_LOST = 0
# Objects that stay as they were made, whatever version asks for them.
_FROZEN = ("event", "v2.core.event")


class Door:
    """An ASGI application that answers everything under /v1 and /v2."""

    def __init__(self, world: World, faults: Line, keys: Keys) -> None:
        self._world = world
        self._faults = faults
        self._keys = keys
        self._idempotency = Idempotency(world)
        self._rates = Rates(world)
        self._router = Router(OPERATIONS)

    def routes(self) -> list[BaseRoute]:
        """/v1 and /v2 as a whole, and every operation that is anywhere else."""
        elsewhere = {o.path for o in OPERATIONS if not o.path.startswith(("/v1/", "/v2/"))}
        return [
            Mount("/v1", app=self),
            Mount("/v2", app=self),
            *(Route(path, endpoint=self) for path in sorted(elsewhere)),
        ]

    def state(self) -> Json:
        return {"idempotency": self._idempotency.state(), "rates": self._rates.state()}

    def restore(self, state: Json) -> None:
        self._idempotency.restore(state["idempotency"])
        self._rates.restore(state["rates"])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = await self._read(scope, receive)
        if asked.method == "OPTIONS":
            await Response(status_code=200, headers=ALWAYS)(scope, receive, send)
            return
        answer = await self._answered(asked)
        await answer(scope, receive, send)

    async def unknown(self, request: Request, _: Exception) -> Response:
        """No page or operation has this address."""
        asked = await self._read(request.scope, request.receive)
        return self._respond(asked, self._refuse(asked, self._no_route(asked)))

    async def broken(self, request: Request, _: Exception) -> Response:
        """The simulator itself went wrong: say so as Stripe would, and let the server log it."""
        error = {"message": "An unknown error occurred", "type": "api_error"}
        return Response(written({"error": error}), 500, ALWAYS, "application/json")

    async def _read(self, scope: Scope, receive: Receive) -> Asked:
        self._world.clock.catch_up()
        version = self._world.settings.account_version
        return await asking.read(scope, receive, self._world.ids.new("req"), version)

    async def _answered(self, asked: Asked) -> Response:
        try:
            operation = self._admit(asked)
            answer = await self._through_faults(asked, operation)
        except ConnectionLost:
            self._record(asked, _LOST)
            return Cut()
        except Refusal as refusal:
            answer = self._refuse(asked, refusal)
        return self._respond(asked, answer)

    def _admit(self, asked: Asked) -> Operation:
        """Find what is asked for, whose account it is about, and whether the key may."""
        found = self._router.find(asked.method, asked.path)
        if found is None:
            raise self._no_route(asked)
        operation, asked.ids = found
        asked.book, asked.publishable = self._keys.admit(
            asked.authorization, asked.account, asked.method, operation.path
        )
        asking.check_version(asked.version)
        return operation

    def _no_route(self, asked: Asked) -> Refusal:
        return refusals.no_route(asked.method, asked.path)

    async def _through_faults(self, asked: Asked, operation: Operation) -> Answer:
        fault = self._strike(asked, operation, "before")
        if fault is not None and not fault["saved"] and fault["effect"] not in HARMLESS:
            await wait(fault)
            answer = self._spoil(asked, fault, None)
            if answer is not None:
                return answer
        self._limit(asked, operation)
        asked.decode()
        return await self._once(asked, operation, fault)

    def _limit(self, asked: Asked, operation: Operation) -> None:
        account = asked.book.id if asked.book else ""
        reason = self._rates.exceeded(account, asked.method, asked.path, operation.path)
        if reason is not None:
            asked.headers["Stripe-Rate-Limited-Reason"] = reason
            raise refusals.too_fast()

    async def _once(self, asked: Asked, operation: Operation, before: Fault | None) -> Answer:
        """Do it, or give the answer of the time it was done with this key."""
        account, key = asked.book.id if asked.book else "", asked.key
        if key:
            earlier = self._idempotency.begin(
                account, key, asked.method, asked.path, asked.form, asked.request_id
            )
            if earlier is not None:
                return await self._after(asked, operation, earlier) or earlier
        try:
            answer, began = await self._work(asked, operation, before)
            after = self._strike(asked, operation, "after") if began else None
            if after is not None and after["effect"] == "500" and after["saved"]:
                answer, after = self._refuse(asked, _refusal(after)), None
        except BaseException:
            self._idempotency.forget(account, key or "")
            raise
        if key and began and not (asked.v2 and answer.status >= 400):
            self._idempotency.remember(account, key, answer)
        elif key:
            self._idempotency.forget(account, key)
        if key:
            answer = replace(answer, original=asked.request_id)
        if after is not None:
            await wait(after)
        return self._spoil(asked, after, answer) or answer

    async def _work(
        self, asked: Asked, operation: Operation, before: Fault | None
    ) -> tuple[Answer, bool]:
        """Run the operation, unless a fault comes first that is remembered in its place."""
        if before is not None:
            await wait(before)
            answer = self._spoil(asked, before, None)
            if answer is not None:
                return answer, True
        return self._perform(asked, operation)

    async def _after(self, asked: Asked, operation: Operation, earlier: Answer) -> Answer | None:
        """A remembered answer can get lost as well."""
        fault = self._strike(asked, operation, "after")
        if fault is not None:
            await wait(fault)
        return self._spoil(asked, fault, earlier)

    def _strike(self, asked: Asked, operation: Operation, when: str) -> Fault | None:
        """The fault that strikes now, if any; the virtual time it takes passes here."""
        name = f"{operation.method} {operation.path}"
        fault = self._faults.strike(asked.method, asked.path, when, name)
        if fault is None:
            return None
        asked.fault = f"{fault['effect']} {when}"
        if fault["seconds"]:
            self._world.clock.advance(fault["seconds"])
        if fault["effect"] == "drip":
            asked.drip = fault["real_seconds"]
        if fault["effect"] == "429_lock_timeout":
            asked.headers["Stripe-Should-Retry"] = "true"
        return fault

    def _spoil(self, asked: Asked, fault: Fault | None, answer: Answer | None) -> Answer | None:
        """What a fault puts in the place of the answer."""
        if fault is None:
            return None
        refusal = refusal_of(fault)
        return self._refuse(asked, refusal) if refusal else spoilt(fault, answer)

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
            asked.address,
        )
        try:
            operation.contract.check(asked.form, asked.version)
            if asked.publishable:
                self._keys.check_client_secret(asked.form, call)
            expansion.check(operation.contract.answer, call.form.texts("expand"))
            answer, began = self._show(asked, call, operation.run(call)), True
        except Refusal as refusal:
            answer, began = self._refuse(asked, refusal), refusal.began
        self._world.clock.catch_up()
        return answer, began

    def _show(self, asked: Asked, call: Call, thing: Json) -> Answer:
        """The work is done by now, even if what was asked to see of it cannot be shown."""
        if thing.get("object") == "_raw":
            content = b64decode(thing["content"])
            return Answer(200, content, media_type=thing["type"], filename=thing["filename"])
        view = served(call.book, thing)
        asked.about += linked(view)
        kind = view.get("object")
        if kind == "list":
            view.setdefault("url", asked.path)
        try:
            expansion.expand(self._world, view, call.form.texts("expand"))
        except Refusal as refusal:
            return self._refuse(asked, refusal)
        if kind not in _FROZEN and asked.path != "/v1/events":
            versions.render(self._world, view, asked.version)
        return Answer(200, written(view))

    def _refuse(self, asked: Asked, refusal: Refusal) -> Answer:
        account = asked.book.id if asked.book else self._world.platform
        asked.error = {name: refusal.error.get(name) for name in ("type", "code", "message")}
        body = copied(refusal.body(account, asked.request_id))
        versions.render(self._world, body, asked.version)
        return Answer(refusal.status, written(body))

    def _respond(self, asked: Asked, answer: Answer) -> Response:
        self._record(asked, answer.status, answer.replayed)
        return response(asked, answer)

    def _record(self, asked: Asked, status: int, replayed: bool = False) -> None:
        self._world.journal.note(
            "request",
            asked.book.id if asked.book else "",
            [asked.request_id, *asked.ids.values(), *asked.about],
            method=asked.method,
            path=asked.path,
            status=status,
            request=asked.request_id,
            key=asked.key,
            replayed=replayed,
            form=asked.shown,
            stripe_account=asked.account,
            error=asked.error,
            fault=asked.fault,
        )


def _refusal(fault: Fault) -> Refusal:
    return refusal_of(fault) or Refusal("api", "An unknown error occurred")
