"""Moments: epoch seconds inside, RFC 3339 in UTC wherever a person or a program reads them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

MOMENTS = frozenset(
    {
        "as_of", "available_on", "arrival_date", "cleared_at", "created", "drift_as_of",
        "expected_clear_by", "finished_at", "first_seen", "last_seen", "mirrored_at", "posted_at",
        "received_at", "settled_at", "started_at", "covered_from", "covered_to", "due_by",
        "created_at", "read_at", "oldest_created", "seen_at", "current_deadline",
        "updated_at", "asked_at", "expires_at", "decided_at", "changed_at",
    }
)  # fmt: skip
"""Fields that hold epoch seconds in the database; 0 there is null here."""


def moment(seconds: int | None) -> str | None:
    """Epoch seconds as RFC 3339 in UTC; nothing for none."""
    if not seconds:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def rendered(value: Any) -> Any:
    """A value with every moment in it written out."""
    if isinstance(value, Mapping):
        return {
            key: moment(item) if key in MOMENTS and isinstance(item, int | None) else rendered(item)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [rendered(item) for item in value]
    return value
