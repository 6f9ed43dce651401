"""API keys: made here, shown once, stored as a digest, and looked up by it.

A key has 256 random bits, so a plain SHA-256 keeps it: there is nothing to guess.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from enum import IntEnum

from reconciler.context import Context
from reconciler.oversight.audit import SERVICE, Action, Actor, Audit, record
from reconciler.store import keys
from reconciler.store.database import Row, Session

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


async def create_key(
    context: Context, name: str, role: Role, actor: Actor = SERVICE
) -> tuple[str, str]:
    """The id of a new key, and the key itself, which nobody can read again."""
    id, key = context.new_id("key"), PREFIX + secrets.token_urlsafe(32)
    async with context.write() as session:
        await keys.add(session, id, name, role.name.lower(), digest(key), context.now())
        after = {"name": name, "role": role.name.lower()}
        record(session, Audit(actor, Action.KEY_CREATED, id, after=after), context.now())
    return id, key


async def revoke_key(context: Context, id: str, actor: Actor = SERVICE, reason: str = "") -> bool:
    """Whether there was a living key with this id; it no longer opens anything."""
    async with context.write() as session:
        revoked = await keys.revoke(session, id, context.now())
        if revoked is not None:
            _record_revoked(session, revoked, actor, reason, context.now())
    return revoked is not None


async def bootstrap_key(context: Context, key: str) -> None:
    """The admin key from the settings works (if there is one), and those before it no longer do."""
    id, now = context.new_id("key"), context.now()
    async with context.write() as session:
        kept = digest(key) if key else ""
        for revoked in await keys.revoke_bootstrap(session, kept, now):
            _record_revoked(session, revoked, SERVICE, "RECONCILER_ADMIN_KEY was changed", now)
        made = await keys.add_bootstrap(session, id, kept, now) if kept else None
        if made is not None:
            after = {"name": made["name"], "role": made["role"]}
            why = "RECONCILER_ADMIN_KEY is set"
            record(session, Audit(SERVICE, Action.KEY_CREATED, made["id"], None, after, why), now)


def _record_revoked(session: Session, key: Row, actor: Actor, reason: str, now: int) -> None:
    before = {"name": key["name"], "role": key["role"]}
    record(session, Audit(actor, Action.KEY_REVOKED, key["id"], before, None, reason), now)


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose key it is, and what it may do."""

    id: str
    name: str
    role: Role


async def caller_of(context: Context, key: str) -> Caller | None:
    """Who holds a living key. Compared by digest: timing tells nothing about the key."""
    async with context.database.read(brief=True) as session:
        row = await keys.by_digest(session, digest(key))
    return Caller(row["id"], row["name"], role_named(row["role"])) if row else None
