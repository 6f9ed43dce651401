"""Errors as RFC 9457 problem documents, with a stable `code`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from reconciler.domain.refusals import Refusal

TITLES = {
    400: "Bad request",
    401: "Not authenticated",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    413: "Too large",
    500: "Something went wrong",
    502: "Stripe did not answer",
    503: "Not available now",
}


class Problem(Exception):
    """An answer other than the one asked for: its status, a stable code, and what to do; where the
    fault is in the body, the first field at fault, and all of them; `more` is what else should be
    looked at."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        field: str = "",
        errors: Sequence[Mapping[str, str]] = (),
        retry_after: int = 0,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail
        self.field, self.errors, self.retry_after = field, errors, retry_after
        self.more = more or {}

    def response(self) -> Response:
        body = {
            "type": "about:blank",
            "title": TITLES.get(self.status, "Error"),
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            **({"field": self.field} if self.field else {}),
            **({"errors": list(self.errors)} if self.errors else {}),
            **self.more,
        }
        headers = {"WWW-Authenticate": "Bearer"} if self.status == 401 else {}
        if self.retry_after:
            headers["Retry-After"] = str(self.retry_after)
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


async def broken(request: Request, _: Exception) -> Response:
    """A defect of ours, or something that was never met before. Whoever serves the app logs it."""
    id = str(getattr(request.state, "request_id", ""))
    detail = (
        "Something went wrong here, and nobody can say from outside how far the request came. Look"
        " at what it was about; sent again with the same Idempotency-Key, it has one effect."
    )
    response = Problem(500, "internal_error", detail).response()
    response.headers["Request-Id"] = id
    return response


NOT_NOW = frozenset({"stripe_unavailable", "stripe_busy"})
"""Refusals that say nothing about the request: the same may be sent again in a moment."""


FIELDS = {
    "currency_not_supported": "currency",
    "amount_not_positive": "amount",
    "amount_not_a_multiple": "amount",
    "amount_too_large": "amount",
    "unknown_merchant": "merchant",
    "unknown_payment": "payment",
    "unknown_customer": "customer",
    "unknown_resolution": "reason",
    "unknown_reason": "reason",
    "unknown_account": "account",
    "bad_id": "id",
    "bad_return_url": "return_url",
    "bad_account": "stripe_account",
    "account_not_ours": "stripe_account",
    "country_needed": "country",
    "country_unsupported": "country",
    "country_fixed": "country",
    "cross_border_unsupported": "country",
    "recipient_at_home": "service_agreement",
    "type_not_listed": "type",
    "window_in_future": "until",
    "window_empty": "since",
    "too_many_ids": "ids",
    "id_not_readable": "ids",
    "account_not_readable": "account",
}
"""The field of a body that a refusal is about, where it is about one."""


MALFORMED = frozenset(
    {
        "account_not_readable",
        "bad_account",
        "bad_id",
        "bad_return_url",
        "country_needed",
        "id_not_readable",
        "resync_unclear",
        "too_many_ids",
        "type_not_listed",
        "unknown_account",
        "unknown_reason",
        "unknown_resolution",
        "window_empty",
        "window_in_future",
    }
)
"""Refusals of what could never be done, whatever the state of things."""


def refused(refusal: Refusal) -> Problem:
    """An expected no of a command. What was asked about and is not there is 404; an amount that can
    be none is 400; all else is 409: the request was understood, and the state of things forbids it.
    """
    if refusal.code in NOT_NOW:
        return Problem(503, refusal.code, refusal.message, retry_after=5)
    status = 404 if refusal.code.startswith("unknown_") else 409
    status = 400 if refusal.code.startswith(("amount_", "currency_")) else status
    status = 400 if refusal.code in MALFORMED else status
    return Problem(status, refusal.code, refusal.message, field=FIELDS.get(refusal.code, ""))


def not_found(what: str, id: str) -> Problem:
    return Problem(404, "not_found", f"There is no {what} {id[:80]!r}.")


def path_id(request: Request) -> str:
    """The id in the path; one that no database could hold is not found."""
    id = str(request.path_params["id"])
    if len(id) > 255 or "\x00" in id:
        raise not_found("object", id)
    return id
