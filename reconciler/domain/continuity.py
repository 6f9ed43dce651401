"""Whether the updates of one Stripe object join each other: each says what was there before it.

An update whose previous values are not what the event before it left proves that something between
the two was missed. Stripe's clock has one-second steps: what happened within one second has no
order, so nothing is decided there. Pure; must not know what a field means.
https://docs.stripe.com/api/events/object#event_object-data-previous_attributes
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any

ANNOUNCED: Mapping[str, frozenset[str]] = {
    "charge": frozenset(
        {
            "amount",
            "amount_captured",
            "amount_refunded",
            "balance_transaction",
            "captured",
            "currency",
            "customer",
            "description",
            "fraud_details",
            "metadata",
            "receipt_email",
            "refunded",
            "shipping",
            "status",
            "transfer_group",
        }
    ),
    "refund": frozenset(
        {
            "amount",
            "currency",
            "failure_balance_transaction",
            "failure_reason",
            "metadata",
            "reason",
            "status",
        }
    ),
    "transfer": frozenset(
        {"amount", "amount_reversed", "currency", "description", "destination", "metadata"}
        | {"reversed"}
    ),
    "payout": frozenset(
        {
            "amount",
            "arrival_date",
            "currency",
            "failure_balance_transaction",
            "failure_code",
            "metadata",
            "status",
            "trace_id",
        }
    ),
    "dispute": frozenset({"amount", "currency", "evidence", "metadata", "reason", "status"}),
    "account": frozenset(
        {"business_profile", "business_type", "capabilities", "charges_enabled", "email"}
        | {"details_submitted", "individual", "metadata", "payouts_enabled"}
    ),
}
"""By kind of object: the fields that never change without an event of the object which says so.
Others, such as a charge's `disputed`, may be new to an event that says nothing of them."""

FALLS = frozenset({"amount_refunded", "refunded"})
"""Of a charge: a refund that fails takes these back without an event of the charge. That they have
risen is proof; that they have fallen is not."""

REPEATED_WITHIN_SECONDS = 10
"""Two events of one change lie no further apart."""

NOTHING = None
"""What stands for a field that is not there: Stripe writes null for a key that was not."""


@dataclass(frozen=True, slots=True)
class Told:
    """What one event said about one object: its state afterwards, and what was there before in the
    fields that changed, if the event says (None: it does not). `created` in epoch seconds."""

    event_id: str
    type: str
    created: int
    api_version: str
    state: Mapping[str, Any]
    previous: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One field: what the event before left there, and what this one found there."""

    field: str
    left: Any
    found: Any


@dataclass(frozen=True, slots=True)
class Break:
    """An update that does not join. `dropped` says that the two were rendered in different API
    versions, and that the fields do not exist in the earlier: nothing need have been missed."""

    event: Told
    before: Told
    fields: tuple[Mismatch, ...]
    dropped: bool = False


def breaks(told: Iterable[Told]) -> list[Break]:
    """The updates that do not join, in order. Any order of `told`, and repetitions, give the same.

    The first event of an object joins nothing, and is not asked to.
    """
    distinct = {one.event_id: one for one in told}
    ordered = sorted(distinct.values(), key=lambda one: (one.created, one.event_id))
    seconds = [tuple(group) for _, group in groupby(ordered, key=lambda one: one.created)]
    found = []
    for left, now in pairwise(seconds):
        if len(now) == 1 and now[0].previous is not None:
            broken = _break(now[0], left)
            found += [broken] if broken else []
    return found


def _break(event: Told, left: Sequence[Told]) -> Break | None:
    """None if the event joins any of the states in which that second may have ended."""
    nearest: Break | None = None
    for before in left:
        if _repeats(event, before):
            return None
        broken = _compared(event, before)
        if broken is None:
            return None
        if nearest is None or len(broken.fields) < len(nearest.fields):
            nearest = broken
    return nearest


def _repeats(event: Told, before: Told) -> bool:
    """Stripe may make two events of one change. https://docs.stripe.com/webhooks#duplicate-events"""
    if event.created - before.created > REPEATED_WITHIN_SECONDS:
        return False
    return (event.type, event.state, event.previous) == (before.type, before.state, before.previous)


def _compared(event: Told, before: Told) -> Break | None:
    previous = event.previous or {}
    if event.api_version != before.api_version:
        dropped = [
            Mismatch(name, NOTHING, value)
            for name, value in sorted(previous.items())
            if value is not None and name not in before.state
        ]
        return Break(event, before, tuple(dropped), dropped=True) if dropped else None
    found = []
    announced = ANNOUNCED.get(str(event.state.get("object")), frozenset())
    for name in sorted(previous.keys() | announced):
        told = previous.get(name, event.state.get(name))
        if name in announced:
            told = _overlaid(event.state.get(name), told)
        found += _field(name, before.state.get(name), told, whole=name in announced)
    return Break(event, before, tuple(found)) if found else None


def _overlaid(now: Any, previous: Any) -> Any:
    """The whole of a field as it was: inside an object, only the keys that changed are told."""
    partly = isinstance(now, Mapping) and isinstance(previous, Mapping) and previous
    if not partly or _is_list(now):
        return previous
    return {**now, **{key: _overlaid(now.get(key), was) for key, was in previous.items()}}


def _field(name: str, left: Any, found: Any, *, whole: bool) -> list[Mismatch]:
    """Where the two differ; of an object that is not whole, only in the keys that are told."""
    if not isinstance(left, Mapping) or not isinstance(found, Mapping) or _is_list(left):
        return [Mismatch(name, left, found)] if _differs(name, left, found) else []
    keys = sorted(left.keys() | found.keys()) if whole else sorted(found)
    return [
        mismatch
        for key in keys
        for mismatch in _field(f"{name}.{key}", left.get(key), found.get(key), whole=whole)
    ]


def _differs(name: str, left: Any, found: Any) -> bool:
    """Whether this is proof of a change that we were not told of."""
    if name in FALLS and isinstance(left, int) and isinstance(found, int):
        return found > left
    if isinstance(left, str) or isinstance(found, str):
        left, found = _named(left), _named(found)
    return bool(_plain(left) != _plain(found))


def _named(value: Any) -> Any:
    """An object that is written out where the other side has its id."""
    return value.get("id") if isinstance(value, Mapping) else value


def _is_list(value: Mapping[str, Any]) -> bool:
    return value.get("object") == "list"


def _plain(value: Any) -> Any:
    """A list counts by what it holds; what is null or empty, as nothing."""
    if isinstance(value, Mapping):
        if _is_list(value) or "data" in value:
            return [_plain(item) for item in value.get("data") or ()]
        kept = {key: _plain(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item is not None} or None
    return value
