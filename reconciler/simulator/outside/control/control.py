"""The controls over HTTP, under /_simulator/: JSON in, JSON out, and a page for browsers.

Whoever reaches these addresses rules this world, so what other web sites send through a browser is
refused. What the controls do is said in `controls.py`; here they are only reached.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from reconciler.simulator.kernel.refusals import Refusal
from reconciler.simulator.outside.acts import noting
from reconciler.simulator.outside.control.controls import Controls
from reconciler.simulator.outside.control.parameters import WrongCall, bound, parameters, summary
from reconciler.simulator.outside.control.state import Unfit
from reconciler.simulator.outside.pages import layout
from reconciler.simulator.outside.pages.origin import same_origin

if TYPE_CHECKING:
    from reconciler.simulator.simulator import Simulator

Json = dict[str, Any]

DRILLS = (
    "drop",
    "duplicate",
    "delay",
    "reorder",
    "bad_signature",
    "wrong_timestamp",
    "truncate",
    "remove",
    "calm",
    "resend",
    "disable",
    "enable",
    "roll_secret",
    "retire_secrets",
)
ROOT = "/_simulator"


class Control(NamedTuple):
    """One address, and what is called there; its path's names are arguments too."""

    method: str
    path: str
    run: Callable[..., Any]


class ControlDoor:
    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._controls = Controls(simulator)
        self._table = _table(simulator, self._controls)

    def routes(self) -> list[Route]:
        return [
            Route(f"{ROOT}/", self._index, methods=["GET"]),
            Route(ROOT, self._index, methods=["GET"]),
            Route(f"{ROOT}/state/dump", self._dump, methods=["GET"]),
            Route(f"{ROOT}/state/load", self._guarded(self._load), methods=["POST"]),
            Route(f"{ROOT}/acts/{{name}}", self._guarded(self._act), methods=["POST"]),
            Route(f"{ROOT}/webhooks/{{name}}", self._guarded(self._drill), methods=["POST"]),
            *(
                Route(ROOT + row.path, self._guarded(self._reached(row)), methods=[row.method])
                for row in self._table
            ),
        ]

    # How a control is reached.

    def _guarded(
        self, run: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """Say no to other sites, and say what was wrong instead of failing."""

        async def endpoint(request: Request) -> Response:
            if not same_origin(request):
                return _error(403, "This address takes nothing from other web sites.")
            try:
                return await run(request)
            except Refusal as refusal:
                body = refusal.body(self._simulator.world.platform, "req_control")
                return _json(body, refusal.status)
            except KeyError as error:
                return _error(404, f"No such object: {error.args[0] if error.args else ''}")
            except (WrongCall, Unfit, ValueError) as error:
                return _error(400, str(error))

        return endpoint

    def _reached(self, row: Control) -> Callable[[Request], Awaitable[Response]]:
        async def run(request: Request) -> Response:
            given = dict(request.query_params) if row.method == "GET" else await _asked(request)
            given = {**given, **request.path_params}
            if row.method == "GET":
                return _json(row.run(**bound(row.run, given)))
            name = row.path.split("/")[1] + (" removed" if row.method == "DELETE" else "")
            return _json(await self._controls.run(name, row.run, given))

        return run

    async def _act(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in noting.names(self._simulator.acts):
            return _error(404, f"No such act: {name}. GET {ROOT}/acts lists them.")
        act = getattr(self._simulator.acts, name)
        return _json(act(**bound(act, await _asked(request))))

    async def _drill(self, request: Request) -> Response:
        name = request.path_params["name"]
        drill = getattr(self._simulator.webhooks, name, None) if name in DRILLS else None
        if drill is None:
            return _error(404, f"No such drill: {name}. There are {', '.join(DRILLS)}.")
        await self._controls.run(f"webhooks {name}", drill, await _asked(request))
        return _json({"waiting": self._simulator.webhooks.pending()})

    async def _dump(self, request: Request) -> Response:
        try:
            return Response(self._simulator.dump(), media_type="application/json")
        except Unfit as error:
            return _error(400, str(error))

    async def _load(self, request: Request) -> Response:
        self._simulator.load(await request.body())
        return _json(self._controls.state())

    async def _index(self, request: Request) -> Response:
        """What there is: JSON for machines, a page for browsers."""
        rows = [_row(row) for row in self._table]
        acts = self._controls.acts()["acts"]
        drills = [
            _row(Control("POST", f"/webhooks/{name}", drill))
            for name in DRILLS
            if (drill := getattr(self._simulator.webhooks, name, None)) is not None
        ]
        if "text/html" in request.headers.get("accept", ""):
            return layout.page(
                "control.html", title="Controls", rows=rows, drills=drills, acts=acts
            )
        listed = [row["control"] for row in rows]
        return _json({"controls": listed, "details": rows, "drills": drills, "acts": acts})


def _table(simulator: Simulator, controls: Controls) -> list[Control]:
    return [
        Control("GET", "/clock", controls.clock),
        Control("POST", "/clock", controls.set_clock),
        Control("POST", "/reset", controls.reset),
        Control("GET", "/state", controls.state),
        Control("GET", "/settings", controls.settings),
        Control("POST", "/settings", controls.change_settings),
        Control("GET", "/audit", controls.audit),
        Control("GET", "/ledger", controls.ledger),
        Control("GET", "/log", controls.log),
        Control("GET", "/objects/{id}", controls.object),
        Control("GET", "/acts", controls.acts),
        Control("GET", "/faults", controls.faults),
        Control("POST", "/faults", simulator.faults.add),
        Control("DELETE", "/faults", controls.clear_faults),
        Control("DELETE", "/faults/{id}", simulator.faults.remove),
        Control("GET", "/webhooks", controls.webhooks),
        Control("POST", "/webhooks", controls.register),
        Control("POST", "/deliver", controls.deliver),
        Control("GET", "/keys", controls.keys),
        Control("POST", "/keys", simulator.keys.create),
        Control("DELETE", "/keys/{key}", simulator.keys.revoke),
    ]


def _row(row: Control) -> Json:
    takes = {parameter.name: parameter.described() for parameter in parameters(row.run)}
    return {
        "control": f"{row.method} {ROOT}{row.path}",
        "does": summary(row.run),
        "takes": takes,
    }


async def _asked(request: Request) -> Json:
    body = await request.body()
    try:
        return msgspec.json.decode(body, type=dict[str, Any]) if body else {}
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WrongCall(f"The body must be a JSON object: {error}.") from None


def _error(status: int, message: str) -> Response:
    return _json({"error": {"type": "control_error", "message": message}}, status)


def _json(content: Any, status: int = 200) -> Response:
    body = msgspec.json.encode({"done": content} if content is None else content)
    return Response(body, status, media_type="application/json")
