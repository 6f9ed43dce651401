"""The console's pages: server-rendered, read-only, complete without JavaScript.

Must not load anything from elsewhere: the policy below forbids it, and inline styles with it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any
from urllib.parse import urlencode

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from handlers import audit
from handlers.auth import authorise
from handlers.evidence import money, tables
from handlers.problems import TITLES, Problem
from handlers.state import State
from handlers.waterfall import waterfall
from reconciler.context import Context
from reconciler.moments import moment
from reconciler.oversight import audit as audits
from reconciler.oversight.keys import Role, role_named
from reconciler.oversight.payment_systems import payment_systems
from reconciler.store.database import DatabaseUnavailable

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:;"
    " base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
YEAR = 365 * 86400
AUDIT_PAGE = 50
LINKED = 4
"""How many findings a line of the bridge links to by name before it only says how many more."""

PLACES = (
    ("/console/runs/latest", "Latest run", Role.VIEWER),
    ("/console/findings", "Findings", Role.VIEWER),
    ("/console/bank-payouts", "Bank payouts", Role.VIEWER),
    ("/console/approvals", "Approvals", Role.VIEWER),
    ("/console/invoices", "Invoices", Role.VIEWER),
    ("/console/merchants", "Merchants", Role.VIEWER),
    ("/console/delivery", "Delivery", Role.VIEWER),
    ("/console/payment-systems", "Payment systems", Role.VIEWER),
    ("/console/audit", "Audit log", Role.FINANCE),
)
"""What every page links to, for whoever may see it."""

_reader: ContextVar[Role] = ContextVar("reader", default=Role.VIEWER)
"""The role of whoever asked for the page that is being rendered."""

Page = Callable[[Context, Request], Awaitable[Response]]
Finding = Mapping[str, Any]

STYLE = files("handlers").joinpath("templates/style.css").read_bytes()
STYLE_URL = f"/console/style.css?v={hashlib.sha256(STYLE).hexdigest()[:12]}"


def signed(amount: int, currency: str) -> str:
    """An amount that is a difference: its sign is written even when it is a plus."""
    return f"+{money(amount, currency)}" if amount > 0 else money(amount, currency)


def day(seconds: int) -> str:
    """Epoch seconds as people write a moment; in UTC, and saying so."""
    at = datetime.fromtimestamp(seconds, UTC)
    return f"{at.day} {at:%b %Y, %H:%M} UTC"


def span(seconds: int) -> str:
    """A length of time in its largest unit, rounded down: `3 days`, `5 hours`, `under a minute`."""
    for length, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= length:
            number = seconds // length
            return f"{number} {unit}{'s' if number != 1 else ''}"
    return "under a minute"


def count(number: int, what: str) -> str:
    """`1 finding`, `7 findings`."""
    return f"{number:,} {what}{'s' if number != 1 else ''}"


def moved_at(finding: Finding) -> int:
    """When Stripe's balance last moved for a finding, as its evidence has it; 0 if it did not."""
    moves = (row.get("created", 0) for row in finding["evidence"] if "balance_transaction" in row)
    return max(moves, default=0)


def by_weight(found: Sequence[Finding], *, timing: bool) -> list[Finding]:
    """The findings that are only timing, or the others: by currency, the largest amount first."""
    members = [finding for finding in found if (finding["status"] == "timing") is timing]
    return sorted(
        members,
        key=lambda f: (
            f["currency"] or "~",  # what is in no currency comes last
            -max(abs(f["difference"]), f["at_risk"]),
            f["reference"],
        ),
    )


_pages = Environment(
    loader=PackageLoader("handlers"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_pages.filters.update(
    money=money,
    signed=signed,
    moment=moment,
    day=day,
    span=span,
    count=count,
    words=lambda text: str(text).replace("_", " "),
    json=lambda value: msgspec.json.encode(value).decode(),
)
_pages.globals.update(
    style_url=STYLE_URL, waterfall=waterfall, tables=tables, moved_at=moved_at, linked=LINKED
)


def render(template: str, values: Mapping[str, Any], status: int = 200) -> Response:
    places = [(path, name) for path, name, role in PLACES if _reader.get() >= role]
    body = _pages.get_template(template).render(places=places, **values)
    headers = {
        "Content-Security-Policy": POLICY,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",  # with no-referrer, forms would come from nowhere
        "Cache-Control": "no-store",
    }
    return Response(body, status, headers, media_type="text/html; charset=utf-8")


async def home(_: Context, __: Request) -> Response:
    return RedirectResponse("/console/runs/latest", 303)


async def stylesheet(_: Context, __: Request) -> Response:
    """The one stylesheet. Its address changes with it, so it may be kept for good."""
    headers = {
        "Cache-Control": f"public, max-age={YEAR}, immutable",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(STYLE, 200, headers, media_type="text/css; charset=utf-8")


async def audit_log(context: Context, request: Request) -> Response:
    """Who did what, newest first."""
    rows, more, asked = await audit.page(context, request, AUDIT_PAGE)
    onward = {"starting_after": str(rows[-1]["seq"]), **asked} if more else {}
    following = urlencode({name: value for name, value in onward.items() if value})
    values = {"rows": rows, "asked": asked, "next": following, "now": context.now()}
    head = await audits.head(context)
    return render("audit.html", {**values, "head": head, "actions": list(audits.Action)})


async def systems(context: Context, _: Request) -> Response:
    """What this service is connected to, with which rights, and how healthy that is."""
    return render("payment_systems.html", {"systems": await payment_systems(context)})


PAGES: dict[str, Page] = {
    "/console": home,
    "/console/": home,
    "/console/style.css": stylesheet,
    "/console/audit": audit_log,
    "/console/payment-systems": systems,
}
ROLES: dict[Page, Role] = {audit_log: Role.FINANCE}
"""The least role that may see a page, where it is not that of a viewer."""

OPEN = frozenset({stylesheet})
"""What needs no key: the page that asks for one is styled too."""


def guarded(
    state: State, page: Page, role: Role = Role.VIEWER
) -> Callable[[Request], Awaitable[Response]]:
    """The page for whoever holds a key of this role, or the page's own; the browser asks for it."""

    async def endpoint(request: Request) -> Response:
        _reader.set(Role.VIEWER)
        try:
            if page not in OPEN:
                request.state.request_id = state.context.new_id("req")
                actor = await authorise(state, request, ROLES.get(page, role))
                _reader.set(role_named(actor.role))
            return await page(state.context, request)
        except Problem as problem:
            answer = _problem(problem)
            if problem.status == 401:
                answer.headers["WWW-Authenticate"] = 'Basic realm="reconciler", charset="UTF-8"'
            return answer
        except DatabaseUnavailable:
            return _problem(Problem(503, "storage_unavailable", "The database is not available."))

    return endpoint


def _problem(problem: Problem) -> Response:
    values = {"problem": problem, "title": TITLES.get(problem.status, "Error")}
    return render("problem.html", values, problem.status)
