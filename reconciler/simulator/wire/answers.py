"""Answers before they become HTTP: a status, a body, and what the headers have to say of them."""

from dataclasses import dataclass
from typing import Any

import msgspec

JSON = "application/json"

# Sent with every answer, as Stripe does.
ALWAYS = {
    "access-control-allow-credentials": "true",
    "access-control-allow-methods": "GET, HEAD, PUT, PATCH, POST, DELETE",
    "access-control-allow-origin": "*",
    "access-control-expose-headers": "Request-Id, Stripe-Manage-Version, "
    "Stripe-Should-Retry, X-Stripe-External-Auth-Required, "
    "X-Stripe-Privileged-Session-Required",
    "access-control-max-age": "300",
    "cache-control": "no-cache, no-store",
    "vary": "Origin",
}


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    replayed: bool = False
    media_type: str = JSON
    filename: str | None = None
    # The request that was really carried out, where a key was given.
    original: str | None = None


def written(view: Any) -> bytes:
    """JSON as Stripe writes it, over several lines."""
    return msgspec.json.format(msgspec.json.encode(view), indent=2) + b"\n"
