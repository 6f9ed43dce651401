"""A small month of a platform: clean life with all that is usual, and tools to plant what is not.

Everything is drawn from one seed. Webhooks come late, twice and in any order; some are lost and
found again by the sweep. None of that is a difference.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec

from reconciler.intake.mirror_balance import mirror_balance
from reconciler.simulator.outside.webhooks.delivery import signature
from tests.front.asking import ask
from tests.harness import BASE, SECRET, Service

DAY, HOUR = 86_400, 3_600

Json = dict[str, Any]

CURRENCIES = ("usd", "usd", "usd", "eur", "gbp", "jpy", "kwd")
SETTLED = {"usd", "eur"}
MERCHANTS = ("bakery", "books", "cycles")
OTHERS = {"app": "shop"}
"""The metadata of another application on the same Stripe account."""

FOREIGN = "shop:metadata.app=shop"

AMOUNTS = (5_000, 9_990, 12_340, 20_000)
"""Many payments are of one of these: coinciding amounts must not mislead anybody."""


@dataclass
class Month:
    it: Service
    random: random.Random
    accounts: dict[str, str] = field(default_factory=dict)
    paid: list[Json] = field(default_factory=list)  # intents nobody has done anything with
    payouts: list[Json] = field(default_factory=list)  # completed payouts, whole
    lost: set[tuple[str, str]] = field(default_factory=set)  # event type's begin, object id
    written: int = 0

    @property
    def simulator(self) -> Any:
        return self.it.simulator

    @property
    def now(self) -> int:
        return int(self.simulator.clock.now())

    # -- what happens ---------------------------------------------------------------------------

    def wait(self, least: int, most: int | None = None) -> None:
        self.simulator.clock.advance(self.random.randint(least, most or least))

    def amount(self, currency: str) -> int:
        """Of the currency's own size; a multiple of ten, as three-decimal ones want it."""
        if self.random.random() < 0.4:
            return self.random.choice(AMOUNTS)
        return self.random.randint(200, 6_000) * 10

    def pay(self, currency: str = "usd", amount: int = 0, **more: Any) -> Json:
        """A payment that succeeded, or is to be captured; nobody has heard of it yet."""
        amount = amount or self.amount(currency)
        merchant = self.random.choice(MERCHANTS)
        metadata = {"merchant_id": merchant, "platform_fee": str(amount // 10)}
        if self.random.random() < 0.15:
            metadata = {}
        options = {"card": "pm_card_bypassPending", "metadata": metadata, **more}
        return dict(self.simulator.acts.pay(amount, currency, **options))

    async def heard(self, currency: str = "usd", amount: int = 0, **more: Any) -> Json:
        """A payment that the service has heard of."""
        intent = self.pay(currency, amount, **more)
        await self.listen()
        if any(delivery["due"] <= self.now + 310 for delivery in self.simulator.webhooks.queue):
            await self.rest()
        return intent

    async def listen(self) -> None:
        """Some seconds pass; webhooks arrive and are applied."""
        self.wait(5, 40)
        await self.it.listen()

    async def mirror(self) -> None:
        """Stripe's movements are mirrored, as they are every few minutes."""
        assert self.it.context.stripe is not None
        await mirror_balance(self.it.context, self.it.context.stripe)

    async def rest(self) -> None:
        """What is late has come, too."""
        self.wait(310, 2 * HOUR)
        await self.it.listen()

    def find(self, id: str) -> Json:
        found = self.simulator.world.find(id)
        assert found is not None, id
        return dict(found[1])

    def movements(self, source: str) -> list[Json]:
        rows = self.simulator.world.home.shelf("balance_transaction").values()
        return [row for row in rows if row["source"] == source]

    async def pay_out(self, merchant: str, amount: int, expect: str = "completed") -> Json:
        """A payout of ours through the API."""
        asked = {"merchant": merchant, "amount": amount, "currency": "usd"}
        answer = await ask(self.it, "/v1/payouts", asked)
        assert answer.status_code == 201, answer.text
        done = dict(answer.json())
        assert done["status"] == expect, done
        return done

    async def paid_out(self, amount: int = 0) -> Json:
        """A payout of ours that was executed and that the service has heard of."""
        merchant = self.random.choice(MERCHANTS)
        amount = amount or self.random.randint(20, 80) * 100
        meta = {"merchant_id": merchant}
        await self.heard("usd", amount + 40_000, metadata=meta)
        done = await self.pay_out(merchant, amount)
        await self.listen()
        return done

    # -- what nobody hears of -------------------------------------------------------------------

    def lose(self, id: str, types: str = "") -> None:
        """Webhooks of types that begin so, about this object or what belongs to it, are lost."""
        self.lost.add((types, id))

    def is_lost(self, event: Json) -> bool:
        subject = event["data"]["object"]
        names = ("id", "payment_intent", "charge", "latest_charge", "transfer")
        about = {subject.get(name) for name in names if isinstance(subject.get(name), str)}
        return any(id in about and event["type"].startswith(t) for t, id in self.lost)

    def unsend(self, id: str, types: str = "") -> None:
        """Stripe never made the events about this object: its list does not have them either."""
        self.lose(id, types)
        shelf = self.simulator.world.home.shelf("event")
        gone = [e["id"] for e in shelf.values() if self.is_lost(e)]
        for event in gone:
            del shelf[event]
        queue = self.simulator.webhooks.queue
        queue[:] = [delivery for delivery in queue if delivery["event"] not in gone]

    @contextmanager
    def unreadable(self, path: str) -> Iterator[None]:
        """Objects below this path cannot be read."""
        fault = self.simulator.faults.add("GET", path, effect="429", times=None)
        yield
        self.simulator.faults.planned.remove(fault)

    @contextmanager
    def setting(self, **changed: Any) -> Iterator[None]:
        """Stripe does some things otherwise for a while."""
        settings = self.simulator.settings
        before = {name: getattr(settings, name) for name in changed}
        for name, value in changed.items():
            setattr(settings, name, value)
        yield
        for name, value in before.items():
            setattr(settings, name, value)

    # -- what is made up ------------------------------------------------------------------------

    def event_about(self, type: str, id: str) -> Json:
        """The newest event of this type about the object, as Stripe has it."""
        shelf = self.simulator.world.home.shelf("event")
        found = [e for e in shelf.values() if e["type"] == type and e["data"]["object"]["id"] == id]
        return dict(msgspec.json.decode(msgspec.json.encode(_shown(found[-1]))))

    def made_up(self, type: str, subject: Json, created: int = 0, **more: Any) -> Json:
        """An event as Stripe would write it about an object in this state."""
        self.written += 1
        return {
            "id": f"evt_made_up_{self.written:04d}",
            "object": "event",
            "type": type,
            "api_version": self.simulator.settings.api_version,
            "created": created or self.now,
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "data": {"object": _shown(subject)},
            **more,
        }

    async def deliver(self, event: Json) -> None:
        """One webhook, signed as Stripe signs it, arrives and is applied."""
        body = msgspec.json.encode(event)
        headers = {"Stripe-Signature": signature([SECRET], self.now, body)}
        assert await self.it.send(f"{BASE}/webhooks/stripe", headers, body) == 200
        await self.it.settle()

    async def write(self, sql: str, **values: Any) -> None:
        """Somebody writes to our database."""
        async with self.it.context.database.write() as session:
            await session.run(sql, **values)


def _shown(thing: Json) -> Json:
    return {name: value for name, value in thing.items() if name[:1] != "_"}
