"""Look at the chains of updates of objects that have new events, and have broken ones read again.

A break is kept with its evidence, and closed once the missing event has come or the object has been
read from Stripe after it. Costs what is new and what is open. Must not call Stripe: `reread` does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog

from reconciler.context import Context
from reconciler.domain.continuity import Break, Told, breaks
from reconciler.domain.redaction import redacted_text
from reconciler.domain.snapshot import Record
from reconciler.store import chains, objects
from reconciler.store.chains import BrokenChain
from reconciler.store.database import Row, Session

log = structlog.get_logger()

BATCH = 100
"""Objects looked at in one transaction."""

LONGEST_CHAIN = 500
"""Events of one object looked at in one go, from the first new one on."""

OPEN = 1000
"""Objects with open breaks that are looked at again each time."""

LONGEST_VALUE = 200


@dataclass(frozen=True, slots=True)
class Joined:
    """What one call did, in numbers: objects looked at, breaks found, breaks healed."""

    objects: int = 0
    found: int = 0
    healed: int = 0


async def join_chains(context: Context) -> Joined:
    """Every object with new events was looked at, and every one with a break that is still open."""
    async with context.write() as session:
        await chains.want(session, await chains.open_objects(session, OPEN))
    done = Joined()
    while True:
        async with context.write() as session:
            wanted = await chains.take(session, BATCH)
            found, healed = await _look(session, wanted, context.now())
        done = Joined(done.objects + len(wanted), done.found + found, done.healed + healed)
        if len(wanted) < BATCH:
            return done


async def _look(session: Session, wanted: Mapping[str, int], now: int) -> tuple[int, int]:
    """How many breaks were found, and how many healed."""
    records = await objects.get(session, wanted.keys())
    known = await chains.of_objects(session, wanted.keys())
    standing = {id: one for id, one in known.items() if not one.healed_at}
    since = dict(wanted)
    for one in standing.values():
        since[one.object_id] = min(since[one.object_id], one.created)
    found: dict[str, BrokenChain] = {}
    unseen: dict[str, int] = {}
    for object_id, moment in since.items():
        rows = await chains.events(session, object_id, moment, LONGEST_CHAIN)
        told = [one for one in map(_told, rows) if one.state.get("id") == object_id]
        found |= {b.event.event_id: _kept(b, rows[0], object_id, now) for b in breaks(told)}
        if len(rows) == LONGEST_CHAIN:
            unseen[object_id] = rows[-1]["created"]
    await chains.want(session, unseen)
    await chains.save(session, list(found.values()))
    came = [
        id
        for id, one in standing.items()
        if id not in found and one.created <= unseen.get(one.object_id, one.created)
    ]
    healed = await chains.heal(session, came, "event", now)
    read = {id for id, one in found.items() if _read_since(records.get(one.object_id), one)}
    healed |= await chains.heal(session, read, "read", now)
    left = [one for id, one in found.items() if id not in read and one.object_id in records]
    await _read_again(session, left, now)
    fresh = found.keys() - known.keys()
    for id in sorted(fresh):
        log.warning("chain.broken", object_id=found[id].object_id, event_id=id)
    return len(fresh), len(healed)


def _read_since(record: Record | None, broken: BrokenChain) -> bool:
    return record is not None and record.fetched_at >= broken.created


async def _read_again(session: Session, broken: Sequence[BrokenChain], now: int) -> None:
    wanted = {
        one.object_id: objects.Fetch(
            one.object_id, one.stripe_account, "broken_chain", one.created, now
        )
        for one in sorted(broken, key=lambda one: one.created)
    }
    await objects.want(session, list(wanted.values()), now)


def _told(row: Row) -> Told:
    """What an event said. It was applied, so it can be read."""
    data: dict[str, Any] = msgspec.json.decode(row["body"]).get("data") or {}
    state, previous = data.get("object"), data.get("previous_attributes")
    return Told(
        row["event_id"],
        row["type"],
        row["created"],
        row["api_version"],
        state if isinstance(state, dict) else {},
        previous if isinstance(previous, dict) else None,
    )


def _kept(broken: Break, row: Row, object_id: str, now: int) -> BrokenChain:
    return BrokenChain(
        broken.event.event_id,
        object_id,
        row["stripe_account"],
        broken.before.event_id,
        "field_dropped" if broken.dropped else "missed_update",
        [
            {"field": one.field, "left": _short(one.left), "found": _short(one.found)}
            for one in broken.fields
        ],
        broken.event.created,
        now,
    )


def _short(value: Any) -> str:
    """A value as it is shown: as JSON, so much of it, and without what nobody should read."""
    written = redacted_text(msgspec.json.encode(value).decode())
    return written if len(written) <= LONGEST_VALUE else f"{written[:LONGEST_VALUE]}…"
