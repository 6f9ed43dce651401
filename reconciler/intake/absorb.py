"""Absorb snapshots into records, books and ledger, in the caller's transaction.

The one path by which anything Stripe says about an object changes what we hold: events, objects
that were read, resyncs and answers to commands all come through here. Reads what the snapshots
touch, lets `domain` decide, writes the decision down. Must not call Stripe.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from reconciler.context import Policy
from reconciler.domain.books import Family, owner_of, positions
from reconciler.domain.ledger import UNATTRIBUTED, Posting
from reconciler.domain.positions import Position, settle
from reconciler.domain.snapshot import (
    BAD_FEE,
    PLATFORM,
    REREADABLE,
    Need,
    Record,
    Snapshot,
    merge,
)
from reconciler.invoicing.follow_invoices import follow_invoices
from reconciler.money_out.bind import Bound, bind
from reconciler.store import books, objects
from reconciler.store import positions as stored_positions
from reconciler.store.database import Session

REREAD_AFTER_SECONDS = 2
PARENT_AFTER_SECONDS = 15
"""A payment that a refund belongs to is usually in the next delivery: no hurry to ask for it."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A snapshot, and the event id or reading that brought it."""

    snapshot: Snapshot
    cause: str


class Misnamed(ValueError):
    """A snapshot that carries the id of an object of another kind."""


@dataclass(slots=True)
class _Work:
    """What a batch touches: as stored, and as it will be."""

    records: dict[str, Record] = field(default_factory=dict)
    changed: dict[str, str] = field(default_factory=dict)  # record id -> cause

    def families(self) -> dict[str, list[Snapshot]]:
        found: dict[str, list[Snapshot]] = {}
        for record in self.records.values():
            found.setdefault(record.snapshot.family, []).append(record.snapshot)
        return found

    def touched(self) -> dict[str, list[Snapshot]]:
        """The families in which something has changed."""
        names = {self.records[id].snapshot.family for id in self.changed}
        return {name: members for name, members in self.families().items() if name in names}


async def absorb(session: Session, policy: Policy, arrivals: Sequence[Arrival], now: int) -> None:
    """The arrivals are merged into the records, and what follows from them is posted.

    Raises Misnamed for a snapshot under another kind of object's id; nothing is then written.
    """
    if not arrivals:
        return
    work = await _load(session, arrivals)
    for arrival in arrivals:
        _merge(work, arrival)
    _move_to_known_families(work)
    bound = await bind(session, work.touched(), now)
    await follow_invoices(session, work.touched(), now)
    await _settle(session, policy, work, bound, now)
    await _save(session, policy, work, now)


async def _load(session: Session, arrivals: Sequence[Arrival]) -> _Work:
    """Every record that shares a family with an arrival, however it got there."""
    work = _Work()
    wanted = {a.snapshot.id for a in arrivals} | {a.snapshot.family for a in arrivals}
    asked: set[str] = set()
    while wanted - asked:
        fresh = wanted - asked
        asked |= fresh
        for record in await objects.related(session, fresh):
            work.records[record.snapshot.id] = record
            wanted.add(record.snapshot.family)
    return work


def _merge(work: _Work, arrival: Arrival) -> None:
    id = arrival.snapshot.id
    held = work.records.get(id)
    if held is not None and held.snapshot.kind is not arrival.snapshot.kind:
        raise Misnamed(f"{id} is a {held.snapshot.kind}, not a {arrival.snapshot.kind}")
    merged = merge(held, arrival.snapshot)
    if merged != held:
        work.records[id] = merged
        work.changed[id] = arrival.cause


def _move_to_known_families(work: _Work) -> None:
    """A refund or dispute that named only its charge joins the charge's own family."""
    for id, record in list(work.records.items()):
        family = record.snapshot.family
        root = work.records.get(family)
        if root is None or root.snapshot.family == family:
            continue
        moved = replace(record.snapshot, family=root.snapshot.family)
        work.records[id] = replace(record, snapshot=moved)
        work.changed.setdefault(id, work.changed.get(family, "family"))


async def _settle(session: Session, policy: Policy, work: _Work, bound: Bound, now: int) -> None:
    """Post the difference between what the books say and what they should say."""
    families = work.touched()
    touched = families.keys()
    former = {id for id in work.changed if id not in touched}
    held = await stored_positions.of_families(session, touched | former)
    causes = {work.records[id].snapshot.family: cause for id, cause in work.changed.items()}
    target: dict[str, Position] = {}
    for family in sorted(touched):
        members = Family(family, tuple(families[family]), bound.payouts, bound.requests)
        for position in positions(members, policy.disputes_borne_by):
            target[position.reference] = position
    # A charge may have claimed another payment before: its position is still that one's.
    elsewhere = target.keys() - held.keys()
    held |= await stored_positions.of_references(session, elsewhere)
    stored: list[Position] = []
    postings: list[tuple[Posting, str]] = []
    for reference in sorted(target.keys() | held.keys()):
        before = held.get(reference)
        after = target.get(reference) or _emptied(before)
        position, posting = settle(before, after)
        if position != before and (before is not None or position.lines):
            stored.append(position)
        if posting is not None:
            postings.append((posting, causes.get(position.family, "")))
    await stored_positions.save(session, stored)
    await books.post(session, postings, now)


def _emptied(held: Position | None) -> Position:
    assert held is not None
    return replace(held, lines=())


async def _save(session: Session, policy: Policy, work: _Work, now: int) -> None:
    rows = []
    wanted: dict[str, objects.Fetch] = {}
    clear: dict[str, int] = {}
    for id in sorted(work.changed):
        record = work.records[id]
        needs = record.needs(policy.api_version)
        rows.append((record, ",".join(needs)))
        reread = [need for need in needs if need in REREADABLE]
        if reread:
            wanted[id] = _reread(record, reread, now)
        else:
            clear[id] = record.snapshot.as_of
    await objects.save(session, rows)
    for fetch in [*_missing_payments(work, now), *_bad_fees(work, now)]:
        wanted.setdefault(fetch.object_id, fetch)
    await objects.settled(session, clear)
    if wanted:
        await objects.want(session, list(wanted.values()), now)


def _reread(record: Record, needs: Iterable[Need], now: int) -> objects.Fetch:
    snapshot = record.snapshot
    return objects.Fetch(
        snapshot.id,
        snapshot.stripe_account,
        ",".join(needs),
        snapshot.as_of,
        now + REREAD_AFTER_SECONDS,
    )


def _bad_fees(work: _Work, now: int) -> list[objects.Fetch]:
    """Payments with an unusable fee, when one of their other objects changes: Stripe sends no event
    for a PaymentIntent's metadata, but does for its charge's."""
    touched = {work.records[id].snapshot.family for id in work.changed}
    return [
        _reread(record, [Need.BAD_FEE], now)
        for id, record in sorted(work.records.items())
        if id not in work.changed
        and record.snapshot.family in touched
        and record.snapshot.detail.get("platform_fee") == BAD_FEE
    ]


def _missing_payments(work: _Work, now: int) -> list[objects.Fetch]:
    """The payments behind money that is nobody's because we have not seen whose payment it was."""
    families = work.families()
    found = []
    ours = (work.records[id].snapshot for id in work.changed)
    for family in sorted({s.family for s in ours if s.stripe_account == PLATFORM}):
        if family in work.records:
            continue
        owner = owner_of(Family(family, tuple(families[family])))
        if owner.account == UNATTRIBUTED and not owner.merchant:
            due = now + PARENT_AFTER_SECONDS
            found.append(objects.Fetch(family, PLATFORM, "missing_payment", 0, due))
    return found
