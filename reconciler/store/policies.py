"""Policies, and what they are held against: what went out today, and what does not agree."""

from __future__ import annotations

from reconciler.domain.policies import FIELDS, Limits, Scope, Spent
from reconciler.store.database import Row, Session

COLUMNS = f"scope, version, currency, merchant, {', '.join(FIELDS)}, changed_by, changed_at"

_NEWEST = "version = (SELECT MAX(n.version) FROM policies n WHERE n.scope = p.scope)"

FINDINGS_NAMED = 5
"""How many open findings are named where one would do to ask for a second person."""


async def in_force(session: Session, where: Scope) -> Limits:
    """The limits of a scope: the merchant's own, and the currency's for the rest."""
    rows = await session.all(
        f"SELECT {COLUMNS} FROM policies p WHERE scope IN (:currency, :scope) AND {_NEWEST}",
        currency=where.currency,
        scope=str(where),
    )
    found = {row["scope"]: limits_of(row) for row in rows}
    wide = found.get(where.currency, Limits())
    return found.get(str(where), Limits()).over(wide) if where.merchant else wide


def limits_of(row: Row) -> Limits:
    return Limits(**{name: row[name] for name in FIELDS})


async def newest(session: Session, where: Scope) -> Row | None:
    """A scope's policy as it stands."""
    return await session.one(
        f"SELECT {COLUMNS} FROM policies p WHERE scope = :scope AND {_NEWEST}", scope=str(where)
    )


async def all_newest(session: Session, currency: str = "") -> list[Row]:
    """Every scope's policy as it stands, or those of one currency."""
    return await session.all(
        f"SELECT {COLUMNS} FROM policies p WHERE {_NEWEST}"
        " AND (CAST(:currency AS TEXT) = '' OR currency = :currency) ORDER BY currency, merchant",
        currency=currency,
    )


async def add(
    session: Session, where: Scope, version: int, limits: Limits, by: str, now: int
) -> bool:
    """Whether this is now the scope's newest version; False if another change has that number."""
    names = ", ".join(f":{name}" for name in FIELDS)
    row = await session.one(
        f"INSERT INTO policies ({COLUMNS})"
        f" VALUES (:scope, :version, :currency, :merchant, {names}, :by, :now)"
        " ON CONFLICT (scope, version) DO NOTHING RETURNING version",
        scope=str(where),
        version=version,
        currency=where.currency,
        merchant=where.merchant,
        by=by,
        now=now,
        **{name: getattr(limits, name) for name in FIELDS},
    )
    return row is not None


async def spent(session: Session, where: Scope, since: int) -> Spent:
    """What payouts decided since then add up to, without those that failed or were cancelled."""
    row = await session.one(
        "SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) AS by_all,"
        " CAST(COALESCE(SUM(CASE WHEN merchant = :merchant THEN amount ELSE 0 END), 0) AS BIGINT)"
        " AS by_merchant FROM payouts WHERE created_at >= :since AND currency = :currency"
        " AND status NOT IN ('failed', 'cancelled')",
        merchant=where.merchant,
        currency=where.currency,
        since=since,
    )
    assert row is not None
    return Spent(row["by_all"], row["by_merchant"])


async def open_findings(session: Session, merchant: str) -> list[str]:
    """Findings about this merchant that are more than timing, the first few: about what stands in
    the books for it, about what it was paid, or about a transfer to its account."""
    rows = await session.all(
        "SELECT f.id FROM findings f WHERE f.status <> 'cleared' AND f.status = 'open' AND ("
        " EXISTS (SELECT 1 FROM positions p WHERE p.reference = f.reference"
        "         AND p.merchant = :merchant)"
        " OR EXISTS (SELECT 1 FROM objects o JOIN positions p ON p.family = o.family"
        "            WHERE o.id = f.reference AND p.merchant = :merchant)"
        " OR EXISTS (SELECT 1 FROM payouts y WHERE y.id = f.reference"
        "            AND y.merchant = :merchant)"
        " OR EXISTS (SELECT 1 FROM payouts y WHERE y.transfer_id = f.reference"
        "            AND y.transfer_id <> '' AND y.merchant = :merchant)"
        " OR EXISTS (SELECT 1 FROM refund_requests r WHERE r.id = f.reference"
        "            AND r.merchant = :merchant)"
        " OR EXISTS (SELECT 1 FROM refund_requests r WHERE r.refund_id = f.reference"
        "            AND r.refund_id <> '' AND r.merchant = :merchant)"
        " OR EXISTS (SELECT 1 FROM transfer_comparisons t JOIN merchants m"
        "            ON m.stripe_account = t.destination WHERE t.transfer_id = f.reference"
        "            AND m.id = :merchant AND m.stripe_account <> '')"
        " OR EXISTS (SELECT 1 FROM transfer_legs l JOIN merchant_accounts a"
        "            ON a.stripe_account = l.stripe_account AND a.merchant = :merchant"
        "            WHERE l.destination_payment <> '' AND l.destination_payment = f.reference)"
        " OR EXISTS (SELECT 1 FROM objects o JOIN merchant_accounts a"
        "            ON a.stripe_account = o.stripe_account AND a.merchant = :merchant"
        "            WHERE o.id = f.reference)"
        # By the sum, or SQLite walks all findings there ever were in their order.
        ") ORDER BY f.first_seen + 0, f.id LIMIT :limit",
        merchant=merchant,
        limit=FINDINGS_NAMED,
    )
    return [row["id"] for row in rows]
