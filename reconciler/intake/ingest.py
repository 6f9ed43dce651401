"""Take a webhook in: verified, then durable, then acknowledged.

Many requests share one commit: whatever arrives while one commit is under way goes into the next,
so durability costs a flush for each batch, not for each event. Must not look into the event beyond
its envelope: `apply` does, at its own pace.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace

import msgspec

from reconciler.store import inbox, listed_events
from reconciler.store.database import Database
from reconciler.store.inbox import Delivery

LARGEST_COMMIT_EVENTS = 512
LARGEST_COMMIT_BYTES = 8 * 1024 * 1024

WEBHOOKS = ("platform", "connect")
"""The channels by which events are delivered; the others bring what was found or kept."""


class Intake:
    """The way into the inbox for one process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: deque[tuple[Delivery, asyncio.Future[bool]]] = deque()
        self._committing: asyncio.Task[None] | None = None

    async def accept(self, delivery: Delivery) -> bool:
        """Whether the event was already here. It is durable when this returns.

        Raises DatabaseUnavailable: then nothing is promised, and the sender must try again.
        """
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((delivery, answer))
        if self._committing is None or self._committing.done():
            self._committing = asyncio.create_task(self._commit())
        return await answer

    async def _commit(self) -> None:
        while self._waiting:
            batch = self._take()
            try:
                new = await keep(self._database, [d for d, _ in batch])
            except Exception as error:
                _fail(batch, error)
            else:
                _answer(batch, new)

    def _take(self) -> list[tuple[Delivery, asyncio.Future[bool]]]:
        batch: list[tuple[Delivery, asyncio.Future[bool]]] = []
        size = 0
        while self._waiting and len(batch) < LARGEST_COMMIT_EVENTS and size < LARGEST_COMMIT_BYTES:
            delivery, answer = self._waiting.popleft()
            size += len(delivery.body)
            batch.append((delivery, answer))
        return batch


async def keep(database: Database, deliveries: Sequence[Delivery]) -> set[int]:
    """The deliveries are durable; the positions in the list of those that were new.

    Stripe repeats an event under its id, and the repetition finds the row of the first. An id that
    comes back with other content is no repetition: it is kept too, under its id and a digest.
    """
    held = await inbox.insert_durable(database, deliveries)
    new: set[int] = set()
    repeated: list[int] = []
    for index, delivery in enumerate(deliveries):
        if delivery.event_id in held:
            held.discard(delivery.event_id)
            new.add(index)
        else:
            repeated.append(index)
    if repeated:
        again = {i: deliveries[i] for i in repeated}
        await _note_late(database, list(again.values()))
        new |= await _keep_variants(database, again)
    return new


async def _note_late(database: Database, repeated: Sequence[Delivery]) -> None:
    """What the sweep had taken in was delivered after all: no gap, only late."""
    by_webhook = [d for d in repeated if d.channel in WEBHOOKS]
    if not by_webhook:
        return
    async with database.read() as session:
        late = await listed_events.came_later(session, {d.event_id for d in by_webhook})
    if late:
        async with database.write() as session:
            await listed_events.delivered(session, late, by_webhook[0].received_at)


async def _keep_variants(database: Database, repeated: Mapping[int, Delivery]) -> set[int]:
    async with database.read() as session:
        bodies = await inbox.bodies(session, {d.event_id for d in repeated.values()})
    variants: dict[str, tuple[int, Delivery]] = {}
    for index, delivery in repeated.items():
        held = bodies[delivery.event_id]
        if held != delivery.body and essence(held) != essence(delivery.body):
            variant = f"{delivery.event_id}#{essence(delivery.body)[:12]}"
            variants.setdefault(variant, (index, replace(delivery, event_id=variant)))
    if not variants:
        return set()
    new = await inbox.insert_durable(database, [d for _, d in variants.values()])
    return {variants[id][0] for id in new}


def essence(body: bytes) -> str:
    """A digest of what an event says, without how often and where it is being delivered."""
    try:
        event = msgspec.json.decode(body)
        said = msgspec.json.encode([event.get("type"), event.get("data")], order="deterministic")
    except (msgspec.MsgspecError, RecursionError, AttributeError, UnicodeDecodeError):
        said = body
    return hashlib.sha256(said).hexdigest()


def _answer(batch: list[tuple[Delivery, asyncio.Future[bool]]], new: set[int]) -> None:
    for index, (_, answer) in enumerate(batch):
        if not answer.done():
            answer.set_result(index not in new)


def _fail(batch: list[tuple[Delivery, asyncio.Future[bool]]], error: Exception) -> None:
    for _, answer in batch:
        if not answer.done():
            answer.set_exception(error)
