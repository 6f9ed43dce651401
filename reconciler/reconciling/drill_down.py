"""Open a line of a run's bridge: to findings and their evidence, or to accounts and their entries.

A difference opens to the run's own findings, which never change. A holding opens to the ledger as
it was when the run judged: entries are only ever added. Reads only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.context import Context
from reconciler.domain.ledger import account_kind
from reconciler.store import kept_runs, lines
from reconciler.store.database import Row, Session

UNEXPLAINED = "unexplained"
OWNED = frozenset({"merchant", "reserved", "foreign"})
"""Kinds of ledger accounts of which there are many: they open to accounts first."""

NEWEST = (2**62, 2**62)


@dataclass(frozen=True, slots=True)
class Line:
    """What one asks for. `key` names the line, `account` one ledger account below it."""

    stripe_account: str
    currency: str
    key: str
    account: str = ""


@dataclass(frozen=True, slots=True)
class Opened:
    """What stands behind a line. `parts` are the bridge's lines of that key; of the rest, one list
    is filled, and `more` says that it goes on."""

    line: Line
    parts: tuple[Mapping[str, Any], ...]
    findings: tuple[Mapping[str, Any], ...] = ()
    accounts: tuple[Row, ...] = ()
    entries: tuple[Mapping[str, Any], ...] = ()
    more: bool = False

    @property
    def amount(self) -> int:
        return sum(part["amount"] for part in self.parts)


async def open_line(
    context: Context, run: Mapping[str, Any], line: Line, after: str, limit: int
) -> Opened | None:
    """What stands behind a line of this run; None if it has no such line, or `after` is not in it.

    `after` is the last row one has: a finding's id, an account's name, or `transaction.line`.
    """
    bridge = next((b for b in run["bridge"] if _is(b, line)), None)
    if bridge is None:
        return None
    if line.key == UNEXPLAINED:
        part = {"key": UNEXPLAINED, "label": UNEXPLAINED, "amount": bridge["unexplained"]}
        return Opened(line, (part,))
    holdings = tuple(part for part in bridge["holdings"] if part["key"] == line.key)
    differences = tuple(part for part in bridge["differences"] if part["key"] == line.key)
    async with context.database.read(snapshot=True) as session:
        if differences:
            return await _findings(session, run, line, differences, after, limit)
        if not holdings or (line.account and account_kind(line.account) != line.key):
            return None
        if line.key in OWNED and not line.account:
            return await _accounts(session, line, holdings, after, limit)
        return await _entries(session, run, line, holdings, after, limit)


def _is(bridge: Mapping[str, Any], line: Line) -> bool:
    named = (bridge["stripe_account"], bridge["currency"])
    return named == (line.stripe_account, line.currency)


async def _findings(
    session: Session,
    run: Mapping[str, Any],
    line: Line,
    parts: tuple[Mapping[str, Any], ...],
    after: str,
    limit: int,
) -> Opened | None:
    ids = [id for part in parts for id in part["findings"]]
    if after and after not in ids:
        return None
    start = ids.index(after) + 1 if after else 0
    wanted = ids[start : start + limit]
    found = await kept_runs.findings_of(session, run["id"], wanted)
    return Opened(line, parts, findings=tuple(found), more=len(ids) > start + limit)


async def _accounts(
    session: Session, line: Line, parts: tuple[Mapping[str, Any], ...], after: str, limit: int
) -> Opened:
    rows = await lines.accounts(
        session, line.stripe_account, line.key, line.currency, after, limit + 1
    )
    return Opened(line, parts, accounts=tuple(rows[:limit]), more=len(rows) > limit)


async def _entries(
    session: Session,
    run: Mapping[str, Any],
    line: Line,
    parts: tuple[Mapping[str, Any], ...],
    after: str,
    limit: int,
) -> Opened | None:
    before = _cursor(after)
    if before is None:
        return None
    account = line.account or line.key
    until = _judged_at(run, line)
    rows = await lines.entries(
        session, line.stripe_account, account, line.currency, until, before, limit + 1
    )
    told = await _with_causes(session, rows[:limit])
    return Opened(line, parts, entries=tuple(told), more=len(rows) > limit)


def _cursor(after: str) -> tuple[int, int] | None:
    if not after:
        return NEWEST
    transaction, _, number = after.partition(".")
    if not (transaction.isascii() and number.isascii()):
        return None
    usable = transaction.isdigit() and number.isdigit() and len(transaction + number) <= 18
    return (int(transaction), int(number)) if usable else None


def _judged_at(run: Mapping[str, Any], line: Line) -> int:
    """Until when the run had looked at the ledger; runs of before this was told ended then, too."""
    for told in run["coverage"].get("cut_offs", ()):
        if told["stripe_account"] == line.stripe_account:
            return int(told["judged_at"])
    return int(run["finished_at"])


async def _with_causes(session: Session, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Each entry with the event or the balance transaction that caused it, where one did."""
    causes = {row["cause"] for row in rows} | {row["reference"] for row in rows}
    moved = await lines.movements(session, causes)
    heard = await lines.events(session, causes)
    return [
        {
            **row,
            "id": f"{row['transaction_id']}.{row['line']}",
            "balance_transaction": moved.get(row["reference"]) or moved.get(row["cause"]),
            "event": heard.get(row["cause"]),
        }
        for row in rows
    ]
