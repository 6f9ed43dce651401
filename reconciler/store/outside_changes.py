"""Rows that somebody else than the service changed or deleted, as triggers noted them."""

from __future__ import annotations

from reconciler.store.database import Row, Session


async def unmended(session: Session, limit: int) -> list[Row]:
    """The rows that the service has not written since, each with its relation, id and what
    was done to it; `about` is the Stripe object that it concerns, of a movement the one that its
    entries name."""
    return await session.all(
        "SELECT c.relation, c.id, c.change, CASE WHEN c.relation = 'balance_transactions'"
        " THEN COALESCE((SELECT MIN(SUBSTR(e.account, 10)) FROM ledger_transactions t"
        " JOIN entries e ON e.transaction_id = t.id WHERE t.reference = c.id"
        " AND SUBSTR(e.account, 1, 9) = 'clearing:'), '') ELSE c.id END AS about"
        " FROM rows_changed_outside c"
        " LEFT JOIN objects o ON c.relation = 'objects' AND o.id = c.id"
        " LEFT JOIN positions p ON c.relation = 'positions' AND p.reference = c.id"
        " LEFT JOIN balance_transactions b ON c.relation = 'balance_transactions' AND b.id = c.id"
        " WHERE (c.relation = 'objects' AND (o.id IS NULL"
        " OR (c.change = 'updated' AND o.revision <= c.revision)))"
        " OR (c.relation = 'positions' AND (p.reference IS NULL"
        " OR (c.change = 'updated' AND p.version <= c.revision)))"
        " OR (c.relation = 'balance_transactions' AND (b.id IS NULL OR c.change = 'updated'))"
        " ORDER BY c.relation, c.id LIMIT :limit",
        limit=limit,
    )


async def positions(session: Session) -> set[str]:
    """The references of positions whose rows somebody else changed or deleted, mended or not."""
    return await _noted(session, "positions")


async def movements(session: Session) -> set[str]:
    """The same of balance transactions."""
    return await _noted(session, "balance_transactions")


async def _noted(session: Session, relation: str) -> set[str]:
    rows = await session.all(
        "SELECT id FROM rows_changed_outside WHERE relation = :relation", relation=relation
    )
    return {row["id"] for row in rows}
