"""API keys: made here, shown once, stored as a digest, and looked up by it.

A key has 256 random bits, so a plain SHA-256 keeps it: there is nothing to guess.
"""

from __future__ import annotations

import hashlib
import secrets
from enum import IntEnum

from reconciler.context import Context
from reconciler.store import keys

PREFIX = "rec_"


class Role(IntEnum):
    """What a key may do; each role may do what those below it may."""

    VIEWER = 0
    OPERATOR = 1
    FINANCE = 2
    ADMIN = 3


def role_named(name: str) -> Role:
    """The role with this name in lower case. Raises KeyError."""
    return Role[name.upper()]


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


async def create_key(context: Context, name: str, role: Role) -> tuple[str, str]:
    """The id of a new key, and the key itself, which nobody can read again."""
    id, key = context.new_id("key"), PREFIX + secrets.token_urlsafe(32)
    async with context.write() as session:
        await keys.add(session, id, name, role.name.lower(), digest(key), context.now())
    return id, key


async def bootstrap_key(context: Context, key: str) -> None:
    """The admin key from the settings works (if there is one), and those before it no longer do."""
    id, now = context.new_id("key"), context.now()
    async with context.write() as session:
        await keys.replace_bootstrap(session, id, digest(key) if key else "", now)


async def role_of(context: Context, key: str) -> tuple[str, Role] | None:
    """The id and role of a living key. Compared by digest: timing tells nothing about the key."""
    async with context.database.read() as session:
        row = await keys.by_digest(session, digest(key))
    return (row["id"], role_named(row["role"])) if row else None
