"""The simulator's own controls over HTTP, under /_simulator/: for demos and drills from outside.

JSON in, JSON out. Whoever reaches this address rules this world; it is not for the open network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from reconciler.simulator.kernel.refusals import Refusal

if TYPE_CHECKING:
    from reconciler.simulator.simulator import Simulator

_DRILLS = ("drop", "duplicate", "delay", "reorder", "calm", "resend")


class Control:
    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    def routes(self) -> list[Route]:
        return [
            Route("/_simulator/clock", self.clock, methods=["GET", "POST"]),
            Route("/_simulator/state", self.state, methods=["GET"]),
            Route("/_simulator/audit", self.audit, methods=["GET"]),
            Route("/_simulator/faults", self.faults, methods=["POST", "DELETE"]),
            Route("/_simulator/webhooks", self.register, methods=["POST"]),
            Route("/_simulator/webhooks/{drill}", self.drill, methods=["POST"]),
            Route("/_simulator/acts/{name}", self.act, methods=["POST"]),
        ]

    async def clock(self, request: Request) -> Response:
        """POST `{"advance": seconds}` moves time; `{"freeze": true}` stops it following."""
        clock = self._simulator.clock
        asked = await _asked(request)
        if asked.get("freeze"):
            clock.freeze()
        clock.advance(int(asked.get("advance", 0)))
        return _json({"now": clock.now(), "following": clock.following})

    async def state(self, request: Request) -> Response:
        """How many objects of each kind every account holds, and its balance."""
        books = {
            book.id: {
                "objects": {kind: len(shelf) for kind, shelf in book.shelves.items()},
                "balance": book.totals,
            }
            for book in self._simulator.world.books.values()
        }
        waiting = self._simulator.webhooks.pending()
        platform = self._simulator.world.platform
        return _json({"platform": platform, "accounts": books, "deliveries_waiting": waiting})

    async def audit(self, request: Request) -> Response:
        found = self._simulator.audit()
        return _json({"right": not found, "found": found})

    async def faults(self, request: Request) -> Response:
        if request.method == "DELETE":
            self._simulator.faults.clear()
            return _json({"planned": 0})
        try:
            self._simulator.faults.add(**await _asked(request))
        except (TypeError, ValueError) as error:
            return _json({"error": str(error)}, 400)
        return _json({"planned": len(self._simulator.faults.planned)})

    async def register(self, request: Request) -> Response:
        try:
            endpoint = self._simulator.webhooks.register(**await _asked(request))
        except TypeError as error:
            return _json({"error": str(error)}, 400)
        return _json({"id": endpoint})

    async def drill(self, request: Request) -> Response:
        name = request.path_params["drill"]
        if name not in _DRILLS:
            return _json({"error": f"no such drill: {name}"}, 404)
        try:
            getattr(self._simulator.webhooks, name)(**await _asked(request))
        except (KeyError, TypeError) as error:
            return _json({"error": str(error)}, 400)
        return _json({"waiting": self._simulator.webhooks.pending()})

    async def act(self, request: Request) -> Response:
        name = request.path_params["name"]
        act = None if name.startswith("_") else getattr(self._simulator.acts, name, None)
        if act is None:
            return _json({"error": f"no such act: {name}"}, 404)
        try:
            return _json(act(**await _asked(request)))
        except Refusal as refusal:
            return _json({"error": str(refusal)}, refusal.status)
        except TypeError as error:
            return _json({"error": str(error)}, 400)


async def _asked(request: Request) -> dict[str, Any]:
    body = await request.body()
    return dict(msgspec.json.decode(body)) if body else {}


def _json(content: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status, media_type="application/json")
