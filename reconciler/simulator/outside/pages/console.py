"""The console: what happened, in order, and the controls as buttons, for people with a browser.

Pages only read; every button is a plain form, sent to one address that does what a control or an
act does. Nothing needs JavaScript.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from reconciler.simulator.kernel.form import decode
from reconciler.simulator.kernel.journal import KINDS
from reconciler.simulator.kernel.refusals import Refusal
from reconciler.simulator.kernel.views import served
from reconciler.simulator.outside.acts import noting
from reconciler.simulator.outside.control.controls import Controls
from reconciler.simulator.outside.control.faults import EFFECTS
from reconciler.simulator.outside.control.parameters import WrongCall, bound, parameters, summary
from reconciler.simulator.outside.pages import history, layout
from reconciler.simulator.outside.pages.console_rows import row
from reconciler.simulator.outside.pages.origin import same_origin

if TYPE_CHECKING:
    from reconciler.simulator.simulator import Simulator

ROOT = "/_simulator/console"
_ROWS = 50
# Which controls have a button, and what the journal calls them.
_BUTTONS = {
    "set_clock": "clock",
    "deliver": "deliver",
    "add": "faults",
    "clear_faults": "faults removed",
    "register": "webhooks",
    "calm": "webhooks calm",
    "resend": "webhooks resend",
}


class Console:
    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._controls = Controls(simulator)

    def routes(self) -> list[Route]:
        return [
            Route(ROOT, self.timeline, methods=["GET"]),
            Route(f"{ROOT}/objects/{{id}}", self.object, methods=["GET"]),
            Route(f"{ROOT}/accounts", self.accounts, methods=["GET"]),
            Route(f"{ROOT}/acts", self.acts, methods=["GET"]),
            Route(f"{ROOT}/controls", self.controls, methods=["GET"]),
            Route(f"{ROOT}/run/{{name}}", self.run, methods=["POST"]),
        ]

    async def timeline(self, request: Request) -> Response:
        """What happened, newest first."""
        asked = {name: request.query_params.get(name, "").strip() for name in _FILTERS}
        wanted = history.Wanted(**{name: value or None for name, value in asked.items()})
        before = request.query_params.get("before", "")
        found, more = history.entries(
            self._simulator.world, wanted, int(before) if before.isdigit() else None, _ROWS
        )
        older = urlencode({**asked, "before": found[-1]["number"]}) if more else None
        return self._page(
            "console.html",
            title="What happened",
            days=_by_day(found),
            asked=asked,
            kinds=KINDS,
            accounts=list(self._simulator.world.books),
            older=older,
            paged=bool(before),
            filtered=any(asked.values()),
            written=self._simulator.world.journal.written,
        )

    async def object(self, request: Request) -> Response:
        """One object as it is now, and what happened to it."""
        world = self._simulator.world
        wanted = request.path_params["id"]
        found = world.find(wanted)
        entries, more = history.entries(world, history.Wanted(object=wanted), None, _ROWS)
        if found is None and not entries:
            return layout.problem(404, "No such object", f"Nothing is known of {wanted}.")
        thing = served(*found) if found else None
        return self._page(
            "console_object.html",
            title=wanted,
            id=wanted,
            account=found[0].id if found else None,
            lines=history.linked_json(world, thing) if thing else [],
            thing=thing or {},
            days=_by_day(entries),
            more=more,
        )

    async def accounts(self, request: Request) -> Response:
        """Every account with its money."""
        books = self._simulator.world.books.values()
        shown = [
            {**history.balances(book), "kinds": history.counts(book), "name": history.name(book)}
            for book in books
        ]
        platform = self._simulator.world.platform
        return self._page("console_accounts.html", title="Accounts", shown=shown, platform=platform)

    async def acts(self, request: Request) -> Response:
        """A form for everything that others can do."""
        acts = self._simulator.acts
        return self._page(
            "console_acts.html",
            title="Acts",
            acts=[_form(name, getattr(acts, name)) for name in noting.names(acts)],
            given=dict(request.query_params),
        )

    async def controls(self, request: Request) -> Response:
        """Time and what it will bring, faults, webhooks, and the audit."""
        return self._page(
            "console_controls.html",
            title="Controls",
            clock=self._controls.clock(),
            faults=self._controls.faults()["planned"],
            effects=EFFECTS,
            webhooks=self._controls.webhooks(),
            audit=self._controls.audit() if "audit" in request.query_params else None,
        )

    async def run(self, request: Request) -> Response:
        """Do what a button says, and go back to where it was pressed."""
        if not same_origin(request):
            return layout.problem(
                403, "Not from here", "Only this console's own pages may do this."
            )
        form = decode((await request.body()).decode(errors="replace"))
        back = str(form.pop("back", ROOT))
        name = request.path_params["name"]
        function = self._function(name)
        if function is None:
            return layout.problem(404, "No such control", f"There is no {name}.")
        given = {key: value for key, value in form.items() if value != ""}
        try:
            if name.startswith("act."):
                answer = function(**bound(function, given))
            else:
                answer = await self._controls.run(_BUTTONS[name], function, given)
        except (WrongCall, ValueError) as error:
            return layout.problem(400, "That did not work", str(error))
        except Refusal as refusal:
            return layout.problem(refusal.status, "Refused", str(refusal))
        except KeyError as error:
            return layout.problem(404, "No such object", str(error.args[0] if error.args else ""))
        if name.startswith("act."):
            made = answer.get("id") if isinstance(answer, dict) else answer
            return layout.go(f"{ROOT}/objects/{made}" if made else ROOT)
        return layout.go(back if back.startswith(ROOT) else ROOT)

    def _function(self, name: str) -> Any:
        """An act, or one of the controls that have a button."""
        kind, _, act = name.partition(".")
        if kind == "act" and act in noting.names(self._simulator.acts):
            return getattr(self._simulator.acts, act)
        if name not in _BUTTONS:
            return None
        for owner in (self._controls, self._simulator.webhooks, self._simulator.faults):
            if hasattr(owner, name):
                return getattr(owner, name)
        return None

    def _page(self, template: str, **shown: Any) -> Response:
        world = self._simulator.world
        return layout.page(
            template,
            root=ROOT,
            now=world.clock.now(),
            ticking=world.clock.following and world.clock.source is not None,
            **shown,
        )


_FILTERS = ("object", "type", "kind", "account")


def _by_day(entries: list[dict[str, Any]]) -> list[tuple[str, list[Any]]]:
    rows = [row(entry) for entry in entries]
    return [(day, list(shown)) for day, shown in groupby(rows, key=lambda shown: shown.day)]


def _form(name: str, function: Any) -> dict[str, Any]:
    fields = [
        {
            "name": parameter.name,
            "type": parameter.type,
            "required": parameter.required,
            "hint": "" if parameter.default is None else _text(parameter.default),
            "meaning": parameter.meaning,
        }
        for parameter in parameters(function)
    ]
    return {"name": name, "does": summary(function), "fields": fields}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
