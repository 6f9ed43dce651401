"""What Stripe said about one object at one moment, and the record that many such moments add up to.

`merge` is a join: it gives the same record for any order and any repetition of the same snapshots
(promise 2), so nothing above it needs to care in which order webhooks came. The newest snapshot
wins; what cannot be decided from snapshots alone is named in `Record.needs`, to be settled by
reading the object from Stripe. Must not know money rules: that is `books`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from reconciler.domain.lifecycle import Kind, is_known, stage

PLATFORM = "platform"
"""The Stripe account whose key we hold, in every column that names a Stripe account. Connected
accounts are named by their ``acct_`` id."""


BAD_FEE = -1
"""Stands in a detail's `platform_fee` for metadata that is no amount."""


class Origin(StrEnum):
    """How a snapshot reached us."""

    EVENT = "event"  # frozen in an event when it was created, in the endpoint's API version
    FETCHED = "fetched"  # read from Stripe by us, in our API version


class Need(StrEnum):
    """Why a record should be read from Stripe again. Closed list; shown beside the record."""

    TIE = "tie"  # two different snapshots carry the same second
    STEP_BACK = "step_back"  # a newer snapshot lies earlier on the object's one-way road
    API_VERSION = "api_version"  # the event was rendered in another version than ours
    UNKNOWN_STATUS = "unknown_status"  # a status this version does not know
    FEE_DIFFERS = "fee_differs"  # its charge names another share of the platform than the payment
    BAD_FEE = "bad_platform_fee"  # the metadata of the platform's fee is not a usable amount


CLOCK_SECONDS = 5
"""How far our clock may run ahead of Stripe's before an event is taken for history by mistake."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One Stripe object as it was at `as_of` (epoch seconds). Amounts are minor units.

    `family` is the id of the object that this one hangs on: a PaymentIntent for its charges,
    refunds and disputes; a transfer for its reversals; otherwise the object itself. `detail` holds
    what only this kind has, in a fixed order of keys (`gateway.snapshots` lists them).
    """

    kind: Kind
    id: str
    stripe_account: str
    family: str
    status: str
    amount: int
    currency: str
    created: int
    as_of: int
    origin: Origin
    api_version: str
    detail: Mapping[str, Any]

    @property
    def stage(self) -> int:
        return stage(self.kind, self.status)

    def content(self) -> tuple[int, str]:
        """What is compared when two snapshots carry the same second; orders them for good."""
        body = [self.status, self.amount, self.currency, self.created, self.detail]
        return self.stage, json.dumps(body, sort_keys=True)


@dataclass(frozen=True, slots=True)
class Record:
    """The newest snapshot of one object, and what is known about the ones that lost.

    `peak` is the furthest stage of any snapshot since the object was last read from Stripe;
    `tied` says that another snapshot of the same second differed.
    """

    snapshot: Snapshot
    peak: int
    tied: bool = False
    fetched_at: int = 0

    def needs(self, api_version: str) -> tuple[Need, ...]:
        """What stops this record from being trusted as it is, under our own API version."""
        newest = self.snapshot
        found = []
        if self.tied:
            found.append(Need.TIE)
        if newest.stage < self.peak:
            found.append(Need.STEP_BACK)
        if newest.origin is Origin.EVENT and newest.api_version != api_version:
            found.append(Need.API_VERSION)
        if not is_known(newest.kind, newest.status):
            found.append(Need.UNKNOWN_STATUS)
        if newest.detail.get("platform_fee") == BAD_FEE:
            found.append(Need.BAD_FEE)
        return tuple(found)


REREADABLE = frozenset({Need.TIE, Need.STEP_BACK, Need.API_VERSION})
"""The needs that reading the object again can settle; the others want a person or an upgrade."""


def merge(record: Record | None, new: Snapshot) -> Record:
    """The record after one more snapshot of its object."""
    if record is None:
        fetched_at = new.as_of if new.origin is Origin.FETCHED else 0
        return Record(new, new.stage, fetched_at=fetched_at)
    if new.origin is Origin.FETCHED:
        return _merge_fetched(record, new)
    held = record.snapshot
    if new.as_of < record.fetched_at:
        return _merge_before_reading(record, new)
    peak = max(record.peak, new.stage)
    if new.as_of > held.as_of:
        return Record(new, peak, fetched_at=record.fetched_at)
    if new.as_of < held.as_of:
        return record if peak == record.peak else replace(record, peak=peak)
    return _merge_same_second(record, new, peak)


def _merge_before_reading(record: Record, new: Snapshot) -> Record:
    """Older than what was read: history, unless our clock and Stripe's were apart by that much."""
    held = record.snapshot
    close = new.as_of >= record.fetched_at - CLOCK_SECONDS
    if held.origin is Origin.FETCHED and close and new.content() != held.content():
        return replace(record, tied=True)
    return record


def _merge_fetched(record: Record, new: Snapshot) -> Record:
    """What was read from Stripe outranks every event of its second or before."""
    if new.as_of < record.snapshot.as_of:
        return record  # an event of a later second came while we were reading
    return Record(new, new.stage, fetched_at=new.as_of)


def _merge_same_second(record: Record, new: Snapshot, peak: int) -> Record:
    """Stripe's clock has one-second steps: order within one cannot be known, only agreed on."""
    held = record.snapshot
    ours, theirs = held.content(), new.content()
    if ours == theirs:
        # The same content in our own version needs no second look, whichever came first.
        better = max(held, new, key=lambda s: (s.origin, s.api_version))
        return replace(record, snapshot=better, peak=peak)
    winner = held if ours > theirs else new
    return Record(winner, peak, tied=True, fetched_at=record.fetched_at)
