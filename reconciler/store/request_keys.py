"""Idempotency keys: which request each one belongs to, who is working on it, and its answer.

Statements only; what they mean together is said in `claims`.
"""

from __future__ import annotations

from reconciler.store.database import Row, Session

COLUMNS = (
    "id, api_key, idempotency_key, digest, token, leased_until, instruction, status, media_type,"
    " body, created_at"
)


async def get(session: Session, api_key: str, key: str) -> Row | None:
    """What is known of a key of this caller."""
    return await session.one(
        f"SELECT {COLUMNS} FROM request_keys WHERE api_key = :api_key AND idempotency_key = :key",
        api_key=api_key,
        key=key,
    )


async def claim(
    session: Session,
    *,
    id: str,
    api_key: str,
    key: str,
    digest: str,
    token: str,
    now: int,
    seconds: int,
) -> Row | None:
    """The row, now ours: a new one, or one whose holder's lease has run out. None if it is not to
    be had: answered, held by another, or of another request."""
    return await session.one(
        "INSERT INTO request_keys (id, api_key, idempotency_key, digest, token, leased_until,"
        " instruction, status, media_type, body, created_at)"
        " VALUES (:id, :api_key, :key, :digest, :token, :until, '', 0, '', '', :now)"
        " ON CONFLICT (api_key, idempotency_key) DO UPDATE"
        " SET token = excluded.token, leased_until = excluded.leased_until"
        " WHERE request_keys.status = 0 AND request_keys.leased_until <= :now"
        " AND request_keys.digest = excluded.digest"
        f" RETURNING {COLUMNS}",
        id=id,
        api_key=api_key,
        key=key,
        digest=digest,
        token=token,
        until=now + seconds,
        now=now,
    )


async def decided(session: Session, id: str, token: str, instruction: str) -> bool:
    """Whether the claim still was ours, and now names what it decided."""
    row = await session.one(
        "UPDATE request_keys SET instruction = :instruction"
        " WHERE id = :id AND token = :token AND status = 0 AND instruction IN ('', :instruction)"
        " RETURNING id",
        id=id,
        token=token,
        instruction=instruction,
    )
    return row is not None


async def answer(
    session: Session, id: str, token: str, status: int, media_type: str, body: str
) -> bool:
    """Whether the claim still was ours, and now holds its answer for good."""
    row = await session.one(
        "UPDATE request_keys SET status = :status, media_type = :media_type, body = :body,"
        " leased_until = 0 WHERE id = :id AND token = :token AND status = 0 RETURNING id",
        id=id,
        token=token,
        status=status,
        media_type=media_type,
        body=body,
    )
    return row is not None


async def release(session: Session, id: str, token: str) -> None:
    """Whoever asks again may go on at once."""
    await session.run(
        "UPDATE request_keys SET leased_until = 0 WHERE id = :id AND token = :token AND status = 0",
        id=id,
        token=token,
    )


async def forget(session: Session, id: str, token: str) -> None:
    """The key is as if never used; one that decided something is kept and only released."""
    await release(session, id, token)
    await session.run(
        "DELETE FROM request_keys"
        " WHERE id = :id AND token = :token AND status = 0 AND instruction = ''",
        id=id,
        token=token,
    )


async def prune(session: Session, before: int, limit: int) -> int:
    """Keys made before this moment are gone, so many of them at most: how many."""
    rows = await session.all(
        "DELETE FROM request_keys WHERE id IN (SELECT id FROM request_keys"
        " WHERE created_at < :before AND leased_until <= :before ORDER BY created_at LIMIT :limit)"
        " RETURNING id",
        before=before,
        limit=limit,
    )
    return len(rows)
