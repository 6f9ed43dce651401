"""Answers that are more than a value with 200: something that was made, and Stripe's absence."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.responses import Response

from handlers.problems import Problem
from reconciler.context import Context
from reconciler.gateway.client import Gateway
from reconciler.moments import rendered


def made(value: Any, status: int = 201) -> Response:
    """What a command made, as it stands."""
    body = msgspec.json.encode(rendered(value))
    return Response(body, status, media_type="application/json")


def stripe_of(context: Context) -> Gateway:
    """The door to Stripe. Raises Problem 503 where no key is configured."""
    if context.stripe is None:
        raise Problem(503, "no_stripe_key", "STRIPE_SECRET_KEY is not set; Stripe cannot be asked.")
    return context.stripe
