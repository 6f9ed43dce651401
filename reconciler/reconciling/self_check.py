"""Check the ledger against itself, and the books against the records: the alarm on our own defects.

Three promises are recomputed from scratch: every kept balance is the sum of its entries; every
position is what its entries sum to; every position is what the posting rules say of the records.
What breaks one is a finding of kind `invariant_broken`: `overwritten` where somebody else than the
service wrote to the database, a defect of ours where nobody did. It repairs nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import structlog

from reconciler.context import Context
from reconciler.domain.connected_books import accounts_of, all_positions
from reconciler.domain.family import Family
from reconciler.domain.findings import Cause, Finding, FindingKind, rule
from reconciler.domain.ledger import total
from reconciler.domain.positions import Position
from reconciler.domain.snapshot import PLATFORM, Snapshot
from reconciler.money_out.bind import named
from reconciler.reconciling.adjusted import misposted
from reconciler.reconciling.detecting.full_audit import REFERENCE
from reconciler.reconciling.detecting.rows import LISTED
from reconciler.reconciling.tracking import track
from reconciler.store import account_mirrors, books, objects, outside_changes, runs
from reconciler.store import positions as stored_positions
from reconciler.store.database import Session

log = structlog.get_logger()

PAGE = 500
REPORTED = 100


async def self_check(context: Context) -> list[Finding]:
    """What is broken; empty when the ledger is sound. Findings are stored and cleared with it."""
    async with context.database.read(snapshot=True) as session:
        found = [_balance(row) for row in await books.balances_that_differ(session)]
        found += await _positions(session, context)
    # One thing may break several promises; it is reported once.
    found = list({runs.key_of(finding): finding for finding in reversed(found)}.values())[::-1]
    found = found[:REPORTED]
    now = context.now()

    def ours(key: runs.Key) -> bool:
        return key[3] == FindingKind.INVARIANT_BROKEN.value and not key[1].startswith(REFERENCE)

    async with context.write_books() as session:
        await track(session, context, found, ours, now)
    if found:
        log.error("ledger.invariant_broken", findings=len(found))
    return found


def _balance(row: dict[str, Any]) -> Finding:
    return _overwritten(
        row["account"],
        row["currency"],
        f"The balance kept for {row['account']} is not the sum of its entries: somebody else than"
        " this service wrote to one of them.",
        "a_balance_is_not_its_entries",
        row,
    )


def _overwritten(
    reference: str, currency: str, because: str, name: str, evidence: dict[str, Any]
) -> Finding:
    """What only somebody else can have done: the service writes both in one transaction."""
    return Finding(
        FindingKind.INVARIANT_BROKEN,
        Cause.OVERWRITTEN,
        PLATFORM,
        reference,
        currency,
        0,
        0,
        because,
        repair="stop payouts; restore what was changed, and find out who wrote to the database",
        evidence=(rule(name, because), evidence),
    )


async def _touched(session: Session) -> frozenset[str]:
    """The ids of the rows that somebody else wrote to, and the families of those records."""
    rows = await outside_changes.unmended(session, LISTED)
    ids = {row["id"] for row in rows}
    records = await objects.get(session, ids)
    return frozenset(ids | {record.snapshot.family for record in records.values()})


async def _positions(session: Session, context: Context) -> list[Finding]:
    """Walk every position, a page at a time, against its entries."""
    found: list[Finding] = []
    after = ""
    while page := await stored_positions.after(session, after, PAGE):
        after = page[-1].reference
        posted = await books.posted_lines(session, {p.reference for p in page})
        for position in page:
            lines = total(posted.get(position.reference, []))
            if lines != position.lines:
                found.append(_not_its_entries(position, lines))
        if len(found) >= REPORTED:
            break
    for reference in await books.references_without_position(session, REPORTED):
        text = f"The books hold entries for {reference} and no position of it."
        name = "position_is_not_its_entries"
        found.append(_overwritten(reference, "", text, name, {"reference": reference}))
    touched = await _touched(session)
    async for held, target in misposted(session):
        found.append(_position(held, "the adjustments", target.lines, touched))
    return [*found, *await _against_rules(session, context, touched)]


async def _against_rules(
    session: Session, context: Context, touched: Collection[str]
) -> list[Finding]:
    """Walk every family of records: its positions are just what the posting rules say."""
    found: list[Finding] = []
    under_way = await account_mirrors.being_booked(session)
    after = ""
    while families := await objects.families_after(session, after, PAGE):
        after = families[-1]
        expected = await _expected(session, context, families)
        held = await stored_positions.of_families(session, families)
        for reference in sorted(expected.keys() | held.keys()):
            target, position = expected.get(reference), held.get(reference)
            lines = target.lines if target else ()
            whose = target or position
            if whose is None or whose.stripe_account in under_way:
                continue
            if lines != (position.lines if position else ()):
                stands = position or replace(expected[reference], lines=())
                found.append(_position(stands, "the posting rules", lines, touched))
        if len(found) >= REPORTED:
            break
    return found


async def _expected(
    session: Session, context: Context, families: Sequence[str]
) -> dict[str, Position]:
    """The positions that the posting rules give these families."""
    members: dict[str, list[Snapshot]] = {}
    for record in await objects.related(session, families):
        members.setdefault(record.snapshot.family, []).append(record.snapshot)
    known = await named(session, [s for family in members.values() for s in family])
    there = set().union(*(accounts_of(family) for family in members.values()))
    watched = await account_mirrors.of_accounts(session, there) if there else {}
    expected: dict[str, Position] = {}
    for id in families:
        family = Family(id, tuple(members.get(id, ())), known.payouts, known.requests)
        for position in all_positions(family, context.policy.disputes_borne_by, watched):
            expected[position.reference] = position
    return expected


def _not_its_entries(position: Position, lines: Sequence[Any]) -> Finding:
    because = (
        f"The position of {position.reference} is not what its entries say: somebody else than this"
        " service wrote to one of them."
    )
    name = "position_is_not_its_entries"
    return _overwritten(
        position.reference, _currency(position), because, name, _sides(position, lines)
    )


def _position(
    position: Position, what: str, lines: Sequence[Any], touched: Collection[str]
) -> Finding:
    """A position that is not what the rules make of the records: a defect of ours, unless somebody
    else wrote to one of either."""
    because = f"The position of {position.reference} is not what {what} say."
    sides = _sides(position, lines)
    if position.reference in touched or position.family in touched:
        because += " Somebody else than this service wrote to its rows."
        name = "somebody_else_wrote_to_the_row"
        return _overwritten(position.reference, _currency(position), because, name, sides)
    return Finding(
        FindingKind.INVARIANT_BROKEN,
        Cause.SERVICE_DEFECT,
        PLATFORM,
        position.reference,
        _currency(position),
        0,
        0,
        because,
        repair="stop payouts and report this: the service itself is wrong",
        evidence=(rule("entries_are_not_what_the_rules_give", because), sides),
    )


def _currency(position: Position) -> str:
    return position.lines[0].currency if position.lines else ""


def _sides(position: Position, lines: Sequence[Any]) -> dict[str, Any]:
    return {
        "stands": [(x.account, x.currency, x.amount) for x in position.lines],
        "should_stand": [(x.account, x.currency, x.amount) for x in lines],
    }
