"""What is read off Stripe's Account: what it may do, what is asked of it, and whose it is.

Called by `snapshots` alone. Nothing about the person behind the account is kept: no name, address,
date of birth or bank account.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.gateway.fields import LONGEST_TEXT, Json, inner, items, seconds, text, texts

MERCHANT_METADATA = "reconciler_merchant"
"""The metadata key on a connected account that names its merchant."""

OPENING_METADATA = "reconciler_opening"
"""The metadata key that names the one decision to open this account."""


def detail(body: Json) -> dict[str, Any]:
    """The account's `detail`. Raises Unreadable."""
    asked = inner(body, "requirements")
    later = inner(body, "future_requirements")
    metadata = inner(body, "metadata")
    return {
        "transfers": text(inner(body, "capabilities"), "transfers"),
        "charges_enabled": body.get("charges_enabled") is True,
        "payouts_enabled": body.get("payouts_enabled") is True,
        "details_submitted": body.get("details_submitted") is True,
        "disabled_reason": text(asked, "disabled_reason"),
        "currently_due": texts(asked, "currently_due"),
        "current_deadline": seconds(asked, "current_deadline", 0),
        "country": text(body, "country"),
        "default_currency": text(body, "default_currency"),
        "type": text(body, "type"),
        "capabilities": _capabilities(inner(body, "capabilities")),
        "past_due": texts(asked, "past_due"),
        "eventually_due": texts(asked, "eventually_due"),
        "pending_verification": texts(asked, "pending_verification"),
        "errors": [_error(error) for error in items(asked, "errors")],
        "future_due": texts(later, "currently_due"),
        "future_deadline": seconds(later, "current_deadline", 0),
        "service_agreement": text(inner(body, "tos_acceptance"), "service_agreement"),
        "merchant": text(metadata, MERCHANT_METADATA),
        "opening": text(metadata, OPENING_METADATA),
    }


def _capabilities(body: Json) -> dict[str, str]:
    return {name: text(body, name) for name in sorted(body) if text(body, name)}


def _error(body: Json) -> dict[str, str]:
    """Why something that was handed in was not good enough, in Stripe's own words."""
    return {
        "requirement": text(body, "requirement"),
        "code": text(body, "code"),
        "reason": _cut(body.get("reason")),
    }


def _cut(written: Any) -> str:
    """Free text, cut to what is kept. It explains and never decides."""
    if not isinstance(written, str):
        return ""
    clean = written.replace("\x00", "").encode("utf-8", "replace").decode()
    return clean[:LONGEST_TEXT]


def is_account(body: Mapping[str, Any]) -> bool:
    """Whether this is an account that still exists."""
    return body.get("object") == "account" and body.get("deleted") is not True
