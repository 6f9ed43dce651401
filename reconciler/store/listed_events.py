"""What Stripe's event lists show: which events exist, and from when to when each list was read.

Beside the inbox this tells an event that Stripe never made (its list was read past the moment, and
it is not there) from one that Stripe made and we never received. Must not hold what an event says:
the inbox does.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from reconciler.store.database import Batch, Row, Session

_NOTE = Batch(
    "listed_events",
    (
        ("id", "text"),
        ("stripe_account", "text"),
        ("type", "text"),
        ("object_id", "text"),
        ("created", "bigint"),
        ("api_version", "text"),
        ("pending_webhooks", "bigint"),
        ("request_id", "text"),
        ("listed_at", "bigint"),
    ),
    tail=(
        "ON CONFLICT (id) DO UPDATE SET pending_webhooks = excluded.pending_webhooks"
        " WHERE listed_events.pending_webhooks <> excluded.pending_webhooks"
    ),
)


@dataclass(frozen=True, slots=True)
class Listed:
    """One event as a list showed it. Moments in epoch seconds; `listed_at` is when we first saw it
    there. `held` is how the inbox has it: empty for not at all, or the channel; `held_at` is when
    it came, `delivered_at` when a webhook brought it after the sweep had (0: none did)."""

    id: str
    stripe_account: str
    type: str
    object_id: str
    created: int
    api_version: str
    pending_webhooks: int
    request_id: str
    listed_at: int
    held: str = ""
    held_at: int = 0
    delivered_at: int = 0


@dataclass(frozen=True, slots=True)
class Reach:
    """Between these two moments, both included, a list was read without a hole; `read_to` is 0
    while it never was. `failures` counts attempts in a row that came to nothing."""

    stripe_account: str
    read_from: int = 0
    read_to: int = 0
    attempted_at: int = 0
    failures: int = 0
    error: str = ""

    def covers(self, moment: int) -> bool:
        """Whether an event of that moment would have been seen, if Stripe had made it."""
        return self.read_from <= moment < self.read_to


async def note(session: Session, listed: Sequence[Listed]) -> None:
    """These events exist at Stripe."""
    rows = {
        one.id: (
            one.id,
            one.stripe_account,
            one.type,
            one.object_id,
            one.created,
            one.api_version,
            one.pending_webhooks,
            one.request_id,
            one.listed_at,
        )
        for one in listed
    }
    await session.write_many(_NOTE, list(rows.values()))


async def of_objects(session: Session, ids: Collection[str]) -> dict[str, list[Listed]]:
    """For each of these objects, oldest first: its events that Stripe lists and no webhook brought
    before the sweep did. Objects without one are absent."""
    rows = await session.many(
        "SELECT l.id, l.stripe_account, l.type, l.object_id, l.created, l.api_version,"
        " l.pending_webhooks, l.request_id, l.listed_at, COALESCE(i.channel, '') AS held,"
        " COALESCE(i.received_at, 0) AS held_at, l.delivered_at"
        " FROM listed_events l LEFT JOIN inbox i ON i.event_id = l.id"
        " WHERE l.object_id IN {each:ids} AND (i.channel IS NULL OR i.channel = 'recovered')"
        " ORDER BY l.created, l.id",
        ids=sorted(ids),
    )
    found: dict[str, list[Listed]] = {}
    for row in rows:
        found.setdefault(row["object_id"], []).append(Listed(**row))
    return found


_REACH = "stripe_account, read_from, read_to, attempted_at, failures, error"


async def reach(session: Session, stripe_account: str) -> Reach:
    """How far the event list of this Stripe account was read."""
    row = await session.one(
        f"SELECT {_REACH} FROM event_lists WHERE stripe_account = :account", account=stripe_account
    )
    return Reach(**row) if row else Reach(stripe_account)


async def reaches(session: Session) -> dict[str, Reach]:
    """How far every list was read that ever was attempted, by Stripe account."""
    rows = await session.all(f"SELECT {_REACH} FROM event_lists ORDER BY stripe_account")
    return {row["stripe_account"]: Reach(**row) for row in rows}


async def behind(session: Session, seconds: int) -> dict[str, int]:
    """Accounts whose list was read so much further than the sweep, which takes events in, has come;
    and how far it has. Where it never came there is nothing to be behind of."""
    rows = await session.all(
        "SELECT e.stripe_account, w.frontier FROM event_lists e JOIN walks w"
        " ON w.stripe_account = e.stripe_account AND w.stream = 'events'"
        " WHERE w.frontier > 0 AND e.read_to - w.frontier > :seconds ORDER BY e.stripe_account",
        seconds=seconds,
    )
    return {row["stripe_account"]: row["frontier"] for row in rows}


async def save_reach(session: Session, reach: Reach) -> None:
    await session.run(
        f"INSERT INTO event_lists ({_REACH})"
        " VALUES (:account, :read_from, :read_to, :attempted, :failures, :error)"
        " ON CONFLICT (stripe_account) DO UPDATE SET read_from = excluded.read_from,"
        " read_to = excluded.read_to, attempted_at = excluded.attempted_at,"
        " failures = excluded.failures, error = excluded.error",
        account=reach.stripe_account,
        read_from=reach.read_from,
        read_to=reach.read_to,
        attempted=reach.attempted_at,
        failures=reach.failures,
        error=reach.error,
    )


async def came_later(session: Session, event_ids: Collection[str]) -> set[str]:
    """Those of these events that the sweep took in before any webhook brought them."""
    rows = await session.all(
        "SELECT l.id FROM listed_events l JOIN inbox i ON i.event_id = l.id"
        " WHERE l.id IN {each:ids} AND l.delivered_at = 0 AND i.channel = 'recovered'",
        ids=sorted(event_ids),
    )
    return {row["id"] for row in rows}


async def delivered(session: Session, event_ids: Collection[str], now: int) -> None:
    """A webhook has now brought these events, which the sweep had taken in."""
    await session.run(
        "UPDATE listed_events SET delivered_at = :now WHERE id IN {each:ids} AND delivered_at = 0",
        now=now,
        ids=sorted(event_ids),
    )


async def accounts_held(session: Session) -> list[Row]:
    """Every connected account that we hold or ever held, with when its list was last attempted
    (0: never) and how often in a row that failed; the longest not attempted first."""
    return await session.all(
        "SELECT held.stripe_account, COALESCE(e.attempted_at, 0) AS attempted_at,"
        " COALESCE(e.failures, 0) AS failures FROM ("
        " SELECT stripe_account FROM merchant_accounts WHERE stripe_account <> ''"
        " UNION SELECT stripe_account FROM merchants WHERE stripe_account <> ''"
        ") AS held LEFT JOIN event_lists e ON e.stripe_account = held.stripe_account"
        " ORDER BY COALESCE(e.attempted_at, 0), held.stripe_account"
    )
