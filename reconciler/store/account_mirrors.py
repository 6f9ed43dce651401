"""Connected accounts that have books of their own, and those that a check looks at."""

from __future__ import annotations

from collections.abc import Collection

from reconciler.store.database import Row, Session

LEFT = "disconnected_by_merchant"


async def of_accounts(session: Session, accounts: Collection[str]) -> dict[str, str]:
    """Those of these accounts that have books, each with its merchant."""
    rows = await session.many(
        "SELECT stripe_account, merchant FROM account_mirrors"
        " WHERE stripe_account IN {each:accounts}",
        accounts=sorted(accounts),
    )
    return {row["stripe_account"]: row["merchant"] for row in rows}


async def marked(session: Session) -> list[Row]:
    """Every account, current or retired, of the merchants that are marked, whoever was not looked
    at for longest first: `tenure` is what it is to the merchant, `since` 0 where it has no books
    yet. Costs what is marked."""
    rows = await session.all(
        "SELECT a.stripe_account, a.merchant, a.state AS tenure, COALESCE(x.since, 0) AS since,"
        " COALESCE(x.settled_at, 0) AS settled_at, COALESCE(x.attempted_at, 0) AS attempted_at,"
        " COALESCE(x.looked_at, 0) AS looked_at, COALESCE(x.error, '') AS error"
        " FROM merchants m JOIN merchant_accounts a ON a.merchant = m.id"
        " LEFT JOIN account_mirrors x ON x.stripe_account = a.stripe_account"
        " WHERE m.mirror = 1 AND a.stripe_account <> ''"
        " ORDER BY attempted_at, a.stripe_account,"
        " CASE WHEN a.state = 'current' THEN 0 ELSE 1 END, a.valid_to DESC"
    )
    found: dict[str, Row] = {}
    for row in rows:
        found.setdefault(row["stripe_account"], row)
    return list(found.values())


async def of_merchant(session: Session, merchant: str) -> list[Row]:
    """The books that a merchant's accounts have, by account."""
    return await session.all(
        "SELECT x.stripe_account, x.since, x.settled_at, x.looked_at, x.error"
        " FROM account_mirrors x WHERE x.merchant = :merchant ORDER BY x.since, x.stripe_account",
        merchant=merchant,
    )


async def begin(session: Session, account: str, merchant: str, now: int) -> None:
    """From now on the books follow this account; what was before is still to be booked."""
    await session.run(
        "INSERT INTO account_mirrors (stripe_account, merchant, since, settled_to, settled_at,"
        " attempted_at, looked_at, error) VALUES (:account, :merchant, :now, '', 0, 0, 0, '')"
        " ON CONFLICT (stripe_account) DO NOTHING",
        account=account,
        merchant=merchant,
        now=now,
    )


async def being_booked(session: Session) -> set[str]:
    """The accounts of which not all is booked yet that there was when they were marked."""
    rows = await session.all("SELECT stripe_account FROM account_mirrors WHERE settled_at = 0")
    return {row["stripe_account"] for row in rows}


async def settled_to(session: Session, account: str) -> str | None:
    """The last family that was booked for it; None once all are."""
    row = await session.one(
        "SELECT settled_to, settled_at FROM account_mirrors WHERE stripe_account = :account",
        account=account,
    )
    return row["settled_to"] if row is not None and not row["settled_at"] else None


async def settled(session: Session, account: str, family: str, settled_at: int) -> None:
    """All families up to this one are booked; all there are, with a moment."""
    await session.run(
        "UPDATE account_mirrors SET settled_to = :family, settled_at = :settled_at"
        " WHERE stripe_account = :account",
        account=account,
        family=family,
        settled_at=settled_at,
    )


async def families(session: Session, account: str, after: str, limit: int) -> list[str]:
    """The families that concern an account, in order, after one of them: those with an object in
    it, and those of transfers to it."""
    rows = await session.many(
        "SELECT DISTINCT family FROM objects WHERE family > :after AND (stripe_account = :account"
        " OR (kind = 'transfer' AND detail LIKE :destination)) ORDER BY family LIMIT :limit",
        after=after,
        account=account,
        destination=f'%"destination":"{account}"%',
        limit=limit,
    )
    return [row["family"] for row in rows]


async def attempted(session: Session, account: str, now: int, looked_at: int, error: str) -> None:
    """A check has turned to this account; `looked_at` is 0 if it could not be read to the end."""
    await session.run(
        "UPDATE account_mirrors SET attempted_at = :now, error = :error,"
        " looked_at = CASE WHEN :looked_at > looked_at THEN :looked_at ELSE looked_at END"
        " WHERE stripe_account = :account",
        account=account,
        now=now,
        looked_at=looked_at,
        error=error[:500],
    )


async def mark(session: Session, merchant: str, mirror: bool) -> Row | None:
    """The merchant's accounts are mirrored from now on, or no longer; None if that was so."""
    return await session.one(
        "UPDATE merchants SET mirror = :mirror WHERE id = :merchant AND mirror <> :mirror"
        " RETURNING id",
        merchant=merchant,
        mirror=int(mirror),
    )
