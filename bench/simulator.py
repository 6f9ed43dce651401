"""The simulated Stripe itself: a month of payments through its front door, and the bulk path."""

from __future__ import annotations

import asyncio
import time
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import msgspec
from rich.console import Console

from bench.outcome import Outcome, Say, progress, require
from reconciler.simulator import Simulator
from reconciler.simulator.kernel.clock import DAY

PAYMENTS = 10_000
DAYS = 30
PAYMENTS_PER_REFUND = 10
MONTH_SECONDS = 30.0
MOVEMENTS = 1_000_000
BULK_SECONDS = 60.0
AMOUNT = 2_000


@dataclass(slots=True)
class _Bank:
    """Where webhooks are delivered: a receiver that only counts."""

    received: int = 0

    async def send(self, url: str, headers: dict[str, str], body: bytes) -> int:
        self.received += 1
        return 200


class _Caller:
    """The shortest way to an ASGI app, so that the app is what is measured."""

    def __init__(self, simulator: Simulator) -> None:
        self._app = simulator.app
        self._headers = [
            (b"host", b"stripe.test"),
            (b"authorization", f"Bearer {simulator.secret_key}".encode()),
            (b"content-type", b"application/x-www-form-urlencoded"),
        ]

    async def post(self, path: str, **form: Any) -> dict[str, Any]:
        sent = urlencode(form).encode()
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [*self._headers, (b"content-length", str(len(sent)).encode())],
            "server": ("stripe.test", 80),
            "client": ("127.0.0.1", 1),
        }
        answer: dict[str, Any] = {"body": b""}

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": sent, "more_body": False}

        async def send(message: MutableMapping[str, Any]) -> None:
            answer["status"] = message.get("status", answer.get("status"))
            answer["body"] += message.get("body", b"")

        await self._app(scope, receive, send)
        require(answer["status"] == 200, f"POST {path}: {answer['body']!r}")
        return dict(msgspec.json.decode(answer["body"]))


def measure(console: Console) -> list[Outcome]:
    """Both in one process, one after the other."""
    with progress(console, "Simulator") as say:
        return [_month(say), _bulk(say)]


def _month(say: Say) -> Outcome:
    simulator, bank = Simulator(), _Bank()
    begun = time.perf_counter()
    asyncio.run(_payments(simulator, bank, say))
    seconds = time.perf_counter() - begun
    book = simulator.world.home
    require(simulator.audit() == [], "the books are wrong after a month of payments")
    require(len(book.shelf("charge")) == PAYMENTS, "some payments are missing")
    require(len(book.shelf("payout")) > DAYS // 2, "the automatic payouts are missing")
    require(bank.received >= 3 * PAYMENTS, f"only {bank.received} webhooks were delivered")
    return _outcome(f"a month of {PAYMENTS:,} payments through ASGI", seconds, MONTH_SECONDS)


async def _payments(simulator: Simulator, bank: _Bank, say: Say) -> None:
    """Pay, refund now and then, settle, pay out to the bank, and deliver what is told of it."""
    caller = _Caller(simulator)
    simulator.webhooks.register("https://service.test", "whsec_measured")
    simulator.acts.payout_schedule("daily")
    made = 0
    for day in range(1, DAYS + 1):
        while made < PAYMENTS * day // DAYS:
            await _pay(caller, refunds=made % PAYMENTS_PER_REFUND == 0)
            made += 1
        await simulator.webhooks.deliver(bank.send)
        simulator.clock.advance(DAY)
        say(f"day {day}: {made:,} payments, {bank.received:,} webhooks")
    await simulator.webhooks.deliver(bank.send)


async def _pay(caller: _Caller, *, refunds: bool) -> None:
    paid = await caller.post(
        "/v1/payment_intents",
        amount=AMOUNT,
        currency="usd",
        confirm="true",
        payment_method="pm_card_visa",
        **{"allowed_payment_method_types[0]": "card"},
    )
    if refunds:
        await caller.post("/v1/refunds", payment_intent=paid["id"], amount=AMOUNT // 2)


def _bulk(say: Say) -> Outcome:
    simulator = Simulator()
    say(f"making {MOVEMENTS:,} balance transactions")
    begun = time.perf_counter()
    made = simulator.acts.bulk(MOVEMENTS)["balance_transactions"]
    seconds = time.perf_counter() - begun
    require(made == MOVEMENTS, f"{made:,} balance transactions were made")
    say("auditing them")
    require(simulator.audit() == [], "the books are wrong after the bulk path")
    return _outcome(f"{MOVEMENTS:,} balance transactions by the bulk path", seconds, BULK_SECONDS)


def _outcome(measurement: str, seconds: float, target: float) -> Outcome:
    return Outcome(
        measurement,
        f"{target:.0f} s",
        f"{seconds:.1f} s",
        f"{target / seconds:.1f}x",
        f"under {target:.0f} s",
        seconds < target,
    )
