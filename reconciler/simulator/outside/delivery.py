"""Webhooks on their way: signed, queued, retried, and lost or doubled when a drill wants it.

Nothing is sent by itself: `deliver` sends what is due at the virtual time, through whatever sender
it is given. A failed delivery is tried again with growing pauses for three days, a dropped one
never.
"""

import asyncio
import hashlib
import hmac
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase

import httpx
import msgspec

from reconciler.simulator.kernel.clock import DAY
from reconciler.simulator.kernel.ids import rank
from reconciler.simulator.kernel.world import Book, Call, Json, World
from reconciler.simulator.objects import endpoints

Send = Callable[[str, dict[str, str], bytes], Awaitable[int]]
Match = str | Callable[[Json], bool]

_KEEP_TRYING = 3 * DAY
_FIRST_PAUSE = 60
_LONGEST_PAUSE = DAY // 2


@dataclass
class _Rule:
    match: Match
    effect: str
    number: int = 0


class Webhooks:
    def __init__(self, world: World) -> None:
        self._world = world
        self._rules: list[_Rule] = []
        self._shuffle: int | None = None
        self._numbered = 0
        self.queue: list[Json] = []
        world.publish = self.publish

    # Endpoints.

    def register(
        self,
        url: str,
        secret: str,
        connect: bool = False,
        enabled_events: tuple[str, ...] | list[str] = ("*",),
        api_version: str | None = None,
        payload: str = "snapshot",
    ) -> str:
        """A new endpoint's id. `payload="thin"` takes thin notifications instead of snapshots."""
        asked = Call(self._world, self._world.home).asking(
            url=url,
            _secret=secret,
            connect=connect,
            enabled_events=list(enabled_events),
            api_version=api_version,
            _payload=payload,
        )
        return str(endpoints.create(asked)["id"])

    def roll_secret(self, endpoint: str, secret: str) -> None:
        """Sign with a new secret and, until it is retired, with the old ones too."""
        self._endpoints()[endpoint]["_secrets"].insert(0, secret)

    def retire_secrets(self, endpoint: str) -> None:
        """Only the newest secret still signs."""
        del self._endpoints()[endpoint]["_secrets"][1:]

    # Drills. `match` is an event type with `*`, an id of an event or its object, or a predicate.

    def drop(self, match: Match) -> None:
        """Matching deliveries are lost."""
        self._rules.append(_Rule(match, "drop"))

    def duplicate(self, match: Match, times: int = 1) -> None:
        """Matching deliveries come so many times more."""
        self._rules.append(_Rule(match, "duplicate", times))

    def delay(self, match: Match, seconds: int) -> None:
        self._rules.append(_Rule(match, "delay", seconds))

    def reorder(self, seed: int | None) -> None:
        """Deliver in an order drawn from this seed; None brings back the order of events."""
        self._shuffle = seed

    def calm(self) -> None:
        """No more drills; what was lost stays lost."""
        self._rules.clear()
        self._shuffle = None

    # On the way.

    def publish(self, book: Book, event: Json) -> None:
        """Queue an event for every endpoint that wants it."""
        waiting = [
            endpoint["id"]
            for endpoint in self._endpoints().values()
            if endpoints.wants(endpoint, event, book, self._world.platform)
        ]
        event["_waiting"] = waiting
        if "pending_webhooks" in event:
            event["pending_webhooks"] = len(waiting)
        for endpoint in waiting:
            self._enqueue(event["id"], endpoint)

    def resend(self, event: str) -> None:
        """As from the Dashboard: once more to every endpoint of the event's account."""
        found = self._world.find(event)
        if found is None:
            raise KeyError(event)
        for endpoint in self._endpoints().values():
            if endpoints.wants(endpoint, found[1], found[0], self._world.platform):
                self._enqueue(event, endpoint["id"], drilled=True)

    def pending(self) -> int:
        """How many deliveries are waiting, due or not."""
        return len(self.queue)

    async def deliver(self, send: Send, at_once: int = 1) -> dict[str, int]:
        """Send everything due, also what becomes due meanwhile; count what became of it.

        `at_once` deliveries are under way together; with one, they arrive in order.
        """
        counts: Counter[str] = Counter(delivered=0, failed=0, dropped=0, delayed=0, duplicated=0)
        while batch := self._take_due():
            for start in range(0, len(batch), at_once):
                together = batch[start : start + at_once]
                await asyncio.gather(*(self._send_one(one, send, counts) for one in together))
        return dict(counts)

    async def _send_one(self, delivery: Json, send: Send, counts: Counter[str]) -> None:
        if self._survives_drills(delivery, counts):
            counts[await self._attempt(delivery, send)] += 1

    def _take_due(self) -> list[Json]:
        now = self._world.clock.now()
        batch = [delivery for delivery in self.queue if delivery["due"] <= now]
        self.queue = [delivery for delivery in self.queue if delivery["due"] > now]
        if self._shuffle is not None:
            seed = self._shuffle
            batch.sort(key=lambda delivery: rank(seed, str(delivery["number"])))
        return batch

    def _survives_drills(self, delivery: Json, counts: Counter[str]) -> bool:
        """Let the rules act on a delivery, once; say whether it is to be sent now."""
        if delivery["drilled"]:
            return True
        delivery["drilled"] = True
        event = self._event(delivery)
        rules = [rule for rule in self._rules if _matches(rule.match, event)]
        if any(rule.effect == "drop" for rule in rules):
            counts["dropped"] += 1
            return False
        for _ in range(sum(rule.number for rule in rules if rule.effect == "duplicate")):
            self._enqueue(delivery["event"], delivery["endpoint"], drilled=True)
            counts["duplicated"] += 1
        wait = sum(rule.number for rule in rules if rule.effect == "delay")
        if wait:
            delivery["due"] = self._world.clock.now() + wait
            self.queue.append(delivery)
            counts["delayed"] += 1
            return False
        return True

    async def _attempt(self, delivery: Json, send: Send) -> str:
        endpoint = self._endpoints().get(delivery["endpoint"])
        if endpoint is None or endpoint["status"] != "enabled":
            return "failed"
        event = self._event(delivery)
        body = _body(event, endpoint)
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": signature(endpoint["_secrets"], self._world.clock.now(), body),
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        }
        try:
            status = await send(endpoint["url"], headers, body)
        except (OSError, httpx.HTTPError):
            status = 0
        if 200 <= status < 300:
            _delivered(event, endpoint["id"])
            return "delivered"
        self._retry(delivery)
        return "failed"

    def _retry(self, delivery: Json) -> None:
        now = self._world.clock.now()
        delivery["attempts"] += 1
        pause = min(_FIRST_PAUSE * 4 ** (delivery["attempts"] - 1), _LONGEST_PAUSE)
        if now + pause - delivery["since"] <= _KEEP_TRYING:
            delivery["due"] = now + pause
            self.queue.append(delivery)

    def _enqueue(self, event: str, endpoint: str, drilled: bool = False) -> None:
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
            }
        )

    def _event(self, delivery: Json) -> Json:
        found = self._world.find(delivery["event"])
        if found is None:
            raise KeyError(delivery["event"])
        return found[1]

    def _endpoints(self) -> dict[str, Json]:
        return self._world.home.shelf("webhook_endpoint")


def signature(secrets: list[str], timestamp: int, body: bytes) -> str:
    """`Stripe-Signature`: one v1 for each secret still in use."""
    signed = str(timestamp).encode() + b"." + body
    digests = [hmac.new(s.encode(), signed, hashlib.sha256).hexdigest() for s in secrets]
    return ",".join([f"t={timestamp}", *(f"v1={digest}" for digest in digests)])


def _body(event: Json, endpoint: Json) -> bytes:
    shown = {name: value for name, value in event.items() if name[:1] != "_"}
    if endpoint["api_version"] and "api_version" in shown:
        shown["api_version"] = endpoint["api_version"]
    return msgspec.json.encode(shown)


def _delivered(event: Json, endpoint: str) -> None:
    if endpoint in event["_waiting"]:
        event["_waiting"].remove(endpoint)
    if "pending_webhooks" in event:
        event["pending_webhooks"] = len(event["_waiting"])


def _matches(match: Match, event: Json) -> bool:
    if callable(match):
        return match(event)
    about = event.get("related_object") or event["data"]["object"]
    return match in (event["id"], about.get("id")) or fnmatchcase(event["type"], match)
