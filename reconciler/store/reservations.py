"""Reservations: what commands have put aside of what Stripe holds, and what has gone since.

Both are read in the transaction that decides the next command, so both cost what is under way and
not what there ever was.
"""

from __future__ import annotations

from reconciler.store.database import Session


async def released_since(session: Session, transaction_id: int, currency: str) -> int:
    """What Stripe has accepted of reservations since that ledger transaction, in minor units: a
    balance read at Stripe before it may not know of it yet. What is given back because nothing was
    made is not counted: it was never taken from that balance."""
    row = await session.one(
        "SELECT CAST(COALESCE(SUM(e.amount), 0) AS BIGINT) AS amount FROM ledger_transactions t"
        " JOIN entries e ON e.transaction_id = t.id WHERE t.id > :after"
        " AND t.kind IN ('transfer', 'refund') AND e.currency = :currency AND e.amount > 0"
        " AND e.account LIKE :reserved",
        after=transaction_id,
        currency=currency,
        reserved="reserved:%",
    )
    return int(row["amount"]) if row else 0


async def standing(session: Session, stripe_account: str, currency: str) -> int:
    """What is decided and not yet accepted by Stripe, in minor units."""
    row = await session.one(
        "SELECT CAST(COALESCE(-SUM(books), 0) AS BIGINT) AS amount FROM balances"
        " WHERE stripe_account = :stripe_account AND kind = 'reserved' AND currency = :currency"
        " AND kind <> 'clearing' AND books + facts <> 0",  # in the words of the index
        stripe_account=stripe_account,
        currency=currency,
    )
    return int(row["amount"]) if row else 0
