"""Whether a request came from a page of ours. A browser sends the console's password along with
every request to this address, also with those that another site makes it send.

Must not look at anything but the headers that browsers set and pages cannot.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import Request

from handlers.problems import Problem

_REFUSED = (
    "This was not sent from a page of this console, so nothing was done. Open the console itself"
    " and decide there; a program sends its key as 'Authorization: Bearer …'."
)


def require_same_origin(request: Request, base_url: str) -> None:
    """Raises Problem 403 unless the browser says that the request came from a page of ours.

    Browsers have sent `Origin` with every form for years, and on secure addresses
    `Sec-Fetch-Site`. What says nothing is refused: no browser sent it.
    """
    origins = request.headers.getlist("origin")
    sites = request.headers.getlist("sec-fetch-site")
    said = bool(origins or sites)
    ours = all(_is_ours(origin, request, base_url) for origin in origins)
    if not (said and ours and all(site == "same-origin" for site in sites)):
        raise Problem(403, "cross_site", _REFUSED)


def _is_ours(origin: str, request: Request, base_url: str) -> bool:
    """Compared without the scheme: a proxy in front may have taken the encryption off."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return False
    return parts.netloc.lower() in (
        request.headers.get("host", "").lower(),
        urlsplit(base_url).netloc.lower(),
    )
