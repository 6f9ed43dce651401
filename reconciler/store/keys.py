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


async def revoke_bootstrap(session: Session, digest: str, now: int) -> list[Row]:
    """The admin keys that the settings named before and no longer do; none of them works now."""
    return await session.all(
        "UPDATE api_keys SET revoked_at = :now"
        " WHERE name = 'bootstrap' AND digest <> :digest AND revoked_at = 0"
        " RETURNING id, name, role",
        digest=digest,
        now=now,
    )


async def add_bootstrap(session: Session, id: str, digest: str, now: int) -> Row | None:
    """The settings' admin key, if it did not work before; now it does."""
    return await session.one(
        "INSERT INTO api_keys (id, name, role, digest, created_at)"
        " VALUES (:id, 'bootstrap', 'admin', :digest, :now)"
        " ON CONFLICT (digest) DO UPDATE SET revoked_at = 0 WHERE api_keys.revoked_at <> 0"
        " RETURNING id, name, role",
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


async def revoke(session: Session, id: str, now: int) -> Row | None:
    """The key, if it was living; it is revoked now."""
    return await session.one(
        "UPDATE api_keys SET revoked_at = :now WHERE id = :id AND revoked_at = 0"
        " RETURNING id, name, role",
        id=id,
        now=now,
    )
