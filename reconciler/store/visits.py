"""Tokens of visits from Stripe's pages, kept as digests."""

from __future__ import annotations

from reconciler.store.database import Row, Session


async def allow_visit(
    session: Session, digest: str, merchant: str, account: str, now: int, expires_at: int
) -> None:
    """A browser that brings the token behind this digest is let in until it expires."""
    await session.run("DELETE FROM connect_tokens WHERE expires_at <= :now", now=now)
    await session.run(
        "INSERT INTO connect_tokens (digest, merchant, account, created_at, expires_at)"
        " VALUES (:digest, :merchant, :account, :now, :expires)",
        digest=digest,
        merchant=merchant,
        account=account,
        now=now,
        expires=expires_at,
    )


async def visit(session: Session, digest: str, merchant: str, now: int) -> Row | None:
    """The account that this token was made for, if it is this merchant's and has not expired."""
    return await session.one(
        "SELECT account FROM connect_tokens"
        " WHERE digest = :digest AND merchant = :merchant AND expires_at > :now",
        digest=digest,
        merchant=merchant,
        now=now,
    )


async def visits_since(session: Session, account: str, since: int) -> int:
    """How many visits were allowed for this account from then on."""
    row = await session.one(
        "SELECT count(*) AS made FROM connect_tokens WHERE account = :account"
        " AND created_at > :since",
        account=account,
        since=since,
    )
    return int(row["made"]) if row else 0
