"""How a call to Stripe can end: accepted, refused, or not known.

The distinction that decides whether money moves twice. Source: facts about which of Stripe's
answers are final, https://docs.stripe.com/error-low-level#idempotency.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import stripe

from reconciler.domain.sending import Ending

__all__ = ["DEFINITE", "Ending", "Missing", "Outcome", "Refusal", "StripeUnavailable"]


class StripeUnavailable(Exception):
    """Stripe could not be asked, or would not answer. Nothing was changed; try again later.

    `missing` says that Stripe did answer: what was asked for does not exist. `forbidden` says that
    it answered, and does not let us look.
    """

    def __init__(self, path: str, error: stripe.StripeError, method: str = "GET") -> None:
        super().__init__(f"{method} {path} at Stripe failed: {refusal(error).message}")
        # A connected account that is not there, or has left the platform, is a 403.
        self.missing = error.http_status == 404 or refusal(error).code in (
            "resource_missing",
            "account_invalid",
        )
        self.forbidden = error.http_status == 403


_QUOTED_KEY = re.compile(r"\b((?:sk|rk|pk)_(?:test|live)_)[\w*.…-]*?(\w{4})\b(?![*.…-]*\w)")
"""A key in Stripe's words, of which it leaves up to six characters; four are enough to know it."""


@dataclass(frozen=True, slots=True)
class Missing:
    """Stripe says that there is no such object, or none that this key may see."""

    message: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """Stripe's definite no, in its own words."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended; `body` of an accepted one, `refusal` otherwise, with the status of the
    answer (0 without one) and all that Stripe's error says, which can hold an object it made."""

    ending: Ending
    body: Mapping[str, Any]
    refusal: Refusal
    http_status: int = 0
    error: Mapping[str, Any] = field(default_factory=dict)

    @staticmethod
    def accepted(body: Any) -> Outcome:
        """Accepted, if the answer can be read: a 200 that cannot be says nothing for certain."""
        id = body.get("id") if isinstance(body, Mapping) else None
        if isinstance(id, str) and id:
            return Outcome(Ending.ACCEPTED, body, Refusal("", ""))
        return Outcome(
            Ending.UNKNOWN, {}, Refusal("unreadable_answer", "Stripe's answer is unreadable")
        )


DEFINITE = (
    stripe.InvalidRequestError,
    stripe.CardError,
    stripe.AuthenticationError,
    stripe.PermissionError,
)
"""Errors after which the command certainly had no effect. A 429 is not among them: on a repeated
key it says nothing about the first attempt. Nor is IdempotencyError: it proves an earlier one."""


def refusal(error: stripe.StripeError) -> Refusal:
    """What Stripe said. `error.code` is often empty where the body's own code is not."""
    body = error.error
    code = error.code or (getattr(body, "code", None) if body is not None else None)
    message = _QUOTED_KEY.sub(r"\1…\2", str(error.user_message or error))
    return Refusal(str(code or type(error).__name__), message[:500])


def outcome_of(error: stripe.StripeError) -> Outcome:
    """The outcome of a command that ended in this error."""
    ending = Ending.REFUSED if isinstance(error, DEFINITE) else Ending.UNKNOWN
    code = refusal(error)
    if isinstance(error, stripe.IdempotencyError):
        code = Refusal("idempotency_error", code.message)
    status = 429 if isinstance(error, stripe.RateLimitError) else error.http_status or 0
    body = error.json_body
    said = body.get("error") if isinstance(body, Mapping) else None
    return Outcome(ending, {}, code, status, said if isinstance(said, Mapping) else {})
