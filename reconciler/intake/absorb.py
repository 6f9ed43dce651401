"""Absorb snapshots into records, books and ledger, in the caller's transaction.

The one path by which anything Stripe says about an object changes what we hold: events, objects
that were read, resyncs and answers to commands all come through here. Reads what the snapshots
touch, lets `domain` decide, writes the decision down. Must not call Stripe.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from reconciler.context import Policy
from reconciler.domain.books import owner_of
from reconciler.domain.chains import broken_chains
from reconciler.domain.connected_books import accounts_of, all_positions
from reconciler.domain.family import Family
from reconciler.domain.fee_rules import fee_differs
from reconciler.domain.ledger import UNATTRIBUTED, Posting
from reconciler.domain.lifecycle import Kind
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
from reconciler.intake.rebuild import rebuilt_positions
from reconciler.invoicing.follow_invoices import follow_invoices
from reconciler.money_out.bind import Bound, bind
from reconciler.onboarding.bind_account import bind_accounts
from reconciler.store import account_mirrors, books, objects, open_chains
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
    before: dict[str, Record] = field(default_factory=dict)
    changed: dict[str, str] = field(default_factory=dict)  # record id -> cause

    def families(self) -> dict[str, list[Snapshot]]:
        return _by_family(self.records.values())

    def touched(self) -> dict[str, list[Snapshot]]:
        """The families in which something has changed."""
        names = {self.records[id].snapshot.family for id in self.changed}
        return {name: members for name, members in self.families().items() if name in names}


def _by_family(records: Iterable[Record]) -> dict[str, list[Snapshot]]:
    found: dict[str, list[Snapshot]] = {}
    for record in records:
        found.setdefault(record.snapshot.family, []).append(record.snapshot)
    return found


async def absorb(session: Session, policy: Policy, arrivals: Sequence[Arrival], now: int) -> None:
    """The arrivals are merged into the records, and what follows from them is posted.

    Raises Misnamed for a snapshot under another kind of object's id; nothing is then written.
    """
    if not arrivals:
        return
    named = {a.snapshot.id for a in arrivals} | {a.snapshot.family for a in arrivals}
    work = await _load(session, named)
    for arrival in arrivals:
        _merge(work, arrival)
    _move_to_known_families(work)
    bound = await bind(session, work.touched(), now)
    await follow_invoices(session, work.touched(), now)
    await bind_accounts(session, work.touched(), now)
    await _settle(session, policy, work, bound, now)
    await _follow_chains(session, work.touched())
    await _save(session, policy, work, now)


async def _follow_chains(session: Session, families: Mapping[str, list[Snapshot]]) -> None:
    """Keep which chains of these families do not hold. Only a dispute can break one."""
    disputed = {
        id: Family(id, tuple(members))
        for id, members in families.items()
        if any(member.kind is Kind.DISPUTE for member in members)
    }
    if disputed:
        found = [chain for family in disputed.values() for chain in broken_chains(family)]
        await open_chains.replace(session, disputed.keys(), found)


async def resettle(session: Session, policy: Policy, id: str, cause: str, now: int) -> None:
    """What we hold of an object is what it was, and what follows from it is posted anew: a decision
    of ours about it has changed."""
    work = await _load(session, {id})
    work.changed[id] = cause
    bound = await bind(session, work.touched(), now)
    await _settle(session, policy, work, bound, now)


async def resettle_families(
    session: Session, policy: Policy, families: Sequence[str], cause: str, now: int
) -> None:
    """The same for whole families: which books there are has changed."""
    work = await _load(session, families)
    for members in work.families().values():
        work.changed[members[0].id] = cause
    bound = await bind(session, work.touched(), now)
    await _settle(session, policy, work, bound, now)


async def _load(session: Session, ids: Iterable[str]) -> _Work:
    """Every record that shares a family with one of these objects, however it got there."""
    work = _Work()
    wanted = set(ids)
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
    # On the platform alone, as nearly all objects are, nothing is asked.
    there = set().union(*(accounts_of(members) for members in families.values()))
    watched = await account_mirrors.of_accounts(session, there) if there else {}
    target: dict[str, Position] = {}
    for family in sorted(touched):
        members = Family(family, tuple(families[family]), bound.payouts, bound.requests)
        for position in all_positions(members, policy.disputes_borne_by, watched):
            target[position.reference] = position
    # A charge may have claimed another payment before: its position is still that one's.
    elsewhere = target.keys() - held.keys()
    held |= await stored_positions.of_references(session, elsewhere)
    rebuilt = await rebuilt_positions(session, {**target, **held})
    held |= rebuilt
    stored: list[Position] = []
    postings: list[tuple[Posting, str]] = []
    for reference in sorted(target.keys() | held.keys()):
        before = held.get(reference)
        after = target.get(reference) or _emptied(before)
        position, posting = settle(before, after)
        if reference in rebuilt and posting is None:
            position = replace(position, version=position.version + 1)
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
    fees = _fees_that_differ(work)
    for id in sorted(work.changed.keys() | fees.keys()):
        record = work.records[id]
        needs = record.needs(policy.api_version)
        if fees.get(id):
            needs = (*needs, Need.FEE_DIFFERS)
        rows.append((record, ",".join(needs)))
        reread = [need for need in needs if need in REREADABLE]
        if reread:
            wanted[id] = _reread(record, reread, now)
        elif id in work.changed:
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
    """Payments whose fee is unusable, or another than their charge's, when one of their other
    objects changes: Stripe sends no event for a PaymentIntent's metadata, but does for its
    charge's."""
    touched = {work.records[id].snapshot.family for id in work.changed}
    bad = {
        id: Need.BAD_FEE
        for id, record in work.records.items()
        if record.snapshot.family in touched
        and record.snapshot.detail.get("platform_fee") == BAD_FEE
    }
    differ = {id: Need.FEE_DIFFERS for id, newly in _fees_that_differ(work).items() if newly}
    return [
        _reread(work.records[id], [need], now)
        for id, need in sorted({**differ, **bad}.items())
        if id not in work.changed
    ]


def _fees_that_differ(work: _Work) -> dict[str, bool]:
    """Payments whose charge names another share of the platform than they do: that they do now,
    or, where they did before, that they no longer do."""
    before, found = _by_family(work.before.values()), {}
    for family, members in work.touched().items():
        now = fee_differs(Family(family, tuple(members)))
        then = fee_differs(Family(family, tuple(before.get(family, ()))))
        if now is not None:
            found[now.payment] = True
        elif then is not None:
            found[then.payment] = False
    return found


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
