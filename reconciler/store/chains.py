"""Chains of updates: objects whose events are to be looked at, and updates that do not join."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from reconciler.store.database import Batch, Row, Session

_CHECK = Batch(
    "chain_checks",
    (("object_id", "text"), ("since", "bigint")),
    tail=(
        "ON CONFLICT (object_id) DO UPDATE SET since = excluded.since"
        " WHERE excluded.since < chain_checks.since"
    ),
)
_BROKEN = Batch(
    "broken_chains",
    (
        ("event_id", "text"),
        ("object_id", "text"),
        ("stripe_account", "text"),
        ("before_event", "text"),
        ("cause", "text"),
        ("fields", "text"),
        ("created", "bigint"),
        ("found_at", "bigint"),
    ),
    tail=(
        "ON CONFLICT (event_id) DO UPDATE SET before_event = excluded.before_event,"
        " cause = excluded.cause, fields = excluded.fields"
    ),
)


@dataclass(frozen=True, slots=True)
class BrokenChain:
    """One update that does not join what the event before it left. `fields` holds, for each field
    that differs, `{"field", "left", "found"}`; `healed_at` is 0 while it is open, and `healed_by`
    says whether the missing event came or the object was read."""

    event_id: str
    object_id: str
    stripe_account: str
    before_event: str
    cause: str
    fields: Sequence[Mapping[str, Any]]
    created: int
    found_at: int
    healed_at: int = 0
    healed_by: str = ""


_COLUMNS = (
    "event_id, object_id, stripe_account, before_event, cause, fields, created, found_at,"
    " healed_at, healed_by"
)


async def want(session: Session, since: Mapping[str, int]) -> None:
    """The chains of these objects are to be looked at, each from its moment on."""
    await session.write_many(_CHECK, sorted(since.items()))


async def take(session: Session, limit: int) -> dict[str, int]:
    """So many objects whose chains are to be looked at, and from when on; they are off the list."""
    rows = await session.all(
        "DELETE FROM chain_checks WHERE object_id IN"
        " (SELECT object_id FROM chain_checks ORDER BY object_id LIMIT :limit {skip_locked})"
        " RETURNING object_id, since",
        limit=limit,
    )
    return {row["object_id"]: row["since"] for row in rows}


async def events(session: Session, object_id: str, since: int, limit: int) -> list[Row]:
    """The events about one object that were applied, oldest first, from the last one before `since`
    on."""
    return await session.many(
        "SELECT event_id, type, created, api_version, stripe_account, body FROM inbox"
        " WHERE object_id = :id AND status = 'applied' AND created >= COALESCE((SELECT"
        " MAX(created) FROM inbox WHERE object_id = :id AND status = 'applied'"
        " AND created < :since), :since) ORDER BY created, seq LIMIT :limit",
        id=object_id,
        since=since,
        limit=limit,
    )


async def save(session: Session, broken: Sequence[BrokenChain]) -> None:
    """Keep these breaks; one that is known already keeps when it was found."""
    await session.write_many(
        _BROKEN,
        [
            (
                one.event_id,
                one.object_id,
                one.stripe_account,
                one.before_event,
                one.cause,
                msgspec.json.encode(one.fields).decode(),
                one.created,
                one.found_at,
            )
            for one in broken
        ],
    )


async def heal(session: Session, event_ids: Collection[str], by: str, now: int) -> set[str]:
    """These breaks are closed: by the missing `event`, or by reading the object. Which were."""
    rows = await session.all(
        "UPDATE broken_chains SET healed_at = :now, healed_by = :by"
        " WHERE event_id IN {each:ids} AND healed_at = 0 RETURNING event_id",
        now=now,
        by=by,
        ids=sorted(event_ids),
    )
    return {row["event_id"] for row in rows}


async def open_objects(session: Session, limit: int) -> dict[str, int]:
    """Objects with breaks that are not healed, and the moment of the first of each."""
    rows = await session.all(
        "SELECT object_id, MIN(created) AS since FROM broken_chains WHERE healed_at = 0"
        " GROUP BY object_id ORDER BY object_id LIMIT :limit",
        limit=limit,
    )
    return {row["object_id"]: row["since"] for row in rows}


async def count_open(session: Session) -> int:
    """How many breaks are not healed."""
    row = await session.one("SELECT COUNT(*) AS broken FROM broken_chains WHERE healed_at = 0")
    assert row is not None
    return int(row["broken"])


async def open_breaks(session: Session, limit: int) -> list[BrokenChain]:
    """Breaks that are not healed, by object."""
    rows = await session.all(
        f"SELECT {_COLUMNS} FROM broken_chains WHERE healed_at = 0"
        " ORDER BY object_id, event_id LIMIT :limit",
        limit=limit,
    )
    return [_as_broken(row) for row in rows]


async def of_objects(session: Session, ids: Collection[str]) -> dict[str, BrokenChain]:
    """Every break of these objects, healed or not, by the event that does not join."""
    rows = await session.all(
        f"SELECT {_COLUMNS} FROM broken_chains WHERE object_id IN {{each:ids}}",
        ids=sorted(ids),
    )
    return {row["event_id"]: _as_broken(row) for row in rows}


async def latest(session: Session, since: int, limit: int) -> list[BrokenChain]:
    """Breaks found since then, healed or not, the newest first."""
    rows = await session.all(
        f"SELECT {_COLUMNS} FROM broken_chains WHERE found_at >= :since"
        " ORDER BY found_at DESC, event_id DESC LIMIT :limit",
        since=since,
        limit=limit,
    )
    return [_as_broken(row) for row in rows]


def _as_broken(row: Row) -> BrokenChain:
    return BrokenChain(**{**row, "fields": msgspec.json.decode(row["fields"])})
