"""Merchants: whose money it is, and which connected account of each is the current one."""

from __future__ import annotations

from reconciler.store import accounts
from reconciler.store.database import Row, Session

COLUMNS = "id, name, country, stripe_account, created_at, mirror"


async def insert(session: Session, id: str, name: str, country: str, now: int) -> bool:
    """Whether the merchant is new; one that exists is left as it is."""
    row = await session.one(
        "INSERT INTO merchants (id, name, country, stripe_account, created_at)"
        " VALUES (:id, :name, :country, '', :now) ON CONFLICT (id) DO NOTHING RETURNING id",
        id=id,
        name=name,
        country=country,
        now=now,
    )
    return row is not None


async def connect(session: Session, id: str, name: str, account: str, now: int) -> None:
    """A merchant with its current connected account; one that exists keeps its name."""
    await session.run(
        "INSERT INTO merchants (id, name, country, stripe_account, created_at)"
        " VALUES (:id, :name, '', :account, :now)"
        " ON CONFLICT (id) DO UPDATE SET stripe_account = excluded.stripe_account",
        id=id,
        name=name,
        account=account,
        now=now,
    )
    await accounts.adopt(session, id, account, now)


async def get(session: Session, id: str) -> Row | None:
    """One merchant, by our id."""
    return await session.one(f"SELECT {COLUMNS} FROM merchants WHERE id = :id", id=id)


async def page(session: Session, limit: int, before: tuple[int, str] | None) -> list[Row]:
    """Merchants, newest first, older than the cursor."""
    created, id = before or (2**62, "")
    return await session.all(
        f"SELECT {COLUMNS} FROM merchants"
        " WHERE created_at < :created OR (created_at = :created AND id < :id)"
        " ORDER BY created_at DESC, id DESC LIMIT :limit",
        created=created,
        id=id,
        limit=limit,
    )


async def reserved(session: Session, merchant: str) -> list[Row]:
    """Per currency, what is decided for a merchant and not yet answered for by Stripe: payouts,
    and refunds of its payments."""
    return await session.all(
        "SELECT currency, CAST(SUM(amount) AS BIGINT) AS amount FROM ("
        " SELECT currency, amount FROM payouts WHERE merchant = :merchant"
        " AND status IN ('awaiting_approval', 'pending', 'sending', 'unknown')"
        " UNION ALL SELECT currency, amount FROM refund_requests WHERE merchant = :merchant"
        " AND refund_id = '' AND status IN ('awaiting_approval', 'pending', 'sending', 'unknown')"
        ") AS held GROUP BY currency ORDER BY currency",
        merchant=merchant,
    )
