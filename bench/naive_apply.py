"""What applying an event costs when each is a transaction of its own, through plain `databases`.

As durable as ours, on a connection that is held throughout (one per event would be slower still).
It does less than the product does: no families, no merging, no versions, no proof of balance.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import databases

from bench.events import Sent
from reconciler.store.connection import DurableConnection

_TABLES = (
    "CREATE TABLE inbox (event_id TEXT PRIMARY KEY, body {bytes} NOT NULL, status TEXT NOT NULL)",
    "CREATE TABLE state (id TEXT PRIMARY KEY, kind TEXT NOT NULL, status TEXT NOT NULL,"
    " amount BIGINT NOT NULL, currency TEXT NOT NULL, merchant TEXT NOT NULL,"
    " as_of BIGINT NOT NULL)",
    "CREATE TABLE entries (event_id TEXT NOT NULL, line BIGINT NOT NULL, account TEXT NOT NULL,"
    " currency TEXT NOT NULL, amount BIGINT NOT NULL, PRIMARY KEY (event_id, line))",
    "CREATE TABLE balances (account TEXT NOT NULL, currency TEXT NOT NULL,"
    " amount BIGINT NOT NULL, PRIMARY KEY (account, currency))",
)
_STATE = (
    "INSERT INTO state (id, kind, status, amount, currency, merchant, as_of)"
    " VALUES (:id, :kind, :status, :amount, :currency, :merchant, :as_of)"
    " ON CONFLICT (id) DO UPDATE SET status = excluded.status, amount = excluded.amount,"
    " as_of = excluded.as_of WHERE state.as_of <= excluded.as_of"
)
_ENTRY = (
    "INSERT INTO entries (event_id, line, account, currency, amount)"
    " VALUES (:event_id, :line, :account, :currency, :amount)"
)
_BALANCE = (
    "INSERT INTO balances (account, currency, amount) VALUES (:account, :currency, :amount)"
    " ON CONFLICT (account, currency) DO UPDATE SET amount = balances.amount + excluded.amount"
)
_MARK = "UPDATE inbox SET status = 'applied' WHERE event_id = :id"


def reference_database(url: str) -> databases.Database:
    """A plain `databases.Database`; SQLite with WAL and synchronous FULL."""
    if url.startswith("sqlite"):
        return databases.Database(url, factory=DurableConnection)
    # asyncpg reads the URL, which names a socket; `databases` would not.
    nothing: dict[str, Any] = dict.fromkeys(("host", "port", "user", "password", "database"))
    return databases.Database("postgresql://", dsn=url, min_size=1, max_size=2, **nothing)


async def prepare(database: databases.Database) -> None:
    """The reference's tables are there."""
    kind = "BLOB" if database.url.scheme == "sqlite" else "BYTEA"
    for table in _TABLES:
        await database.execute(table.replace("{bytes}", kind))


async def keep(database: databases.Database, events: Sequence[Sent]) -> None:
    """The events are in the reference's inbox."""
    async with database.transaction():
        for event in events:
            await database.execute(
                "INSERT INTO inbox (event_id, body, status) VALUES (:id, :body, 'received')",
                {"id": event.id, "body": event.body},
            )


async def apply_each(database: databases.Database) -> int:
    """Every event that waits is applied, one transaction each; how many."""
    done = 0
    async with database.connection() as connection:
        waiting = await connection.fetch_all(
            "SELECT event_id, body FROM inbox WHERE status = 'received' ORDER BY event_id"
        )
        for row in waiting:
            event = json.loads(bytes(row["body"]))
            async with connection.transaction():
                await _apply(connection, event)
            done += 1
    return done


async def _apply(connection: Any, event: dict[str, Any]) -> None:
    subject = event["data"]["object"]
    merchant = subject["metadata"]["merchant_id"]
    currency, amount = subject["currency"], subject["amount"]
    state = {
        "id": subject["id"],
        "kind": subject["object"],
        "status": subject["status"],
        "amount": amount,
        "currency": currency,
        "merchant": merchant,
        "as_of": event["created"],
    }
    await connection.execute(_STATE, state)
    if event["type"] == "charge.succeeded":
        lines = ((f"clearing:{subject['id']}", amount), (f"merchant:{merchant}", -amount))
        for number, (account, moved) in enumerate(lines):
            line = {"account": account, "currency": currency, "amount": moved}
            await connection.execute(_ENTRY, {**line, "event_id": event["id"], "line": number})
            await connection.execute(_BALANCE, line)
    await connection.execute(_MARK, {"id": event["id"]})
