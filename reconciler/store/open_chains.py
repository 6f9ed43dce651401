"""Chains of refunds and disputes that do not hold."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from reconciler.domain.chains import Broken, Chain
from reconciler.store.database import Batch, Row, Session

COLUMNS = "reference, broken, family, stripe_account, currency, at_risk, clear_by, explanation"

_CHAINS = Batch(
    "open_chains",
    (
        ("reference", "text"),
        ("broken", "text"),
        ("family", "text"),
        ("stripe_account", "text"),
        ("currency", "text"),
        ("at_risk", "bigint"),
        ("clear_by", "bigint"),
        ("explanation", "text"),
    ),
    tail=(
        "ON CONFLICT (reference, broken) DO UPDATE SET family = excluded.family,"
        " currency = excluded.currency, at_risk = excluded.at_risk,"
        " clear_by = excluded.clear_by, explanation = excluded.explanation"
    ),
)


async def replace(session: Session, families: Collection[str], found: Sequence[Chain]) -> None:
    """These are the broken chains of these families, and no others."""
    held = await session.all(
        "SELECT family FROM open_chains WHERE family IN {each:families} LIMIT 1",
        families=sorted(families),
    )
    if held:
        await session.run(
            "DELETE FROM open_chains WHERE family IN {each:families}", families=sorted(families)
        )
    rows = [
        (c.reference, c.broken.value, c.family, c.stripe_account, c.currency, c.at_risk,
         c.clear_by, c.explanation)
        for c in found
    ]  # fmt: skip
    if rows:
        await session.write_many(_CHAINS, rows)


async def all_of(session: Session, stripe_account: str, limit: int) -> list[Chain]:
    """The broken chains in one Stripe account, in the order of their objects."""
    rows = await session.all(
        f"SELECT {COLUMNS} FROM open_chains WHERE stripe_account = :account"
        " ORDER BY reference, broken LIMIT :limit",
        account=stripe_account,
        limit=limit,
    )
    return [Chain(**{**row, "broken": Broken(row["broken"])}) for row in rows]


async def recoveries(session: Session, limit: int) -> list[Row]:
    """Refunds whose cost is still to be taken back from what their merchant was paid; `recovered`
    is what has come back (minor units), `failed` how many reversals did not."""
    return await session.all(
        "SELECT q.id, q.refund_id, q.merchant, q.amount, q.currency, q.recovery, q.created_at,"
        " COALESCE((SELECT CAST(SUM(v.amount) AS BIGINT) FROM reversals v"
        " WHERE v.refund_request = q.id AND v.refund_request <> ''"
        " AND v.status = 'completed'), 0) AS recovered,"
        " (SELECT COUNT(*) FROM reversals v WHERE v.refund_request = q.id"
        " AND v.refund_request <> '' AND v.status = 'failed') AS failed"
        " FROM refund_requests q WHERE q.recovery IN ('waiting', 'open') AND q.refund_id <> ''"
        " ORDER BY q.created_at, q.id LIMIT :limit",
        limit=limit,
    )
