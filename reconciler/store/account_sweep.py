"""How far the daily sweep of connected accounts has come, and which it has not seen."""

from __future__ import annotations

from collections.abc import Collection

from reconciler.store.database import Row, Session

STREAM = "accounts"


async def sweep(session: Session) -> Row | None:
    """How far the sweep has come: `started_at`, `cursor`, `rows_seen`, `finished_at` (0 while it is
    under way); `window_to` is 1 once the whole list was read."""
    return await session.one(
        "SELECT started_at, cursor, rows_seen, finished_at, window_to FROM walks"
        " WHERE stream = :stream AND stripe_account = 'platform'",
        stream=STREAM,
    )


async def save_sweep(
    session: Session,
    *,
    started_at: int,
    cursor: str,
    rows_seen: int,
    listed: bool,
    finished_at: int,
) -> None:
    await session.run(
        "INSERT INTO walks (stream, stripe_account, frontier, window_from, window_to, cursor,"
        " rows_seen, started_at, finished_at)"
        " VALUES (:stream, 'platform', 0, 0, :listed, :cursor, :rows, :started, :finished)"
        " ON CONFLICT (stream, stripe_account) DO UPDATE SET window_to = excluded.window_to,"
        " cursor = excluded.cursor, rows_seen = excluded.rows_seen,"
        " started_at = excluded.started_at, finished_at = excluded.finished_at",
        stream=STREAM,
        listed=int(listed),
        cursor=cursor,
        rows=rows_seen,
        started=started_at,
        finished=finished_at,
    )


async def seen(session: Session, stripe_accounts: Collection[str], now: int) -> None:
    """These accounts are at Stripe."""
    await session.run(
        "UPDATE merchant_accounts SET seen_at = :now WHERE stripe_account IN {each:accounts}",
        now=now,
        accounts=sorted(stripe_accounts),
    )


async def counts(session: Session, since: int) -> tuple[int, int]:
    """How many connected accounts we know that should be visible to us, and how many of them were
    seen since then."""
    row = await session.one(
        "SELECT count(*) AS known, coalesce(sum(CASE WHEN seen_at >= :since THEN 1 ELSE 0 END), 0)"
        " AS seen FROM merchant_accounts WHERE stripe_account <> ''"
        " AND state <> 'disconnected_by_merchant'",
        since=since,
    )
    assert row is not None
    return int(row["known"]), int(row["seen"])


async def unseen(session: Session, since: int, limit: int) -> list[str]:
    """Accounts of ours, in order, that were not seen since then."""
    rows = await session.all(
        "SELECT DISTINCT stripe_account FROM merchant_accounts WHERE stripe_account <> ''"
        " AND seen_at < :since ORDER BY stripe_account LIMIT :limit",
        since=since,
        limit=limit,
    )
    return [row["stripe_account"] for row in rows]


async def given_up(session: Session, stripe_accounts: Collection[str]) -> list[str]:
    """Those of these accounts that merchants had disconnected."""
    rows = await session.all(
        "SELECT DISTINCT stripe_account FROM merchant_accounts"
        " WHERE stripe_account IN {each:accounts} AND state = 'disconnected_by_merchant'"
        " ORDER BY stripe_account",
        accounts=sorted(stripe_accounts),
    )
    return [row["stripe_account"] for row in rows]
