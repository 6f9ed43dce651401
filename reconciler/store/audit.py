"""The audit log: rows that follow each other, and the head that says where the chain ends."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.domain.audit_chain import Anchor
from reconciler.store.database import Row, Session

COLUMNS = (
    "seq, at, key_id, actor, role, address, request_id, action, subject, reason, before_json,"
    " after_json, previous_hash, hash"
)
_FIRST = -(2**63)


async def locked_head(session: Session) -> Anchor:
    """Where the chain ends; nobody else adds to it until this transaction has ended."""
    row = await session.one("SELECT seq, hash FROM audit_head WHERE one = 1 {for_update}")
    if row is None:
        raise RuntimeError("The head of the audit log is gone: nothing can be added to it.")
    return Anchor(row["seq"], row["hash"])


async def head(session: Session) -> Anchor | None:
    """Where the chain ends."""
    row = await session.one("SELECT seq, hash FROM audit_head WHERE one = 1")
    return Anchor(row["seq"], row["hash"]) if row else None


async def append(session: Session, row: Mapping[str, str | int]) -> None:
    """One more row; the head follows it by a trigger."""
    await session.run(
        f"INSERT INTO audit_log ({COLUMNS}) VALUES (:seq, :at, :key_id, :actor, :role, :address,"
        " :request_id, :action, :subject, :reason, :before_json, :after_json, :previous_hash,"
        " :hash)",
        **row,
    )


async def after(session: Session, seq: int | None, limit: int) -> list[Row]:
    """Rows in their order, from the one after `seq`; from the very first for None."""
    return await session.many(
        f"SELECT {COLUMNS} FROM audit_log WHERE seq > :seq ORDER BY seq LIMIT :limit",
        seq=_FIRST if seq is None else seq,
        limit=limit,
    )


async def page(
    session: Session, limit: int, before: int, subject: str = "", action: str = "", key_id: str = ""
) -> list[Row]:
    """Rows before number `before`, newest first: those about a subject, an action, a key."""
    wanted = {"subject": subject, "action": action, "key_id": key_id}
    given = {name: value for name, value in wanted.items() if value}
    conditions = "".join(f" AND {name} = :{name}" for name in given)
    return await session.all(
        f"SELECT {COLUMNS} FROM audit_log WHERE seq < :before{conditions}"
        " ORDER BY seq DESC LIMIT :limit",
        before=before,
        limit=limit,
        **given,
    )
