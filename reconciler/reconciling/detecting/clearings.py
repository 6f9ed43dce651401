"""Open clearing accounts: where books and facts about one Stripe object do not meet in zero."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.context import STRIPE_API_VERSION
from reconciler.domain.books import Instruction
from reconciler.domain.evidence import finding
from reconciler.domain.facts import BalanceTransaction
from reconciler.domain.findings import Finding
from reconciler.domain.ledger import account_kind, account_owner, clearing
from reconciler.domain.lifecycle import Kind
from reconciler.domain.open_clearing import Open, Received
from reconciler.domain.snapshot import PLATFORM
from reconciler.domain.verdicts import judge
from reconciler.reconciling.detecting.own_links import Key, Links, links
from reconciler.reconciling.look import Look
from reconciler.store import (
    books,
    inbox,
    listed_events,
    mirror,
    objects,
    outside_changes,
    payouts,
    sendings,
)
from reconciler.store import positions as stored_positions
from reconciler.store.database import Row, Session
from reconciler.store.listed_events import Reach
from reconciler.store.sendings import Sending

CHANGED = 200
CLEARING = "clearing"


@dataclass(frozen=True, slots=True)
class Seen:
    open: tuple[Open, ...] = ()

    @property
    def currencies(self) -> set[str]:
        return {case.currency for case in self.open}


@dataclass(slots=True)
class _Around:
    """What is read once for all that is open."""

    links: Links
    movements: dict[str, list[BalanceTransaction]]
    entries: dict[str, list[dict[str, Any]]]
    payouts: dict[str, Instruction]
    changed: dict[str, list[Row]]
    unsettled: Sequence[Sending]
    payments: dict[str, str]  # of refunded charges
    reach: Reach
    behind: Mapping[str, str]  # the transfer behind an object on a connected account
    told: Reach  # of the platform's events, which tell of those
    becoming: dict[str, tuple[tuple[int, int], ...]]


async def gather(session: Session, stripe_account: str, now: int) -> Seen:
    """Starts at the index of clearing accounts that are not zero; reads what belongs to them.

    What stands in them is summed from their entries, not taken from the balance kept beside them.
    """
    kept = await books.open_clearings(session, stripe_account)
    if await books.out_of_balance(session, stripe_account):  # one of them may seem to be closed
        kept += await books.balances_that_differ(session)
    accounts = {row["account"] for row in kept if row["stripe_account"] == stripe_account}
    ids = sorted(
        {account_owner(account) for account in accounts if account_kind(account) == CLEARING}
    )
    if not ids:
        return Seen()
    around = await _around(session, stripe_account, ids, now)
    open = {key: sums for key, sums in around.links.sums.items() if sum(sums)}
    times = Counter(id for id, _ in open)
    return Seen(
        tuple(
            _case(key, sums, around, in_two=times[key[0]] > 1) for key, sums in sorted(open.items())
        )
    )


def _case(key: Key, sums: tuple[int, int], around: _Around, *, in_two: bool) -> Open:
    id, currency = key
    links = around.links
    record = links.records.get(id)
    movements = tuple(around.movements.get(id, ()))
    family = links.family_of(id)
    behind = around.behind.get(id, "")
    reach = around.told if behind else around.reach
    return Open(
        object_id=id,
        currency=currency,
        books=sums[0],
        facts=sums[1],
        snapshot=record.snapshot if record else None,
        movements=movements,
        events=(*links.events.get(id, ()), *_about(links, behind, movements)),
        entries=tuple(e for e in around.entries.get(id, []) if e["currency"] == currency),
        other_currency_open=in_two,
        payout=around.payouts.get(id),
        needs=record.needs(STRIPE_API_VERSION) if record else (),
        own=links.own.get(key),
        parted=tuple(links.parted.get(family, ())),
        changed_rows=tuple(around.changed.get(family, ())),
        command=_command(movements, around.payments, around.unsettled),
        listed_from=reach.read_from,
        listed_to=reach.read_to,
        becoming_available=around.becoming.get(id, ()),
        made_by=behind,
    )


def _about(
    links: Links, transfer: str, movements: Sequence[BalanceTransaction]
) -> tuple[Received, ...]:
    """The events of a transfer that may tell of these movements on the connected account."""
    since = min((m.created for m in movements), default=0)
    return tuple(e for e in links.events.get(transfer, ()) if e.created >= since)


async def _around(session: Session, stripe_account: str, ids: Sequence[str], now: int) -> _Around:
    movements: dict[str, list[BalanceTransaction]] = {}
    for movement in await mirror.clearing(session, ids):
        if movement.counts:
            movements.setdefault(movement.clears, []).append(movement)
    entries: dict[str, list[dict[str, Any]]] = {}
    posted = await books.entries(session, {clearing(id) for id in ids})
    created = await inbox.created_of(session, {row["cause"] for row in posted})
    for row in posted:
        entry = _entry(row, created.get(row["cause"], 0))
        entries.setdefault(account_owner(row["account"]), []).append(entry)
    platform = stripe_account == PLATFORM
    behind = {} if platform else await _behind(session, ids, movements)
    found = await links(session, stripe_account, ids, set(behind.values()))
    reach = await listed_events.reach(session, stripe_account)
    changed: dict[str, list[Row]] = {}  # by family
    for row in await outside_changes.unmended(session, CHANGED):
        changed.setdefault(found.family_of(row["about"]), []).append(row)
    return _Around(
        found,
        movements,
        entries,
        await _payouts_named(session, found, ids),
        changed,
        await sendings.unsettled(session) if platform else (),
        await _payments_of(session, movements),
        reach,
        behind,
        await listed_events.reach(session, PLATFORM) if behind else reach,
        await _becoming_available(session, found, ids, now) if platform else {},
    )


async def _behind(
    session: Session, ids: Sequence[str], movements: Mapping[str, Sequence[BalanceTransaction]]
) -> dict[str, str]:
    """For each object on a connected account: the transfer that made it, or that was reversed by
    it, as the books have it or as Stripe lists it."""
    payments = {id: id for id in ids}
    payments |= {
        id: m.source_charge for id in ids for m in movements.get(id, ()) if m.source_charge
    }
    listed = await mirror.transfers_behind(session, set(payments.values()))
    found = {id: listed[payment] for id, payment in payments.items() if payment in listed}
    held = await stored_positions.of_references(session, ids)
    booked = {id: p.family for id, p in held.items() if p.family.startswith("tr_")}
    return found | booked


async def _payouts_named(
    session: Session, found: Links, ids: Sequence[str]
) -> dict[str, Instruction]:
    """For each transfer: the payout of ours that it names, as we heard of it or as Stripe lists
    it."""
    named = await mirror.payouts_listed(session, [id for id in ids if id.startswith("tr_")])
    for id in ids:
        record = found.records.get(id)
        if record and record.snapshot.kind is Kind.TRANSFER:
            named[id] = str(record.snapshot.detail["payout"])
    known = await payouts.instructions(session, set(named.values()) - {""})
    return {id: known[payout] for id, payout in named.items() if payout in known}


async def _payments_of(
    session: Session, movements: Mapping[str, Sequence[BalanceTransaction]]
) -> dict[str, str]:
    """The payment of each charge that was refunded."""
    charges = {m.source_charge for moved in movements.values() for m in moved} - {""}
    records = await objects.get(session, charges)
    return {id: record.snapshot.family for id, record in records.items()}


def _command(
    movements: Sequence[BalanceTransaction],
    payments: Mapping[str, str],
    unsettled: Sequence[Sending],
) -> str:
    """The command without an answer that asked for just what moved here; empty if there is none."""
    for movement in movements[:1]:
        charge = movement.source_charge
        about = {charge, payments.get(charge, "")} - {""}
        for sending in unsettled:
            refund = sending.kind == "refund" and about & set(map(str, sending.parameters.values()))
            payout = sending.kind == "payout" and movement.source.startswith("tr_")
            money = (sending.amount, sending.currency) in _figures(movement)
            if money and (refund or payout):
                return f"{sending.kind.capitalize()} {sending.instruction}"
    return ""


def _figures(movement: BalanceTransaction) -> set[tuple[int, str]]:
    """What moved, in the currency of the balance and in that of the object."""
    own = (abs(movement.source_amount), movement.source_currency)
    return {(-movement.amount, movement.currency), own}


async def _becoming_available(
    session: Session, found: Links, ids: Sequence[str], now: int
) -> dict[str, tuple[tuple[int, int], ...]]:
    """For each refund that waits for funds: when how much becomes available."""
    waiting = {
        id: record.snapshot.currency
        for id in ids
        if (record := found.records.get(id))
        and record.snapshot.detail.get("pending_reason") == "insufficient_funds"
    }
    coming = {
        currency: tuple(await mirror.becoming_available(session, currency, now, cards_only=False))
        for currency in sorted(set(waiting.values()))
    }
    return {id: coming[currency] for id, currency in waiting.items()}


def _entry(row: Row, caused_at: int) -> dict[str, Any]:
    return {
        "ledger_transaction": row["id"],
        "reference": row["reference"],
        "side": row["side"],
        "kind": row["kind"],
        "amount": row["amount"],
        "currency": row["currency"],
        "cause": row["cause"],
        "caused_at": caused_at,
        "posted_at": row["posted_at"],
    }


def detect(seen: Seen, look: Look) -> list[Finding]:
    """One finding for each open account, with the verdict on it."""
    reading = look.mirrored.reading
    available = reading.available if reading else {}
    mirrored, account, now = look.mirrored.complete, look.stripe_account, look.now
    return [
        finding(case, judge(case, now, mirrored=mirrored, available=available), account, now)
        for case in seen.open
    ]
