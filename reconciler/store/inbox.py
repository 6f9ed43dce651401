"""The inbox: rows of events, durable before anybody is told that they were received."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from reconciler.store.database import Batch, Database, Row, Session

_INSERT = Batch(
    "inbox",
    (
        ("event_id", "text"),
        ("channel", "text"),
        ("stripe_account", "text"),
        ("type", "text"),
        ("object_id", "text"),
        ("created", "bigint"),
        ("livemode", "bigint"),
        ("api_version", "text"),
        ("body", "bytes"),
        ("received_at", "bigint"),
    ),
    tail="ON CONFLICT (event_id) DO NOTHING RETURNING event_id",
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event as it came, before anybody has looked into it. `created` in epoch seconds."""

    event_id: str
    channel: str
    stripe_account: str
    type: str
    object_id: str
    created: int
    livemode: bool
    api_version: str
    body: bytes
    received_at: int

    def row(self) -> tuple[object, ...]:
        return (
            self.event_id,
            self.channel,
            self.stripe_account,
            self.type,
            self.object_id,
            self.created,
            int(self.livemode),
            self.api_version,
            self.body,
            self.received_at,
        )


async def insert_durable(database: Database, deliveries: Sequence[Delivery]) -> set[str]:
    """All deliveries are committed; the ids of those that were new."""
    rows = await database.insert_durable(_INSERT, [d.row() for d in deliveries])
    return {row["event_id"] for row in rows}


async def insert(session: Session, deliveries: Sequence[Delivery]) -> set[str]:
    """Keep these deliveries in the caller's transaction; the ids of those that were new."""
    rows = await session.write_many_returning(_INSERT, [d.row() for d in deliveries])
    return {row["event_id"] for row in rows}


async def bodies(session: Session, event_ids: Collection[str]) -> dict[str, bytes]:
    """The bodies held under these event ids. On SQLite a hand from outside can have left text."""
    rows = await session.many(
        "SELECT event_id, body FROM inbox WHERE event_id IN {each:ids}", ids=sorted(event_ids)
    )
    bodies = {row["event_id"]: row["body"] for row in rows}
    return {id: b.encode() if isinstance(b, str) else bytes(b) for id, b in bodies.items()}


async def pending(session: Session, now: int, limit: int) -> list[Row]:
    """Events not yet applied and due for it, in order of arrival."""
    return await session.many(
        "SELECT seq, event_id, channel, stripe_account, type, object_id, created, livemode,"
        " api_version, body, attempts FROM inbox"
        " WHERE status = 'received' AND next_attempt_at <= :now ORDER BY seq LIMIT :limit",
        now=now,
        limit=limit,
    )


async def settle(
    session: Session, status: str, reason: str, seqs: Collection[int], now: int
) -> set[int]:
    """Mark events as applied or irrelevant; those of them that were still to be settled."""
    if not seqs:
        return set()
    rows = await session.many(
        "UPDATE inbox SET status = :status, reason = :reason, settled_at = :now, error = ''"
        " WHERE status = 'received' AND seq IN {each_bigint:seqs} RETURNING seq",
        status=status,
        reason=reason,
        now=now,
        seqs=list(seqs),
    )
    return {row["seq"] for row in rows}


async def requeue(session: Session, event_ids: Collection[str] | None) -> list[str]:
    """Dead events are to be tried again, those named or all of them; which these are."""
    chosen = "" if event_ids is None else " AND event_id IN {each:ids}"
    rows = await session.all(
        "UPDATE inbox SET status = 'received', attempts = 0, next_attempt_at = 0, settled_at = 0"
        f" WHERE status = 'dead'{chosen} RETURNING event_id",
        **({} if event_ids is None else {"ids": sorted(event_ids)}),
    )
    return sorted(row["event_id"] for row in rows)


async def failed(
    session: Session, seq: int, error: str, *, dead: bool, next_attempt_at: int, now: int
) -> None:
    """Keep an event that could not be applied, with its error: to be tried again, or dead."""
    await session.run(
        "UPDATE inbox SET attempts = attempts + 1, error = :error, status = :status,"
        " next_attempt_at = :next, settled_at = :settled WHERE seq = :seq AND status = 'received'",
        seq=seq,
        error=error,
        status="dead" if dead else "received",
        next=next_attempt_at,
        settled=now if dead else 0,
    )


LISTED = (
    "seq, event_id, channel, stripe_account, type, object_id, created, livemode, api_version,"
    " received_at, reason, error, attempts, settled_at,"
    " CASE WHEN status = 'applied' AND EXISTS (SELECT 1 FROM fetches"
    " WHERE fetches.object_id = inbox.object_id) THEN 'waiting' ELSE status END AS status"
)
"""The columns of a listing. An applied event is `waiting` while its object is to be read again:
that depends on the object alone, not on the order in which its events came."""


async def page(session: Session, limit: int, before_seq: int, status: str = "") -> list[Row]:
    """Events, newest arrival first, older than the cursor; of one status, if given."""
    return await session.all(
        f"SELECT * FROM (SELECT {LISTED} FROM inbox WHERE seq < :before) AS listed"
        " WHERE (CAST(:status AS TEXT) = '' OR status = :status) ORDER BY seq DESC LIMIT :limit",
        before=before_seq,
        status=status,
        limit=limit,
    )


async def get(session: Session, event_id: str) -> Row | None:
    """One event with its body."""
    return await session.one(f"SELECT {LISTED}, body FROM inbox WHERE event_id = :id", id=event_id)


async def of_objects(session: Session, ids: Collection[str]) -> list[Row]:
    """The events about these objects, oldest first: evidence of what was received and when."""
    return await session.all(
        f"SELECT {LISTED} FROM inbox WHERE object_id IN {{each:ids}} ORDER BY created, seq",
        ids=sorted(ids),
    )


async def created_of(session: Session, event_ids: Collection[str]) -> dict[str, int]:
    """When those of these events that are here were created at Stripe."""
    rows = await session.many(
        "SELECT event_id, created FROM inbox WHERE event_id IN {each:ids}", ids=sorted(event_ids)
    )
    return {row["event_id"]: row["created"] for row in rows}


RECENT = 100_000
"""How far back in the order of arrival `last_received` looks: it must not read a whole inbox."""


async def last_received(session: Session) -> dict[str, Row]:
    """The newest event of each channel by which any came lately."""
    found = {}
    for channel in ("platform", "connect", "recovered"):
        row = await session.one(
            "SELECT event_id, type, created, received_at FROM inbox"
            " WHERE channel = :channel AND seq > (SELECT COALESCE(MAX(seq), 0) FROM inbox) - :far"
            " ORDER BY seq DESC LIMIT 1",
            channel=channel,
            far=RECENT,
        )
        if row is not None:
            found[channel] = row
    return found


async def counts(session: Session) -> list[Row]:
    """How many events there are of each status and reason."""
    return await session.all(
        "SELECT status, reason, COUNT(*) AS events FROM"
        f" (SELECT {LISTED} FROM inbox) AS listed GROUP BY status, reason ORDER BY status, reason"
    )


async def dead(session: Session, limit: int) -> list[Row]:
    """Events that could not be applied, oldest first."""
    return await session.all(
        f"SELECT {LISTED} FROM inbox WHERE status = 'dead' ORDER BY seq LIMIT :limit", limit=limit
    )


async def known(session: Session, event_ids: Collection[str]) -> set[str]:
    """Those of these events that are in the inbox, whatever their status."""
    rows = await session.many(
        "SELECT event_id FROM inbox WHERE event_id IN {each:ids}", ids=sorted(event_ids)
    )
    return {row["event_id"] for row in rows}
