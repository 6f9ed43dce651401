"""Gather what a report rests on: everything that is open, in one consistent reading.

Costs what is open, not what ever happened: it starts at the index of clearing accounts that are not
zero and reads only what belongs to them. Must not judge: `report` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.domain.books import Instruction
from reconciler.domain.facts import BalanceTransaction
from reconciler.domain.ledger import account_owner
from reconciler.domain.lifecycle import Kind
from reconciler.domain.snapshot import Need, Record
from reconciler.domain.verdicts import WEBHOOK_SECONDS, Open, Received
from reconciler.store import books, inbox, invoices, mirror, objects, payouts, runs, sendings
from reconciler.store.database import Row, Session
from reconciler.store.sendings import Sending

SUSPENSE_LISTED = 200
DEAD_LISTED = 200
TWICE_LISTED = 200


@dataclass(frozen=True, slots=True)
class Gathered:
    """What is open in one Stripe account. `balances` holds, for each currency, the sum of each
    kind of ledger account but clearing (minor units, debit positive)."""

    open: tuple[Open, ...]
    balances: Mapping[str, Mapping[str, int]]
    suspense: tuple[BalanceTransaction, ...]
    transfers: tuple[Row, ...]
    dead: tuple[Row, ...]
    unresolved: tuple[Sending, ...]
    doubtful: tuple[tuple[Need, Record], ...]
    unread: tuple[Row, ...]
    invariants: tuple[dict[str, Any], ...]
    charged_twice: tuple[Row, ...]


async def gather(session: Session, stripe_account: str, now: int) -> Gathered:
    """Read what is open, in the caller's session."""
    rows = await books.open_clearings(session, stripe_account)
    balances: dict[str, dict[str, int]] = {}
    for row in await books.totals(session, stripe_account):
        kinds = balances.setdefault(row["currency"], {})
        kinds[row["kind"]] = row["books"] + row["facts"]
    in_suspense = await mirror.in_suspense(session, stripe_account, SUSPENSE_LISTED)
    doubtful = [
        (need, record)
        for need in (Need.UNKNOWN_STATUS, Need.BAD_FEE)
        for record in await objects.doubtful(session, need)
        if need in record.needs("")  # a newer version may know what an older one did not
    ]
    return Gathered(
        await _open(session, rows),
        balances,
        tuple(in_suspense),
        tuple(await mirror.comparisons_open(session)),
        tuple(await inbox.dead(session, DEAD_LISTED)),
        tuple(await sendings.unsettled(session)),
        tuple(doubtful),
        tuple(await objects.overdue_fetches(session, now - WEBHOOK_SECONDS)),
        tuple(await runs.living_of_kind(session, "invariant_broken")),
        tuple(await invoices.paid_twice(session, TWICE_LISTED)),
    )


async def _open(session: Session, rows: list[Row]) -> tuple[Open, ...]:
    ids = sorted({account_owner(row["account"]) for row in rows})
    if not ids:
        return ()
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
    return tuple(
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
