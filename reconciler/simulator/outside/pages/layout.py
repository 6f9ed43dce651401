"""What every page the simulator serves to people has in common: layout, stylesheet, headers.

It knows no object of Stripe and no route but the stylesheet's. Pages work without JavaScript, load
nothing from elsewhere, and escape all they show.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from reconciler.domain.money import major

STYLESHEET = "/_simulator/style.css"
_ROOM = "reconciler.simulator.outside.pages"
_PRIVATE = {"Cache-Control": "no-store", "Referrer-Policy": "same-origin"}


def routes() -> list[Route]:
    return [Route(STYLESHEET, _stylesheet, methods=["GET"])]


def page(
    template: str, *, status: int = 200, leads_to: Iterable[str] = (), **shown: Any
) -> Response:
    """A page of `templates/`. `leads_to` names the addresses its forms may end up at."""
    html = _environment().get_template(template).render(shown)
    headers = {**_PRIVATE, "X-Content-Type-Options": "nosniff"}
    headers["Content-Security-Policy"] = _policy(leads_to)
    return Response(html, status, headers, "text/html")


def go(url: str) -> Response:
    """On to another page, always by GET."""
    return RedirectResponse(url, 303, _PRIVATE)


def problem(status: int, title: str, text: str) -> Response:
    """A page that only says why there is nothing to see."""
    return page("problem.html", status=status, title=title, text=text)


def _policy(leads_to: Iterable[str]) -> str:
    """Browsers hold what a form redirects to against the same rule as where it is sent."""
    targets = ["'self'", *sorted({_origin(url) for url in leads_to if _origin(url)})]
    return (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; "
        f"frame-ancestors 'none'; form-action {' '.join(targets)}"
    )


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme in ("http", "https") else ""


async def _stylesheet(request: Request) -> Response:
    source = files(_ROOM) / "templates" / "style.css"
    headers = {"Cache-Control": "max-age=300", "X-Content-Type-Options": "nosniff"}
    return Response(source.read_bytes(), 200, headers, "text/css")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(_ROOM, "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["stylesheet"] = STYLESHEET
    environment.filters.update(money=_money, moment=_moment, day=_day)
    return environment


def _money(amount: int, currency: str) -> str:
    return f"{major(amount, currency)} {currency.upper()}"


def _moment(stamp: int) -> str:
    return datetime.fromtimestamp(stamp, UTC).strftime("%-d %b %Y, %H:%M:%S UTC")


def _day(stamp: int) -> str:
    return datetime.fromtimestamp(stamp, UTC).strftime("%-d %b %Y")
