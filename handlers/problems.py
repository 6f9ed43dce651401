"""Errors as RFC 9457 problem documents, with a stable `code`."""

from __future__ import annotations

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

TITLES = {
    400: "Bad request",
    401: "Not authenticated",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    502: "Stripe did not answer",
    503: "Not available now",
}


class Problem(Exception):
    """An answer other than the one asked for: its status, a stable code, and what to do."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail

    def response(self) -> Response:
        body = {
            "type": "about:blank",
            "title": TITLES.get(self.status, "Error"),
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
        }
        headers = {"WWW-Authenticate": "Bearer"} if self.status == 401 else None
        return Response(
            msgspec.json.encode(body),
            self.status,
            headers,
            media_type="application/problem+json",
        )


async def no_route(request: Request, error: Exception) -> Response:
    """Starlette's own refusals, of paths and methods that there are not, as problem documents."""
    assert isinstance(error, HTTPException)
    code = TITLES.get(error.status_code, "error").lower().replace(" ", "_")
    detail = f"There is no {request.method} {request.url.path[:80]}."
    response = Problem(error.status_code, code, detail).response()
    response.headers.update(error.headers or {})
    return response


def not_found(what: str, id: str) -> Problem:
    return Problem(404, "not_found", f"There is no {what} {id[:80]!r}.")


def path_id(request: Request) -> str:
    """The id in the path; one that no database could hold is not found."""
    id = str(request.path_params["id"])
    if len(id) > 255 or "\x00" in id:
        raise not_found("object", id)
    return id
