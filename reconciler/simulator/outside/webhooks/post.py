"""The queue of deliveries: what is due goes out, what fails comes again, what arrives is done.

A failed delivery is tried again with growing pauses for three days, as Stripe does in live mode, or
three times within hours, as in a sandbox. The queue is plain data; every attempt is noted in the
journal.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator

import httpx

from reconciler.simulator.kernel.clock import DAY
from reconciler.simulator.kernel.ids import rank
from reconciler.simulator.kernel.world import Book, Json, World
from reconciler.simulator.objects.notices import endpoints, thin_events
from reconciler.simulator.outside.webhooks import letters
from reconciler.simulator.outside.webhooks.drills import Drills

Send = Callable[[str, dict[str, str], bytes], Awaitable[int]]

_KEEP_TRYING = 3 * DAY
_FIRST_PAUSE = 60
_LONGEST_PAUSE = DAY // 2
_SANDBOX_PAUSES = (300, 3_600, 10_800)
_SPOILING = ("bad_signature", "wrong_timestamp", "truncate")
_NO_ANSWER = 0


class Post:
    def __init__(self, world: World, drills: Drills) -> None:
        self._world = world
        self._drills = drills
        self._numbered = 0
        self._under_way: dict[int, Json] = {}
        self.queue: list[Json] = []
        self.stamp: Callable[[], int] = world.clock.now

    def publish(self, book: Book, event: Json) -> None:
        """Queue an event for every endpoint that wants it."""
        reached = self.reached(book)
        wanted = [each for each in reached if endpoints.wants(each, event, book)]
        letters.freeze(self._world, event, wanted)
        event["_waiting"] = [endpoint["id"] for endpoint in wanted]
        if "pending_webhooks" in event:
            event["pending_webhooks"] = len(wanted)
        for endpoint in wanted:
            self.enqueue(event["id"], endpoint["id"])

    async def deliver(self, send: Send, at_once: int = 1) -> dict[str, int]:
        """Send everything due, so many at once; count what became of it."""
        counts: Counter[str] = Counter(delivered=0, failed=0, dropped=0, delayed=0, duplicated=0)
        while batch := self._take_due():
            for start in range(0, len(batch), at_once):
                together = batch[start : start + at_once]
                await asyncio.gather(*(self._send_one(one, send, counts) for one in together))
        return dict(counts)

    def state(self) -> Json:
        """Also what is under way at this moment: it will be sent again rather than be lost."""
        waiting = sorted([*self._under_way.values(), *self.queue], key=lambda d: d["number"])
        return {"numbered": self._numbered, "queue": [dict(delivery) for delivery in waiting]}

    def restore(self, state: Json) -> None:
        self._numbered = state["numbered"]
        self._under_way.clear()
        self.queue[:] = [dict(delivery) for delivery in state["queue"]]

    async def _send_one(self, delivery: Json, send: Send, counts: Counter[str]) -> None:
        try:
            event = self._event(delivery)
            if event is None:
                return  # it was never made after all
            if self._survives_drills(delivery, event, counts):
                counts[await self._attempt(delivery, event, send)] += 1
        finally:
            self._under_way.pop(delivery["number"], None)

    def _take_due(self) -> list[Json]:
        now = self._world.clock.now()
        batch = [delivery for delivery in self.queue if delivery["due"] <= now]
        if not batch:
            return batch
        self.queue[:] = [delivery for delivery in self.queue if delivery["due"] > now]
        self._under_way.update((delivery["number"], delivery) for delivery in batch)
        seed = self._drills.shuffle
        if seed is not None:
            batch.sort(key=lambda delivery: rank(seed, str(delivery["number"])))
        return batch

    def _survives_drills(self, delivery: Json, event: Json, counts: Counter[str]) -> bool:
        """Let the rules act on a delivery, once; say whether it is to be sent now."""
        if delivery["drilled"]:
            return True
        delivery["drilled"] = True
        rules = self._drills.acting(event)
        if any(rule["effect"] == "drop" for rule in rules):
            counts["dropped"] += 1
            self._note(delivery, event, _NO_ANSWER, "drop")
            return False
        delivery["spoils"] = [dict(rule) for rule in rules if rule["effect"] in _SPOILING]
        for _ in range(sum(rule["number"] for rule in rules if rule["effect"] == "duplicate")):
            self.enqueue(delivery["event"], delivery["endpoint"], drilled=True)
            counts["duplicated"] += 1
        wait = sum(rule["number"] for rule in rules if rule["effect"] == "delay")
        if wait:
            delivery["due"] = self._world.clock.now() + wait
            self.queue.append(delivery)
            counts["delayed"] += 1
            return False
        return True

    async def _attempt(self, delivery: Json, event: Json, send: Send) -> str:
        endpoint = self._endpoint(delivery["endpoint"])
        if endpoint is None or endpoint["status"] != "enabled":
            self._note(delivery, event, _NO_ANSWER, "disabled")
            return "failed"
        spoils, delivery["spoils"] = delivery["spoils"], []
        delivery["attempts"] += 1
        secrets = endpoints.signing(endpoint, self._world.clock.now())
        content = letters.body(event, endpoint)
        headers, content = letters.spoilt(spoils, secrets, self.stamp(), content)
        try:
            status = await send(endpoints.address(endpoint), headers, content)
        except (OSError, httpx.HTTPError, httpx.InvalidURL):
            status = _NO_ANSWER
        effects = "+".join(rule["effect"] for rule in spoils)
        self._note(delivery, event, status, effects or None)
        if 200 <= status < 300:
            endpoint["_failing_since"] = None
            _delivered(event, endpoint["id"])
            return "delivered"
        self._failed(endpoint)
        self._retry(delivery)
        return "failed"

    def _failed(self, endpoint: Json) -> None:
        """Stripe gives up on an endpoint that has failed for days."""
        now, days = self._world.clock.now(), self._world.settings.webhook_disable_days
        since = endpoint.setdefault("_failing_since", now) or now
        endpoint["_failing_since"] = since
        if days and now - since >= days * DAY:
            endpoint["status"] = "disabled"

    def _retry(self, delivery: Json) -> None:
        now, done = self._world.clock.now(), delivery["attempts"]
        if not delivery["automatic"]:
            return
        if self._world.settings.webhook_retries == "sandbox":
            if done > len(_SANDBOX_PAUSES):
                return
            pause = _SANDBOX_PAUSES[done - 1]
        else:
            pause = min(_FIRST_PAUSE * 4 ** (done - 1), _LONGEST_PAUSE)
        if now + pause - delivery["since"] <= _KEEP_TRYING:
            delivery["due"] = now + pause
            self.queue.append(delivery)

    def enqueue(
        self, event: str, endpoint: str, drilled: bool = False, automatic: bool = True
    ) -> None:
        now = self._world.clock.now()
        self._numbered += 1
        self.queue.append(
            {
                "number": self._numbered,
                "event": event,
                "endpoint": endpoint,
                "due": now,
                "since": now,
                "attempts": 0,
                "drilled": drilled,
                "automatic": automatic,
                "spoils": [],
            }
        )

    def _note(self, delivery: Json, event: Json, status: int, effect: str | None) -> None:
        endpoint = self._endpoint(delivery["endpoint"])
        about = event.get("related_object") or event["data"].get("object", {})
        self._world.journal.note(
            "delivery",
            event.get("account") or event.get("context") or self._world.platform,
            [event["id"], delivery["endpoint"], about.get("id")],
            type=event["type"],
            url=endpoints.address(endpoint) if endpoint else None,
            status=status,
            attempt=delivery["attempts"],
            effect=effect,
            automatic=delivery["automatic"],
        )

    def _event(self, delivery: Json) -> Json | None:
        found = self._world.find(delivery["event"])
        return found[1] if found else None

    def reached(self, book: Book) -> Iterator[Json]:
        """Every endpoint that may hear of this account: its own and the platform's."""
        for owner in {book.id: book, self._world.platform: self._world.home}.values():
            for kind in ("webhook_endpoint", thin_events.DESTINATION):
                yield from owner.shelves.get(kind, {}).values()

    def _endpoint(self, endpoint: str) -> Json | None:
        found = self._world.find(endpoint)
        return found[1] if found else None


def _delivered(event: Json, endpoint: str) -> None:
    if endpoint in event["_waiting"]:
        event["_waiting"].remove(endpoint)
    if "pending_webhooks" in event:
        event["pending_webhooks"] = len(event["_waiting"])
