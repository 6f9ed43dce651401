"""Who may send something that changes this world: its own pages, and what is no browser."""

from urllib.parse import urlsplit

from starlette.requests import Request


def same_origin(request: Request) -> bool:
    """Whether a browser sent this from a page of the simulator's own, or it was no browser."""
    if request.method in ("GET", "HEAD"):
        return True
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")
