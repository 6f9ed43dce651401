"""What became of the events that Stripe lists: counted, timed, and those that never came.

Everything here starts at the index of what was listed in a stretch of time: it costs the events of
that stretch, whatever the history.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import msgspec

from reconciler.domain.delivery import Fate, Missed
from reconciler.store.database import Batch, Row, Session

_FATE = (
    "CASE WHEN i.channel IN ('platform', 'connect') OR l.delivered_at > 0 THEN 'delivered'"
    " WHEN i.channel = 'imported' THEN 'imported'"
    " WHEN l.created > :due THEN 'under_way'"
    " WHEN i.channel = 'recovered' THEN 'healed' ELSE 'missing' END"
)
_STRETCH = (
    " FROM listed_events l LEFT JOIN inbox i ON i.event_id = l.id"
    " WHERE l.stripe_account IN {each:accounts} AND l.created >= :since AND l.created <= :until"
)


_SECONDS = (
    "CASE WHEN i.status = 'applied' AND i.channel <> 'imported' THEN"
    " CASE WHEN i.settled_at > l.created THEN i.settled_at - l.created ELSE 0 END END"
)


@dataclass(frozen=True, slots=True)
class Counted:
    """So many events of one type, account and hour (epoch seconds of its beginning) that ended the
    same way and took as long to be applied; `seconds` is None if they were not, or were imported:
    then they took as long as somebody took to import them."""

    stripe_account: str
    type: str
    hour: int
    fate: Fate
    seconds: int | None
    events: int


async def counts(
    session: Session, accounts: Collection[str], since: int, until: int, due: int
) -> list[Counted]:
    """What became of the events created in this stretch; those created after `due` have time."""
    rows = await session.many(
        f"SELECT l.stripe_account, l.type, l.created / 3600 * 3600 AS hour, {_FATE} AS fate,"
        f" {_SECONDS} AS seconds, COUNT(*) AS events {_STRETCH}"
        " GROUP BY l.stripe_account, l.type, 3, 4, 5",
        accounts=sorted(accounts),
        since=since,
        until=until,
        due=due,
    )
    return [Counted(**{**row, "fate": Fate(row["fate"])}) for row in rows]


async def missed(
    session: Session,
    accounts: Collection[str],
    types: Collection[str],
    since: int,
    until: int,
    limit: int,
) -> list[Missed]:
    """The newest events of these types, created in this stretch, that no webhook brought."""
    rows = await session.many(
        "SELECT l.id AS event_id, l.stripe_account, l.type, l.created, l.listed_at AS found_at,"
        " COALESCE(i.received_at, 0) AS healed_at, COALESCE(i.settled_at, 0) AS applied_at"
        f"{_STRETCH} AND (i.channel IS NULL OR i.channel = 'recovered') AND l.delivered_at = 0"
        " AND l.type IN {each:types} ORDER BY l.created DESC, l.id LIMIT :limit",
        accounts=sorted(accounts),
        types=sorted(types),
        since=since,
        until=until,
        limit=limit,
    )
    return [Missed(**row) for row in rows]


async def not_held(session: Session, account: str, since: int, limit: int) -> list[Row]:
    """Events created since then that the account's list has shown and that are not in the inbox,
    the oldest first."""
    return await session.many(
        "SELECT l.id, l.type, l.object_id, l.created, l.listed_at FROM listed_events l"
        " WHERE l.stripe_account = :account AND l.created >= :since AND NOT EXISTS"
        " (SELECT 1 FROM inbox i WHERE i.event_id = l.id) ORDER BY l.created, l.id LIMIT :limit",
        account=account,
        since=since,
        limit=limit,
    )


async def last_listed(session: Session, account: str, types: Collection[str]) -> int:
    """When the newest event of these types that the account's list has shown was created; 0 if it
    showed none."""
    row = await session.one(
        "SELECT created FROM listed_events WHERE stripe_account = :account"
        " AND type IN {each:types} ORDER BY created DESC LIMIT 1",
        account=account,
        types=sorted(types),
    )
    return int(row["created"]) if row else 0


async def count(
    session: Session, account: str, types: Collection[str], start: int, end: int, most: int
) -> int:
    """How many events of these types there are from `start` until before `end`; not counted beyond
    `most`."""
    row = await session.one(
        "SELECT COUNT(*) AS events FROM (SELECT 1 FROM listed_events"
        " WHERE stripe_account = :account AND type IN {each:types} AND created >= :start"
        " AND created < :end LIMIT :most) AS counted",
        account=account,
        types=sorted(types),
        start=start,
        end=end,
        most=most,
    )
    assert row is not None
    return int(row["events"])


async def longest_silences(
    session: Session, account: str, types: Collection[str], start: int, end: int
) -> tuple[int, ...]:
    """The two longest spans between successive events of these types in this stretch."""
    rows = await session.all(
        "SELECT span FROM (SELECT created - LAG(created) OVER (ORDER BY created) AS span"
        " FROM listed_events WHERE stripe_account = :account AND type IN {each:types}"
        " AND created >= :start AND created <= :end) AS spans"
        " WHERE span IS NOT NULL ORDER BY span DESC LIMIT 2",
        account=account,
        types=sorted(types),
        start=start,
        end=end,
    )
    return tuple(int(row["span"]) for row in rows)


async def last_delivered(session: Session, account: str, types: Collection[str]) -> int:
    """When the newest event of these types that a webhook brought was created; 0 if none was."""
    row = await session.one(
        "SELECT l.created FROM listed_events l JOIN inbox i ON i.event_id = l.id"
        " WHERE l.stripe_account = :account AND l.type IN {each:types}"
        " AND (i.channel IN ('platform', 'connect') OR l.delivered_at > 0)"
        " ORDER BY l.created DESC LIMIT 1",
        account=account,
        types=sorted(types),
    )
    return int(row["created"]) if row else 0


async def prune(session: Session, accounts: Collection[str], before: int, limit: int) -> int:
    """Forget that so many events were listed which were created before then and are in the inbox;
    how many were forgotten. What is missing is never forgotten."""
    rows = await session.all(
        "DELETE FROM listed_events WHERE id IN (SELECT l.id FROM listed_events l"
        " JOIN inbox i ON i.event_id = l.id WHERE l.stripe_account IN {each:accounts}"
        " AND l.created < :before LIMIT :limit) RETURNING id",
        accounts=sorted(accounts),
        before=before,
        limit=limit,
    )
    return len(rows)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One of our webhook endpoints at Stripe as last read. `api_version` is empty where it has the
    Stripe account's own; `missing` are types that it should send and does not."""

    id: str
    channel: str
    url: str
    status: str
    api_version: str
    missing: tuple[str, ...]
    read_at: int


_ENDPOINTS = Batch(
    "endpoint_readings",
    (
        ("id", "text"),
        ("channel", "text"),
        ("url", "text"),
        ("status", "text"),
        ("api_version", "text"),
        ("missing", "text"),
        ("read_at", "bigint"),
    ),
)


async def save_endpoints(session: Session, endpoints: Sequence[Endpoint]) -> None:
    """These are all endpoints that we have at Stripe."""
    await session.run("DELETE FROM endpoint_readings")
    await session.write_many(
        _ENDPOINTS,
        [
            (e.id, e.channel, e.url, e.status, e.api_version, _written(e.missing), e.read_at)
            for e in endpoints
        ],
    )


def _written(types: Sequence[str]) -> str:
    return msgspec.json.encode(list(types)).decode()


async def endpoints(session: Session) -> list[Endpoint]:
    """Our endpoints as last read, by channel."""
    rows = await session.all(
        "SELECT id, channel, url, status, api_version, missing, read_at FROM endpoint_readings"
        " ORDER BY channel DESC, id"
    )
    return [
        Endpoint(**{**row, "missing": tuple(msgspec.json.decode(row["missing"]))}) for row in rows
    ]
