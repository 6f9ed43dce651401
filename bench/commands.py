"""Payouts asked for over HTTP, with a Stripe that answers at once: what a command costs here.

Each is claimed by its key, decided, sent and recorded: four durable commits. Stripe itself takes 25
requests a second for an endpoint, so this is what the service adds, not what it waits for.
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
import sys
import time
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

import httpx
import msgspec
import uvloop
from rich.console import Console

from bench.outcome import Outcome, Say, progress, require, workplace
from reconciler.app import World, build_app
from reconciler.context import Context
from reconciler.domain.lifecycle import Kind
from reconciler.intake.absorb import Arrival, absorb
from reconciler.settings import Settings
from reconciler.store import merchants
from tests import engines
from tests.domain.making import charge, intent, snapshot

PAYOUTS = 600
ROUNDS = 3
AT_ONCE = 32
MERCHANTS = 20
NOW = 1_790_000_000
LEAST_RATE = 200.0
STRIPES_RATE = 25.0
KEY = "rec_admin_key_for_the_benchmark"


def measure(console: Console) -> list[Outcome]:
    """One process on SQLite; the median round counts."""
    with workplace() as folder, progress(console, "Commands") as say:
        url = engines.migrated_url("sqlite", folder, None)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # as `serve` runs
            rate = statistics.median(runner.run(_rounds(url, say)))
    return [
        Outcome(
            "payouts over HTTP, SQLite, one process, an instant Stripe",
            f"{STRIPES_RATE:,.0f}/s (Stripe's limit)",
            f"{rate:,.0f}/s",
            f"{rate / STRIPES_RATE:.1f}x",
            f"{LEAST_RATE:,.0f}/s",
            rate >= LEAST_RATE,
        )
    ]


async def _rounds(url: str, say: Say) -> list[float]:
    # httpx's ASGI transport looks for this on the disk at each request, which no network does.
    sys.modules.setdefault("sniffio", None)  # type: ignore[arg-type]
    ids = itertools.count(1)
    stripe = _Stripe()
    world = World(lambda: NOW, lambda prefix: f"{prefix}_{next(ids):08d}", stripe)
    app = build_app(_settings(url), world, jobs=False)
    rates = []
    async with app.router.lifespan_context(app):
        await _prepare(app.state.shared.context)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            for number in range(ROUNDS):
                begun = time.perf_counter()
                await _payouts(client, number)
                rates.append(PAYOUTS / (time.perf_counter() - begun))
                say(f"round {number + 1}: {rates[-1]:,.0f} payouts/s")
        await _check(app.state.shared.context, stripe)
    return rates


def _settings(url: str) -> Settings:
    return Settings.model_validate(
        {
            "DATABASE_URL": url,
            "STRIPE_SECRET_KEY": "sk_test_benchmark000000000000",
            "STRIPE_WEBHOOK_SECRET": "whsec_benchmark",
            "STRIPE_API_BASE": "http://stripe.test",
            "RECONCILER_ADMIN_KEY": KEY,
            "RECONCILER_STRIPE_RATE": 100_000,
            "RECONCILER_STRIPE_ENDPOINT_RATE": 100_000,
        }
    )


async def _prepare(context: Context) -> None:
    """Merchants who can be paid and are owed plenty."""
    async with context.write_books() as session:
        for number in range(MERCHANTS):
            id, account = f"m{number}", f"acct_{number}"
            await merchants.connect(session, id, id, account, NOW)
            owed = 10**9
            family = {"family": f"pi_{number}", "merchant": id, "platform_fee": 0}
            paid = [
                replace(intent(owed, f"ch_{number}", **family), id=f"pi_{number}"),
                charge(owed, f"ch_{number}", payment_intent=f"pi_{number}", **family),
                snapshot(Kind.ACCOUNT, account, transfers="active"),
            ]
            await absorb(session, context.policy, [Arrival(s, "bench") for s in paid], NOW)


async def _payouts(client: httpx.AsyncClient, number: int) -> None:
    left = iter(range(PAYOUTS))

    async def work() -> None:
        for index in left:
            body = {"merchant": f"m{index % MERCHANTS}", "amount": 100, "currency": "usd"}
            headers = {"Authorization": f"Bearer {KEY}", "Idempotency-Key": f"{number}-{index}"}
            answer = await client.post("/v1/payouts", json=body, headers=headers)
            require(answer.status_code == 201, answer.text)
            require(answer.json()["status"] == "completed", answer.text)

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))


async def _check(context: Context, stripe: _Stripe) -> None:
    async with context.database.read() as session:
        row = await session.one(
            "SELECT COUNT(*) AS rows, COUNT(DISTINCT transfer_id) AS transfers FROM payouts"
            " WHERE status = 'completed'"
        )
    assert row is not None
    asked = PAYOUTS * ROUNDS
    require(row["rows"] == row["transfers"] == stripe.made == asked, f"of {asked}: {dict(row)}")


class _Stripe:
    """Answers at once, and keeps nothing: an ASGI app with two routes."""

    def __init__(self) -> None:
        self.made = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        answer = self._transfer(body) if scope["method"] == "POST" else _balance()
        headers = [(b"content-type", b"application/json"), (b"request-id", b"req_1")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": msgspec.json.encode(answer)})

    def _transfer(self, body: bytes) -> dict[str, Any]:
        self.made += 1
        sent = {key: values[0] for key, values in parse_qs(body.decode()).items()}
        return {
            "id": f"tr_{self.made:08d}",
            "object": "transfer",
            "amount": int(sent["amount"]),
            "amount_reversed": 0,
            "currency": sent["currency"],
            "destination": sent["destination"],
            "created": NOW,
            "metadata": {"reconciler_payout": sent["metadata[reconciler_payout]"]},
            "transfer_group": sent["transfer_group"],
            "reversals": {"data": [], "has_more": False},
        }


def _balance() -> dict[str, Any]:
    money = {"amount": 10**12, "currency": "usd", "source_types": {"card": 10**12}}
    return {"object": "balance", "available": [money], "pending": [], "livemode": False}
