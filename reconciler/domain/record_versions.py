"""Is a record what its events say? The versions of one object, oldest to newest, and where the
record stands among them.

Merged in any order, the events of an object give one record; a stored record that says something
else was written by somebody else, or by an older version of this service. A record that was read
from Stripe after its events cannot be judged by them, and is believed. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from reconciler.domain.snapshot import Origin, Record, Snapshot, merge

MONEY = frozenset(
    {
        "amount_received",
        "amount_captured",
        "amount_reversed",
        "latest_charge",
        "withdrawn",
        "reason",
        "charge",
        "payout",
        "request",
        "transfer",
    }
)
"""The details that posting rules read. Those that settings give a meaning to are left out: they
may have changed since the event."""


class How(StrEnum):
    """How a record parted from its events."""

    OLDER = "older"  # it is what an older event says, and a newer one was applied
    OTHER = "other"  # no event and no reading says what it says
    LOST = "lost"  # events were applied, and there is no record


@dataclass(frozen=True, slots=True)
class Parted:
    """A record that is not what its events say. `fields` are those that differ, as the record has
    them and as `event_id`, the newest applied event, has them."""

    object_id: str
    how: How
    event_id: str
    fields: Mapping[str, tuple[Any, Any]]


@dataclass(frozen=True, slots=True)
class Version:
    """The object as one applied event showed it."""

    event_id: str
    says: Snapshot


def parted(
    object_id: str,
    record: Record | None,
    versions: Sequence[Version],
    moments: Collection[int] = (),
) -> tuple[Parted, Record] | None:
    """How the record parted from these versions (applied events about the object itself), and the
    record that they amount to. None if it did not, or if it cannot be told. `moments` are those of
    all events that may have told of the object: a record of another moment is of no event."""
    told: Record | None = None
    for version in sorted(versions, key=lambda v: v.says.as_of):
        told = merge(told, version.says)
    if told is None:
        return None
    newest = max(versions, key=lambda v: v.says.as_of)
    if record is None:
        lost = Parted(object_id, How.LOST, newest.event_id, {})
        return lost, told
    held, says = record.snapshot, told.snapshot
    if held.origin is Origin.EVENT and moments and held.as_of not in moments:
        dates = {"as_of": (held.as_of, says.as_of)}
        return Parted(object_id, How.OTHER, newest.event_id, dates), told
    if held.as_of > says.as_of or record.tied or told.tied:
        return None  # something embedded elsewhere, or a reading, told of it later
    if held.as_of == says.as_of and held.origin is Origin.FETCHED:
        return None
    fields = differing(held, says)
    if not fields:
        return None
    older = any(not differing(held, v.says) and v.says.as_of < says.as_of for v in versions)
    return Parted(object_id, How.OLDER if older else How.OTHER, newest.event_id, fields), told


def differing(held: Snapshot, says: Snapshot) -> dict[str, tuple[Any, Any]]:
    """The fields that bear on money in which two snapshots of one object differ. What only one of
    them has was added by another version of this service."""
    names = sorted(MONEY & held.detail.keys() & says.detail.keys())
    pairs = {
        "status": (held.status, says.status),
        "amount": (held.amount, says.amount),
        "currency": (held.currency, says.currency),
        **{name: (held.detail[name], says.detail[name]) for name in names},
    }
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
