"""Open clearing accounts: where books and facts about one Stripe object do not meet in zero."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.domain.books import Instruction
from reconciler.domain.facts import BalanceTransaction
from reconciler.domain.findings import Finding
from reconciler.domain.ledger import account_owner
from reconciler.domain.lifecycle import Kind
from reconciler.domain.snapshot import Record
from reconciler.domain.verdicts import Open, Received, finding, judge
from reconciler.reconciling.look import Look
from reconciler.store import books, inbox, mirror, objects, payouts
from reconciler.store.database import Row, Session


@dataclass(frozen=True, slots=True)
class Seen:
    open: tuple[Open, ...] = ()

    @property
    def currencies(self) -> set[str]:
        return {case.currency for case in self.open}


async def gather(session: Session, stripe_account: str, now: int) -> Seen:
    """Starts at the index of clearing accounts that are not zero; reads what belongs to them."""
    rows = await books.open_clearings(session, stripe_account)
    ids = sorted({account_owner(row["account"]) for row in rows})
    if not ids:
        return Seen()
    records = await objects.get(session, ids)
    movements: dict[str, list[BalanceTransaction]] = {}
    for movement in await mirror.clearing(session, ids):
        if not movement.counts:
            continue
        movements.setdefault(movement.clears, []).append(movement)
    events: dict[str, list[Received]] = {}
    for row in await inbox.of_objects(session, ids):
        events.setdefault(row["object_id"], []).append(_received(row))
    entries: dict[str, list[dict[str, Any]]] = {}
    for row in await books.entries(session, {row["account"] for row in rows}):
        entries.setdefault(row["account"], []).append(_entry(row))
    named = await _payouts_named(session, records)
    currencies: dict[str, int] = {}
    for row in rows:
        currencies[row["account"]] = currencies.get(row["account"], 0) + 1
    return Seen(
        tuple(
            Open(
                object_id=(id := account_owner(row["account"])),
                currency=row["currency"],
                books=row["books"],
                facts=row["facts"],
                snapshot=records[id].snapshot if id in records else None,
                movements=tuple(movements.get(id, ())),
                events=tuple(events.get(id, ())),
                entries=tuple(entries.get(row["account"], ())),
                other_currency_open=currencies[row["account"]] > 1,
                payout=named.get(id),
            )
            for row in rows
        )
    )


async def _payouts_named(session: Session, records: Mapping[str, Record]) -> dict[str, Instruction]:
    """For each transfer: the payout of ours that it names."""
    named = {
        id: str(record.snapshot.detail["payout"])
        for id, record in records.items()
        if record.snapshot.kind is Kind.TRANSFER
    }
    known = await payouts.instructions(session, {payout for payout in named.values() if payout})
    return {id: known[payout] for id, payout in named.items() if payout in known}


def _received(row: Row) -> Received:
    return Received(
        row["event_id"],
        row["type"],
        row["created"],
        row["received_at"],
        row["channel"],
        row["status"],
        row["error"],
    )


def _entry(row: Row) -> dict[str, Any]:
    return {
        "ledger_transaction": row["id"],
        "reference": row["reference"],
        "side": row["side"],
        "kind": row["kind"],
        "amount": row["amount"],
        "currency": row["currency"],
        "cause": row["cause"],
        "posted_at": row["posted_at"],
    }


def detect(seen: Seen, look: Look) -> list[Finding]:
    """One finding for each open account, with the verdict on it."""
    mirrored, account, now = look.mirrored.complete, look.stripe_account, look.now
    return [finding(case, judge(case, now, mirrored=mirrored), account, now) for case in seen.open]
