"""Moments: epoch seconds inside, RFC 3339 in UTC wherever a person or a program reads them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from typing import Any

MOMENTS = frozenset(
    {
        "as_of", "available_on", "arrival_date", "cleared_at", "created", "drift_as_of",
        "expected_clear_by", "finished_at", "first_seen", "last_seen", "mirrored_at", "posted_at",
        "received_at", "settled_at", "started_at", "covered_from", "covered_to", "due_by",
        "created_at", "read_at", "oldest_created", "seen_at", "current_deadline",
        "attempted_at", "first_created", "found_at", "healed_at", "hour", "last_created",
        "last_event_at", "noted_at", "read_from", "read_to",
        "since", "until", "updated_at", "asked_at", "expires_at", "decided_at", "changed_at",
        "made_at", "undone_at", "ended_at", "planned_at", "confirmed_at", "at",
        "final_at", "available_at", "looked_at", "saved_at",
        "moved_at", "told_at", "events_listed_to", "caused_at",
        "balance_as_of", "movements_to", "transfers_to", "events_to", "judged_at",
    }
)  # fmt: skip
"""Fields that hold epoch seconds in the database; 0 there is null here."""


def moment(seconds: int | None) -> str | None:
    """Epoch seconds as RFC 3339 in UTC; nothing for none."""
    if not seconds:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class NotAMoment(ValueError):
    """Text that names no moment; the message goes on after the field's name."""


def parsed(written: str) -> int:
    """Epoch seconds of RFC 3339, or of a day's beginning in UTC. Raises NotAMoment."""
    try:
        if len(written) == len("2026-01-31"):
            found = datetime.combine(date.fromisoformat(written), time(), UTC)
        else:
            found = datetime.fromisoformat(written)
        if found.tzinfo is None:
            raise ValueError("no zone")
        seconds = int(found.timestamp())
    except (ValueError, OverflowError):
        raise NotAMoment(
            "must be a moment with its zone, such as 2026-01-31T12:00:00Z, or a day, 2026-01-31"
        ) from None
    if seconds < 0:
        raise NotAMoment("must not lie before 1970")
    return seconds


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
