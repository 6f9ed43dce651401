"""Check the ledger against itself, and the books against the records: the alarm on our own defects.

Three promises are recomputed from scratch: every kept balance is the sum of its entries; every
position is what its entries sum to; every position is what the posting rules say of the records.
What breaks one is a finding of kind `invariant_broken`. It repairs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import structlog

from reconciler.context import Context
from reconciler.domain.books import Family, positions
from reconciler.domain.findings import Cause, Finding, FindingKind
from reconciler.domain.ledger import total
from reconciler.domain.positions import Position
from reconciler.domain.snapshot import PLATFORM, Snapshot
from reconciler.money_out.bind import named
from reconciler.reconciling.tracking import track
from reconciler.store import books, objects, runs
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
    ours = FindingKind.INVARIANT_BROKEN.value
    async with context.write_books() as session:
        await track(session, context, found, lambda key: key[3] == ours, now)
    if found:
        log.error("ledger.invariant_broken", findings=len(found))
    return found


def _balance(row: dict[str, Any]) -> Finding:
    return _broken(
        row["account"],
        row["currency"],
        f"The balance kept for {row['account']} is not the sum of its entries.",
        row,
    )


def _broken(reference: str, currency: str, explanation: str, evidence: dict[str, Any]) -> Finding:
    return Finding(
        FindingKind.INVARIANT_BROKEN,
        Cause.SERVICE_DEFECT,
        PLATFORM,
        reference,
        currency,
        0,
        0,
        explanation,
        repair="stop payouts and report this: the service itself is wrong",
        evidence=(evidence,),
    )


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
                found.append(_position(position, "its entries", lines))
        if len(found) >= REPORTED:
            break
    for reference in await books.references_without_position(session, REPORTED):
        text = f"The books hold entries for {reference} and no position of it."
        found.append(_broken(reference, "", text, {"reference": reference}))
    return [*found, *await _against_rules(session, context)]


async def _against_rules(session: Session, context: Context) -> list[Finding]:
    """Walk every family of records: its positions are just what the posting rules say."""
    found: list[Finding] = []
    after = ""
    while families := await objects.families_after(session, after, PAGE):
        after = families[-1]
        expected = await _expected(session, context, families)
        held = await stored_positions.of_families(session, families)
        for reference in sorted(expected.keys() | held.keys()):
            target, position = expected.get(reference), held.get(reference)
            lines = target.lines if target else ()
            if lines != (position.lines if position else ()):
                stands = position or replace(expected[reference], lines=())
                found.append(_position(stands, "the posting rules", lines))
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
    expected: dict[str, Position] = {}
    for id in families:
        family = Family(id, tuple(members.get(id, ())), known.payouts, known.requests)
        for position in positions(family, context.policy.disputes_borne_by):
            expected[position.reference] = position
    return expected


def _position(position: Position, what: str, lines: Sequence[Any]) -> Finding:
    currency = position.lines[0].currency if position.lines else ""
    return _broken(
        position.reference,
        currency,
        f"The position of {position.reference} is not what {what} say.",
        {
            "stands": [(x.account, x.currency, x.amount) for x in position.lines],
            "should_stand": [(x.account, x.currency, x.amount) for x in lines],
        },
    )
