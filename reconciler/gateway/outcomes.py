"""How a call to Stripe can end: accepted, refused, or not known.

The distinction that decides whether money moves twice. Source: facts about which of Stripe's
answers are final, https://docs.stripe.com/error-low-level#idempotency.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import stripe


class StripeUnavailable(Exception):
    """Stripe could not be asked, or would not answer. Nothing was changed; try again later.

    `missing` says that Stripe did answer: what was asked for does not exist.
    """

    def __init__(self, path: str, error: stripe.StripeError) -> None:
        super().__init__(f"GET {path} at Stripe failed: {refusal(error).message}")
        self.missing = error.http_status == 404 or refusal(error).code == "resource_missing"


@dataclass(frozen=True, slots=True)
class Missing:
    """Stripe says that there is no such object, or none that this key may see."""

    message: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """Stripe's definite no, in its own words."""

    code: str
    message: str


class Ending(StrEnum):
    """Closed list: what is known about a command's effect."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended; `body` of an accepted one, `refusal` otherwise."""

    ending: Ending
    body: Mapping[str, Any]
    refusal: Refusal

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
    return Refusal(str(code or type(error).__name__), str(error.user_message or error)[:500])


def outcome_of(error: stripe.StripeError) -> Outcome:
    """The outcome of a command that ended in this error."""
    ending = Ending.REFUSED if isinstance(error, DEFINITE) else Ending.UNKNOWN
    return Outcome(ending, {}, refusal(error))
