"""Records of Stripe objects, by id and by family, and the list of objects to be read again."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from reconciler.domain.lifecycle import Kind
from reconciler.domain.snapshot import Origin, Record, Snapshot
from reconciler.store.database import Batch, Row, Session

COLUMNS = (
    "id, kind, stripe_account, family, status, amount, currency, created, as_of, origin,"
    " api_version, detail, peak, tied, fetched_at"
)

_SAVE = Batch(
    "objects",
    (
        ("id", "text"),
        ("kind", "text"),
        ("stripe_account", "text"),
        ("family", "text"),
        ("status", "text"),
        ("amount", "bigint"),
        ("currency", "text"),
        ("created", "bigint"),
        ("as_of", "bigint"),
        ("origin", "text"),
        ("api_version", "text"),
        ("detail", "text"),
        ("peak", "bigint"),
        ("tied", "bigint"),
        ("fetched_at", "bigint"),
        ("needs", "text"),
    ),
    tail=(
        "ON CONFLICT (id) DO UPDATE SET family = excluded.family, status = excluded.status,"
        " amount = excluded.amount, currency = excluded.currency, created = excluded.created,"
        " as_of = excluded.as_of, origin = excluded.origin, api_version = excluded.api_version,"
        " detail = excluded.detail, peak = excluded.peak, tied = excluded.tied,"
        " fetched_at = excluded.fetched_at, needs = excluded.needs,"
        " revision = objects.revision + 1"
    ),
)


def as_record(row: Row) -> Record:
    """The record in a row of `objects`."""
    snapshot = Snapshot(
        kind=Kind(row["kind"]),
        id=row["id"],
        stripe_account=row["stripe_account"],
        family=row["family"],
        status=row["status"],
        amount=row["amount"],
        currency=row["currency"],
        created=row["created"],
        as_of=row["as_of"],
        origin=Origin(row["origin"]),
        api_version=row["api_version"],
        detail=msgspec.json.decode(row["detail"]),
    )
    return Record(snapshot, row["peak"], bool(row["tied"]), row["fetched_at"])


async def related(session: Session, keys: Collection[str]) -> list[Record]:
    """Every record with one of these ids, and every one that belongs to a family so named."""
    rows = await session.many(
        f"SELECT {COLUMNS} FROM objects WHERE id IN {{each:keys}}"
        f" UNION ALL SELECT {COLUMNS} FROM objects WHERE family IN {{each:keys}}",
        keys=sorted(keys),
    )
    return [as_record(row) for row in {row["id"]: row for row in rows}.values()]


async def save(session: Session, records: Sequence[tuple[Record, str]]) -> None:
    """Store records, each with what it needs (comma-separated), over what was held."""
    await session.write_many(_SAVE, [_values(record, needs) for record, needs in records])


def _values(record: Record, needs: str) -> tuple[object, ...]:
    s = record.snapshot
    return (
        s.id,
        s.kind.value,
        s.stripe_account,
        s.family,
        s.status,
        s.amount,
        s.currency,
        s.created,
        s.as_of,
        s.origin.value,
        s.api_version,
        msgspec.json.encode(s.detail).decode(),
        record.peak,
        int(record.tied),
        record.fetched_at,
        needs,
    )


async def get(session: Session, ids: Collection[str]) -> dict[str, Record]:
    """The records with these ids."""
    rows = await session.all(
        f"SELECT {COLUMNS} FROM objects WHERE id IN {{each:ids}}", ids=sorted(ids)
    )
    return {row["id"]: as_record(row) for row in rows}


async def page(
    session: Session, kind: Kind, stripe_account: str, limit: int, before: tuple[int, str] | None
) -> list[Record]:
    """Records of one kind, newest first, older than the cursor `(created, id)`."""
    created, id = before or (2**62, "")
    rows = await session.all(
        f"SELECT {COLUMNS} FROM objects WHERE kind = :kind AND stripe_account = :account"
        " AND (created < :created OR (created = :created AND id < :id))"
        " ORDER BY created DESC, id DESC LIMIT :limit",
        kind=kind.value,
        account=stripe_account,
        created=created,
        id=id,
        limit=limit,
    )
    return [as_record(row) for row in rows]


async def families_after(session: Session, family: str, limit: int) -> list[str]:
    """The families that have books, in order, after the given one: for walking all of them."""
    rows = await session.many(
        "SELECT DISTINCT family FROM objects WHERE family > :after"
        " AND (stripe_account = 'platform' OR stripe_account IN"
        " (SELECT m.stripe_account FROM account_mirrors m)) ORDER BY family LIMIT :limit",
        after=family,
        limit=limit,
    )
    return [row["family"] for row in rows]


async def doubtful(session: Session, need: str) -> list[Record]:
    """Records that carried one particular need when they were stored, by id (at most 500)."""
    rows = await session.all(
        f"SELECT {COLUMNS} FROM objects WHERE needs <> '' AND needs LIKE :pattern"
        " ORDER BY id LIMIT 500",
        pattern=f"%{need}%",
    )
    return [as_record(row) for row in rows]


@dataclass(frozen=True, slots=True)
class Fetch:
    """An object to be read from Stripe, why, and from when on a reading settles it."""

    object_id: str
    stripe_account: str
    reason: str
    not_before: int
    next_attempt_at: int


_WANT = Batch(
    "fetches",
    (
        ("object_id", "text"),
        ("stripe_account", "text"),
        ("reason", "text"),
        ("not_before", "bigint"),
        ("requested_at", "bigint"),
        ("next_attempt_at", "bigint"),
    ),
    tail=(
        "ON CONFLICT (object_id) DO UPDATE SET reason = excluded.reason,"
        " not_before = CASE WHEN excluded.not_before > fetches.not_before"
        " THEN excluded.not_before ELSE fetches.not_before END"
    ),
)


async def want(session: Session, fetches: Collection[Fetch], now: int) -> None:
    """Remember that these objects are to be read from Stripe."""
    rows = [
        (f.object_id, f.stripe_account, f.reason, f.not_before, now, f.next_attempt_at)
        for f in fetches
    ]
    await session.write_many(_WANT, rows)


async def settled(session: Session, as_of: Mapping[str, int]) -> None:
    """Forget fetches of objects whose records, at these moments, leave no doubt."""
    if not as_of:
        return
    rows = await session.many(
        "SELECT object_id, not_before FROM fetches WHERE object_id IN {each:ids}",
        ids=sorted(as_of),
    )
    done = [r["object_id"] for r in rows if as_of[r["object_id"]] >= r["not_before"]]
    if done:
        await session.run("DELETE FROM fetches WHERE object_id IN {each:ids}", ids=done)


async def due_fetches(session: Session, now: int, limit: int) -> list[Row]:
    """Objects whose reading is due, the longest waiting first; their family, where it is known."""
    return await session.all(
        "SELECT f.object_id, f.stripe_account, f.reason, f.attempts,"
        " COALESCE(o.family, '') AS family FROM fetches f"
        " LEFT JOIN objects o ON o.id = f.object_id"
        " WHERE f.next_attempt_at <= :now ORDER BY f.next_attempt_at, f.object_id LIMIT :limit",
        now=now,
        limit=limit,
    )


async def overdue_fetches(session: Session, before: int) -> list[Row]:
    """Objects that were to be read before that moment and have not been, the oldest first."""
    return await session.all(
        "SELECT object_id, reason, requested_at, attempts, error FROM fetches"
        " WHERE requested_at < :before ORDER BY requested_at, object_id LIMIT 500",
        before=before,
    )


async def fetch_failed(session: Session, object_id: str, error: str, next_attempt_at: int) -> None:
    """Keep an unreadable object waiting, with what Stripe said."""
    await session.run(
        "UPDATE fetches SET attempts = attempts + 1, error = :error, next_attempt_at = :next"
        " WHERE object_id = :id",
        id=object_id,
        error=error,
        next=next_attempt_at,
    )


async def is_wanted(session: Session, object_id: str) -> bool:
    """Whether the object is still to be read."""
    row = await session.one("SELECT 1 AS found FROM fetches WHERE object_id = :id", id=object_id)
    return row is not None


async def waiting(session: Session, limit: int) -> list[dict[str, Any]]:
    """What is waited for, and why, the oldest first."""
    rows = await session.all(
        "SELECT object_id, reason, requested_at, attempts, error FROM fetches"
        " ORDER BY requested_at, object_id LIMIT :limit",
        limit=limit,
    )
    return [dict(row) for row in rows]


async def payments_page(session: Session, limit: int, before: tuple[int, str] | None) -> list[Row]:
    """The families of payments, newest first: PaymentIntents, and charges whose PaymentIntent is
    not known or does not exist. `created` and `id` make the cursor."""
    created, id = before or (2**62, "")
    older = "(o.created < :created OR (o.created = :created AND o.id < :id))"
    order = "ORDER BY o.created DESC, o.id DESC LIMIT :limit"
    return await session.all(
        "SELECT family, created, id FROM ("
        " SELECT * FROM (SELECT o.id AS family, o.created, o.id FROM objects o"
        f" WHERE o.kind = 'payment_intent' AND o.stripe_account = 'platform' AND {older} {order})"
        " AS intents UNION ALL"
        " SELECT * FROM (SELECT o.family, o.created, o.id FROM objects o"
        " WHERE o.kind = 'charge' AND o.stripe_account = 'platform' AND NOT EXISTS"
        f" (SELECT 1 FROM objects p WHERE p.id = o.family AND p.id <> o.id) AND {older} {order})"
        " AS lonely"
        ") AS listed ORDER BY created DESC, id DESC LIMIT :limit",
        created=created,
        id=id,
        limit=limit,
    )
