"""Webhooks as people steer them: endpoints and their secrets, drills, sending again.

Nothing is sent by itself: `deliver` sends what is due at the virtual time, through whatever sender
it is given. How it travels is the business of the post.
"""

from collections.abc import Callable, Iterator
from typing import Any

from reconciler.simulator.kernel.world import Call, Json, World
from reconciler.simulator.objects.notices import endpoints
from reconciler.simulator.outside.webhooks.drills import Drills, Match
from reconciler.simulator.outside.webhooks.letters import signature
from reconciler.simulator.outside.webhooks.post import Post, Send

__all__ = ["Match", "Send", "Webhooks", "signature"]


class Webhooks:
    def __init__(self, world: World) -> None:
        self._world = world
        self._drills = Drills(world.ids)
        self._post = Post(world, self._drills)
        world.publish = self._post.publish

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

    def roll_secret(
        self, endpoint: str, secret: str | None = None, seconds: int | None = None
    ) -> str:
        """Sign with a new secret, which is returned.

        The old ones sign too: for so many seconds (at Stripe up to a day), or until retired.
        """
        new = secret or endpoints.new_secret(self._world)
        until = None if seconds is None else self._world.clock.now() + seconds
        endpoints.roll(self._known(endpoint), new, until)
        return new

    def retire_secrets(self, endpoint: str) -> None:
        """Only the newest secret still signs."""
        del self._known(endpoint)["_secrets"][1:]

    def disable(self, endpoint: str) -> None:
        """As from the Dashboard: what falls due meanwhile is not sent, nor tried again."""
        self._known(endpoint)["status"] = "disabled"

    def enable(self, endpoint: str) -> None:
        self._known(endpoint)["status"] = "enabled"

    # Drills. `match` is an event type with `*`, an id of an event or its object, or a predicate.

    def drop(self, match: Match, times: int | None = None, probability: float = 1.0) -> None:
        """Matching deliveries are lost."""
        self._drills.add(match, "drop", 0, times, probability)

    def duplicate(self, match: Match, times: int = 1, probability: float = 1.0) -> None:
        """Matching deliveries come so many times more."""
        self._drills.add(match, "duplicate", times, None, probability)

    def delay(
        self, match: Match, seconds: int, times: int | None = None, probability: float = 1.0
    ) -> None:
        self._drills.add(match, "delay", seconds, times, probability)

    def bad_signature(
        self, match: Match = "*", times: int | None = None, probability: float = 1.0
    ) -> None:
        """Matching deliveries are signed with a wrong secret at their first attempt."""
        self._drills.add(match, "bad_signature", 0, times, probability)

    def wrong_timestamp(
        self,
        match: Match = "*",
        seconds: int = -600,
        times: int | None = None,
        probability: float = 1.0,
    ) -> None:
        """Matching deliveries bear a time so far from the true one at their first attempt."""
        self._drills.add(match, "wrong_timestamp", seconds, times, probability)

    def truncate(
        self, match: Match = "*", times: int | None = None, probability: float = 1.0
    ) -> None:
        """Half the body of matching deliveries is missing at their first attempt."""
        self._drills.add(match, "truncate", 0, times, probability)

    def reorder(self, seed: int | None) -> None:
        """Deliver in an order drawn from this seed; None brings back the order of events."""
        self._drills.shuffle = seed

    def rules(self) -> list[Json]:
        """The drills under way, each with its `id`."""
        return self._drills.rules()

    def remove(self, rule: int) -> None:
        """End one drill."""
        self._drills.remove(rule)

    def calm(self) -> None:
        """No more drills; what was lost stays lost."""
        self._drills.calm()

    # On the way.

    @property
    def queue(self) -> list[Json]:
        """What is waiting, in no particular order; each with the time it is `due`."""
        return self._post.queue

    @property
    def stamp(self) -> Callable[[], int]:
        """The time that signatures bear: the world's own, unless a server lends another."""
        return self._post.stamp

    @stamp.setter
    def stamp(self, clock: Callable[[], int]) -> None:
        self._post.stamp = clock

    def resend(self, event: str, endpoint: str | None = None) -> None:
        """As from the Dashboard: once more, to one endpoint or all of the event's account.

        Whatever becomes of it, automatic retries go on as they would have.
        """
        found = self._world.find(event)
        if found is None:
            raise KeyError(event)
        for each in self._post.reached(found[0]):
            wanted = endpoints.wants(each, found[1], found[0])
            if endpoint == each["id"] or (endpoint is None and wanted):
                self._post.enqueue(event, each["id"], drilled=True, automatic=False)

    def pending(self) -> int:
        """How many deliveries are waiting, due or not."""
        return len(self.queue)

    def attempts(self, event: str) -> list[Json]:
        """What the journal knows of the deliveries of an event, newest first."""
        noted: Iterator[dict[str, Any]] = self._world.journal.newest(event)
        return [entry for entry in noted if entry["kind"] == "delivery"]

    async def deliver(self, send: Send, at_once: int = 1) -> dict[str, int]:
        """Send everything due, also what becomes due meanwhile; count what became of it.

        `at_once` deliveries are under way together; with one, they arrive in order.
        """
        return await self._post.deliver(send, at_once)

    def state(self) -> Json:
        return {"post": self._post.state(), "drills": self._drills.state()}

    def restore(self, state: Json) -> None:
        self._post.restore(state["post"])
        self._drills.restore(state["drills"])

    def _known(self, endpoint: str) -> Json:
        found = self._world.find(endpoint)
        if found is None or "_secrets" not in found[1]:
            raise KeyError(endpoint)
        return found[1]
