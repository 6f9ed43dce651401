"""What stands behind a line of a bridge: ledger accounts, their entries, and what caused those."""

from __future__ import annotations

from collections.abc import Collection

from reconciler.store.database import Row, Session


async def accounts(
    session: Session, stripe_account: str, kind: str, currency: str, after: str, limit: int
) -> list[Row]:
    """Ledger accounts of one kind that hold something, by name: `account`, `amount` (debit
    positive)."""
    return await session.all(
        "SELECT account, books + facts AS amount FROM balances"
        " WHERE stripe_account = :stripe_account AND kind = :kind AND currency = :currency"
        " AND kind <> 'clearing' AND books + facts <> 0 AND account > :after"
        " ORDER BY account LIMIT :limit",
        stripe_account=stripe_account,
        kind=kind,
        currency=currency,
        after=after,
        limit=limit,
    )


async def entries(
    session: Session,
    stripe_account: str,
    account: str,
    currency: str,
    until: int,
    before: tuple[int, int],
    limit: int,
) -> list[Row]:
    """The entries of one ledger account posted until that moment, newest first, older than the
    cursor (ledger transaction and line)."""
    return await session.all(
        "SELECT e.transaction_id, e.line, e.account, e.currency, e.amount, t.reference, t.side,"
        " t.kind, t.cause, t.occurred_at, t.posted_at FROM entries e"
        " JOIN ledger_transactions t ON t.id = e.transaction_id"
        " WHERE e.account = :account AND e.currency = :currency"
        " AND e.stripe_account = :stripe_account AND t.posted_at <= :until"
        " AND (e.transaction_id < :transaction"
        " OR (e.transaction_id = :transaction AND e.line < :line))"
        " ORDER BY e.transaction_id DESC, e.line DESC LIMIT :limit",
        account=account,
        currency=currency,
        stripe_account=stripe_account,
        until=until,
        transaction=before[0],
        line=before[1],
        limit=limit,
    )


async def movements(session: Session, ids: Collection[str]) -> dict[str, Row]:
    """Balance transactions by id, as far as a reader of entries needs them."""
    rows = await session.all(
        "SELECT id, type, reporting_category, currency, amount, fee, net, source, created,"
        " available_on, description FROM balance_transactions WHERE id IN {each:ids}",
        ids=sorted(ids),
    )
    return {row["id"]: row for row in rows}


async def events(session: Session, ids: Collection[str]) -> dict[str, Row]:
    """Events of the inbox by id, without their bodies."""
    rows = await session.all(
        "SELECT event_id AS id, type, object_id, created, received_at, channel, status FROM inbox"
        " WHERE event_id IN {each:ids}",
        ids=sorted(ids),
    )
    return {row["id"]: row for row in rows}
