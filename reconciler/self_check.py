"""Check the ledger against itself, and the books against the records: the alarm on our own defects.

Three promises are recomputed from scratch: every kept balance is the sum of its entries; every
position is what its entries sum to; every position is what the posting rules say of the records.
What breaks one is a finding of kind `invariant_broken`. It repairs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog

from reconciler.context import Context
from reconciler.domain.books import Family, positions
from reconciler.domain.findings import Cause, Finding, FindingKind
from reconciler.domain.ledger import total
from reconciler.domain.positions import Position, PositionKind
from reconciler.domain.snapshot import PLATFORM
from reconciler.store import books, objects, payouts, runs
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
    async with context.write() as session:
        living = await runs.living(session)
        held = {k: row for k, row in living.items() if k[3] == FindingKind.INVARIANT_BROKEN.value}
        kept = []
        for finding in found:
            row = held.pop(runs.key_of(finding), None)
            id = row["id"] if row else context.new_id("fnd")
            kept.append((id, row["first_seen"] if row else now, finding))
        await runs.clear(session, [row["id"] for row in held.values()], now)
        await runs.save_findings(session, kept, now)
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
    """Walk every position, a page at a time, against its entries and against the rules."""
    found: list[Finding] = []
    after = ""
    while len(found) < REPORTED:
        page = await books.positions_after(session, after, PAGE)
        if not page:
            break
        after = page[-1].reference
        posted = await books.posted_lines(session, {p.reference for p in page})
        for position in page:
            lines = total(posted.get(position.reference, []))
            if lines != position.lines:
                found.append(_position(position, "its entries", lines))
        found += await _against_rules(session, context, page)
    return found


async def _against_rules(
    session: Session, context: Context, page: Sequence[Position]
) -> list[Finding]:
    """The positions of a page, as the posting rules would have them."""
    derived = [p for p in page if p.kind is not PositionKind.PAYOUT]
    families: dict[str, list[Any]] = {}
    for record in await objects.related(session, {p.family for p in derived}):
        families.setdefault(record.snapshot.family, []).append(record.snapshot)
    named = {
        str(s.detail["payout"])
        for members in families.values()
        for s in members
        if "payout" in s.detail
    }
    known = await payouts.instructions(session, named - {""})
    expected: dict[str, Position] = {}
    for id, members in families.items():
        family = Family(id, tuple(members), known)
        for position in positions(family, context.policy.disputes_borne_by):
            expected[position.reference] = position
    found = []
    for position in derived:
        target = expected.get(position.reference)
        lines = target.lines if target else ()
        if lines != position.lines:
            found.append(_position(position, "the posting rules", lines))
    return found


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
