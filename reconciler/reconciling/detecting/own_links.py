"""Our own links behind open clearing accounts: what events, records, rules, positions and entries
each give, so that a verdict can say which of them parted.

Reads what belongs to the families of the open objects, and no more. Must not judge.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from reconciler.domain.books import Bearer
from reconciler.domain.connected_books import accounts_of, all_positions
from reconciler.domain.family import Family
from reconciler.domain.ledger import account_owner, clearing
from reconciler.domain.open_clearing import NOT_HELD, Books, Received
from reconciler.domain.positions import Position
from reconciler.domain.record_versions import Parted, Version, parted
from reconciler.domain.snapshot import PLATFORM, Origin, Record, Snapshot
from reconciler.gateway import dropped, fields, snapshots
from reconciler.gateway.fields import Unreadable
from reconciler.gateway.snapshots import Reading, Rendered
from reconciler.money_out.bind import named
from reconciler.store import account_mirrors, books, inbox, listed_events, objects
from reconciler.store import positions as stored_positions
from reconciler.store.database import Row, Session

APPLIED = ("applied", "waiting")

Key = tuple[str, str]
"""An object and a currency."""


@dataclass(slots=True)
class Links:
    """What each link gives. `sums` are the entries' own, by ledger account and currency."""

    records: dict[str, Record] = field(default_factory=dict)
    events: dict[str, list[Received]] = field(default_factory=dict)
    parted: dict[str, list[Parted]] = field(default_factory=dict)  # by family
    own: dict[Key, Books] = field(default_factory=dict)
    sums: dict[Key, tuple[int, int]] = field(default_factory=dict)

    def family_of(self, object_id: str) -> str:
        record = self.records.get(object_id)
        return record.snapshot.family if record else object_id


async def links(
    session: Session, stripe_account: str, ids: Collection[str], behind: Collection[str] = ()
) -> Links:
    """The links behind these objects' clearing accounts; `behind` are objects of the platform that
    tell of some of them."""
    found = Links()
    held = await objects.get(session, ids)
    families = {r.snapshot.family for r in held.values()} | {*ids, *behind}
    positioned = await stored_positions.of_references(session, ids)
    families |= {position.family for position in positioned.values()}
    for record in await objects.related(session, families):
        found.records[record.snapshot.id] = record
    await _events(session, stripe_account, found, {*ids, *found.records, *families})
    told = _part(found)
    await _books(session, found, told, positioned, ids)
    return found


async def _events(
    session: Session, stripe_account: str, found: Links, ids: Collection[str]
) -> None:
    rows = await inbox.of_objects(session, ids)
    bodies = await inbox.bodies(session, {row["event_id"] for row in rows})
    listed = await listed_events.of_objects(session, ids)
    pending = {e.id: e.pending_webhooks for events in listed.values() for e in events}
    for row in rows:
        event = _received(row, bodies.get(row["event_id"], b""), pending)
        found.events.setdefault(row["object_id"], []).append(event)
    for object_id, events in listed.items():
        found.events.setdefault(object_id, []).extend(
            Received(
                e.id, e.type, e.created, 0, "", NOT_HELD, "", e.api_version, e.request_id,
                e.pending_webhooks,
            )
            for e in events
            if not e.held and e.stripe_account in (stripe_account, PLATFORM)
        )  # fmt: skip


def _received(row: Row, body: bytes, pending: Mapping[str, int]) -> Received:
    decoded = _decoded(body)
    says, lacks = _says(row, decoded)
    request = decoded.get("request")
    return Received(
        row["event_id"],
        row["type"],
        row["created"],
        row["received_at"],
        row["channel"],
        row["status"],
        row["error"],
        row["api_version"],
        str(request.get("id") or "") if isinstance(request, Mapping) else "",
        pending.get(row["event_id"], -1),
        says,
        lacks,
    )


def _decoded(body: bytes) -> Mapping[str, Any]:
    try:
        decoded = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return {}
    return decoded if isinstance(decoded, Mapping) else {}


def _says(row: Row, body: Mapping[str, Any]) -> tuple[Snapshot | None, tuple[str, ...]]:
    """The object as the event shows it, and what it lacks; nothing where it cannot be read."""
    rendered = Rendered(row["created"], Origin.EVENT, row["api_version"], row["stripe_account"])
    try:
        subject = fields.inner(fields.inner(body, "data"), "object")
        read = snapshots.read(subject, rendered, Reading())
    except Unreadable:
        return None, ()
    own = next((s for s in read if s.id == row["object_id"]), None)
    return own, dropped.lacking(subject)


def _part(found: Links) -> dict[str, Record]:
    """Where records parted from their events; the records that the events amount to instead."""
    told: dict[str, Record] = {}
    moments: dict[str, set[int]] = {}  # by family
    for object_id, events in found.events.items():
        moments.setdefault(found.family_of(object_id), set()).update(e.created for e in events)
    for object_id, events in found.events.items():
        versions = [Version(e.event_id, e.says) for e in events if e.says and e.status in APPLIED]
        record, family = found.records.get(object_id), found.family_of(object_id)
        outcome = parted(object_id, record, versions, moments[family])
        if outcome is None:
            continue
        how, told[object_id] = outcome
        if record is None:
            family = told[object_id].snapshot.family
        found.parted.setdefault(family, []).append(how)
    return told


async def _books(
    session: Session,
    found: Links,
    told: Mapping[str, Record],
    positioned: Mapping[str, Position],
    ids: Collection[str],
) -> None:
    stands = await _given(session, found.records)
    by_events = await _given(session, {**found.records, **told}) if told else stands
    held: dict[Key, int] = {}
    for reference, position in positioned.items():
        for line in position.lines:
            if line.account == clearing(reference):
                held[reference, line.currency] = line.amount
    posted: dict[Key, int] = {}
    adjusted: dict[Key, int] = {}
    for row in await books.clearing_sums(session, {clearing(id) for id in ids}):
        id = account_owner(row["account"])
        key = (id, row["currency"])
        side = posted if row["reference"] == id else adjusted
        side[key] = side.get(key, 0) + row["books"]
        ours, theirs = found.sums.get(key, (0, 0))
        found.sums[key] = (ours + row["books"], theirs + row["facts"])
    for key in found.sums.keys() | stands.keys() | by_events.keys() | held.keys():
        links = (posted, adjusted, held, stands, by_events)
        found.own[key] = Books(*(amounts.get(key, 0) for amounts in links))


async def _given(session: Session, records: Mapping[str, Record]) -> dict[Key, int]:
    """What the posting rules give for each object's own clearing account."""
    families: dict[str, list[Snapshot]] = {}
    for record in records.values():
        families.setdefault(record.snapshot.family, []).append(record.snapshot)
    bound = await named(session, [s for members in families.values() for s in members])
    there = set().union(*(accounts_of(members) for members in families.values()))
    watched = await account_mirrors.of_accounts(session, there) if there else {}
    given: dict[Key, int] = {}
    for id, members in families.items():
        family = Family(id, tuple(members), bound.payouts, bound.requests)
        stands = all_positions(family, Bearer.MERCHANT, watched)
        for reference, currency, amount in _clearing_lines(stands):
            given[reference, currency] = amount
    return given


def _clearing_lines(stands: Iterable[Position]) -> Iterable[tuple[str, str, int]]:
    for position in stands:
        for line in position.lines:
            if line.account == clearing(position.reference):
                yield position.reference, line.currency, line.amount
