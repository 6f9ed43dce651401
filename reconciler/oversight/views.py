"""What people and programs may look at: queries over the store, shaped by `domain`.

Read only. Must not call Stripe, except where a function says that it asks for a live balance.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.context import Context
from reconciler.domain.bridge import HOLDINGS
from reconciler.domain.family import Family
from reconciler.domain.ledger import merchant as merchant_account
from reconciler.domain.lifecycle import Kind
from reconciler.domain.payments import Payment, payment
from reconciler.domain.snapshot import PLATFORM
from reconciler.gateway.budget import Priority
from reconciler.store import books, merchants, objects, runs
from reconciler.store.database import Session

Cursor = tuple[int, str]


async def payments(
    session: Session, limit: int, before: Cursor | None
) -> tuple[list[Payment], bool]:
    """Payments, newest first, and whether there are more."""
    rows = await objects.payments_page(session, limit + 1, before)
    families = list(dict.fromkeys(row["family"] for row in rows[:limit]))
    return await _families(session, families), len(rows) > limit


async def payment_cursor(session: Session, id: str) -> Cursor | None:
    """Where the listing goes on after this payment; None if there is no such payment.

    One whose PaymentIntent has not been seen is listed by its charges: after the oldest of them.
    """
    records = await objects.related(session, [id])
    listed = [r.snapshot for r in records if r.snapshot.id == id]
    listed = listed or [r.snapshot for r in records if r.snapshot.kind is Kind.CHARGE]
    return min(((s.created, s.id) for s in listed), default=None)


async def one_payment(session: Session, id: str) -> Payment | None:
    """The payment with this PaymentIntent id, or the one that a charge or refund belongs to."""
    record = (await objects.get(session, [id])).get(id)
    if record is None:
        return None
    found = await _families(session, [record.snapshot.family])
    return found[0] if found else None


async def _families(session: Session, ids: Sequence[str]) -> list[Payment]:
    members: dict[str, list[Any]] = {id: [] for id in ids}
    for record in await objects.related(session, ids):
        if record.snapshot.family in members:
            members[record.snapshot.family].append(record.snapshot)
    found = [payment(Family(id, tuple(snapshots))) for id, snapshots in members.items()]
    return [p for p in found if p is not None]


async def merchant_balance(session: Session, merchant: str) -> list[dict[str, Any]]:
    """Per currency, in minor units: completed payments less the platform's share, less refunds,
    payouts not failed or cancelled, and disputes, and what was adjusted in the merchant's favour.
    `reserved` is the part of `paid_out` and `refunded` whose outcome at Stripe is still open."""
    kinds: dict[str, dict[str, int]] = {}
    for row in await books.activity(session, merchant_account(merchant)):
        kinds.setdefault(row["currency"], {})[row["kind"]] = row["amount"]
    held: dict[str, int] = {}
    for row in await merchants.reserved(session, merchant):
        held[row["currency"]] = row["amount"]
    return [
        {
            "currency": currency,
            "settled_in": -moved.get("payment", 0),
            "refunded": moved.get("refund", 0) + moved.get("refund_request", 0),
            "paid_out": moved.get("payout", 0) + moved.get("transfer", 0),
            "reserved": held.get(currency, 0),
            "disputed": moved.get("dispute", 0),
            "adjusted": -moved.get("adjustment", 0),
            "balance": -sum(moved.values()),
        }
        for currency, moved in sorted(kinds.items())
    ]


async def platform_balance(context: Context) -> list[dict[str, Any]]:
    """Stripe's figures read now (or, without a key, at the last run) beside the books'.

    Raises StripeUnavailable."""
    stripe = context.stripe.at(Priority.CHECK) if context.stripe else None
    reading = await stripe.balance() if stripe else None
    async with context.database.read(snapshot=True) as session:
        totals = await books.totals(session, PLATFORM)
        run = await runs.run(session, "latest")
    kept = {b["currency"]: b for b in run["bridge"]} if run else {}
    shown = {name for name, _ in HOLDINGS}
    held: dict[str, dict[str, int]] = {}
    for row in totals:
        held.setdefault(row["currency"], {})[row["kind"]] = row["books"] + row["facts"]
    stated = (reading.available.keys() | reading.pending.keys()) if reading else kept.keys()
    return [
        {
            "currency": currency,
            "available": reading.available.get(currency, 0)
            if reading
            else kept[currency]["available"],
            "pending": reading.pending.get(currency, 0) if reading else kept[currency]["pending"],
            "books": -sum(v for k, v in held.get(currency, {}).items() if k in shown),
            "reserved": -held.get(currency, {}).get("reserved", 0),
            "drift": kept[currency]["drift"] if currency in kept else None,
            "drift_as_of": kept[currency]["as_of"] if currency in kept else None,
        }
        for currency in sorted(stated | (held.keys() if reading else set()))
    ]
