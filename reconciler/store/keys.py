"""API keys, stored as digests only."""

from __future__ import annotations

from reconciler.store.database import Row, Session


async def add(session: Session, id: str, name: str, role: str, digest: str, now: int) -> None:
    """Keep a key by its digest; one that is there already stays as it is."""
    await session.run(
        "INSERT INTO api_keys (id, name, role, digest, created_at)"
        " VALUES (:id, :name, :role, :digest, :now) ON CONFLICT (digest) DO NOTHING",
        id=id,
        name=name,
        role=role,
        digest=digest,
        now=now,
    )


async def replace_bootstrap(session: Session, id: str, digest: str, now: int) -> None:
    """The settings' admin key works, and none that stood there before; without one, none does."""
    await session.run(
        "UPDATE api_keys SET revoked_at = :now"
        " WHERE name = 'bootstrap' AND digest <> :digest AND revoked_at = 0",
        digest=digest,
        now=now,
    )
    if not digest:
        return
    await session.run(
        "INSERT INTO api_keys (id, name, role, digest, created_at)"
        " VALUES (:id, 'bootstrap', 'admin', :digest, :now)"
        " ON CONFLICT (digest) DO UPDATE SET revoked_at = 0",
        id=id,
        digest=digest,
        now=now,
    )


async def by_digest(session: Session, digest: str) -> Row | None:
    """The living key with this digest."""
    return await session.one(
        "SELECT id, name, role FROM api_keys WHERE digest = :digest AND revoked_at = 0",
        digest=digest,
    )


async def all_keys(session: Session) -> list[Row]:
    """Every key, without its digest, oldest first."""
    return await session.all(
        "SELECT id, name, role, created_at, revoked_at FROM api_keys ORDER BY created_at, id"
    )


async def revoke(session: Session, id: str, now: int) -> bool:
    """Whether the key was living and is now revoked."""
    row = await session.one(
        "UPDATE api_keys SET revoked_at = :now WHERE id = :id AND revoked_at = 0 RETURNING id",
        id=id,
        now=now,
    )
    return row is not None
