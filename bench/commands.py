"""Payouts asked for over HTTP, with a Stripe that answers at once: what a command costs here.

Each is claimed by its key, decided, sent and recorded: four durable commits, shared with whatever
else is at work. Beside it, the one call to Stripe that each needs, alone: what remains between
them is the price of the promises. Stripe itself takes 25 requests a second for an endpoint.
"""

from __future__ import annotations

import asyncio
import statistics
import urllib.request
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import msgspec
from rich.console import Console

from bench.load import Round, post_all
from bench.outcome import Outcome, Say, progress, require, workplace
from bench.payout_servers import KEY, MADE, PATH, running, settings
from bench.servers import HOST, Server
from reconciler.app import opened
from reconciler.context import Context
from reconciler.domain.lifecycle import Kind
from reconciler.intake.absorb import Arrival, absorb
from reconciler.store import merchants
from tests.domain.making import charge, intent, snapshot

PAYOUTS = 1000
WARM_UP = 100
ROUNDS = 5
CONNECTIONS = 16
MERCHANTS = 20
LEAST_RATE = 200.0


def measure(console: Console) -> list[Outcome]:
    """The two servers in turn, round after round; their median rates count."""
    with workplace() as folder, progress(console, "Commands") as say, ExitStack() as stack:
        file = folder / "service.db"
        asyncio.run(_prepare(file))
        stripe = stack.enter_context(running("stripe", folder))
        servers = [
            stack.enter_context(running(kind, file, stripe.port)) for kind in ("calls", "service")
        ]
        for server in servers:
            _round(server, f"{server.kind}-warm", WARM_UP)
        rounds: dict[str, list[Round]] = {server.kind: [] for server in servers}
        for number in range(1, ROUNDS + 1):
            for server in servers:
                rounds[server.kind].append(_measured(server, number, say))
        asked = ROUNDS * PAYOUTS + WARM_UP
        _check(rounds)
        require(_made(stripe) == 2 * asked, f"Stripe made {_made(stripe)} of {2 * asked} transfers")
        asyncio.run(_check_books(file, asked))
    return _outcomes(rounds)


async def _prepare(file: Path) -> None:
    async with opened(settings(file, 1)) as context:
        await _owed(context)


async def _owed(context: Context) -> None:
    """Merchants who can be paid and are owed plenty."""
    now, owed = context.now(), 10**9
    async with context.write_books() as session:
        for number in range(MERCHANTS):
            id, account = f"m{number}", f"acct_{number}"
            await merchants.connect(session, id, id, account, now)
            family = {"family": f"pi_{number}", "merchant": id, "platform_fee": 0}
            paid = [
                replace(intent(owed, f"ch_{number}", **family), id=f"pi_{number}"),
                charge(owed, f"ch_{number}", payment_intent=f"pi_{number}", **family),
                snapshot(Kind.ACCOUNT, account, transfers="active"),
            ]
            await absorb(session, context.policy, [Arrival(s, "bench") for s in paid], now)


def _measured(server: Server, number: int, say: Say) -> Round:
    say(f"{server.kind}: {PAYOUTS:,} payouts")
    done = _round(server, f"{server.kind}-{number}", PAYOUTS)
    say(f"{server.kind}, round {number} of {ROUNDS}: {done.rate:,.0f}/s")
    return done


def _round(server: Server, name: str, count: int) -> Round:
    requests = [_request(server.port, f"{name}-{index}", index) for index in range(count)]
    return post_all(HOST, server.port, requests, CONNECTIONS, status=201)


def _request(port: int, key: str, index: int) -> bytes:
    body = {"merchant": f"m{index % MERCHANTS}", "amount": 100, "currency": "usd"}
    sent = msgspec.json.encode(body)
    head = (
        f"POST {PATH} HTTP/1.1\r\nhost: {HOST}:{port}\r\nauthorization: Bearer {KEY}\r\n"
        f"idempotency-key: {key}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(sent)}\r\n\r\n"
    )
    return head.encode() + sent


def _check(rounds: dict[str, list[Round]]) -> None:
    for kind, done in rounds.items():
        refused = [text for each in done for text in each.refused]
        require(not refused, f"{kind} refused {len(refused)}, first: {refused[:1]}")
        answered = sum(len(each.latencies) for each in done)
        require(answered == ROUNDS * PAYOUTS, f"{kind} answered {answered}")


def _made(stripe: Server) -> int:
    with urllib.request.urlopen(f"http://{HOST}:{stripe.port}{MADE}") as answer:
        made: int = msgspec.json.decode(answer.read())["made"]
    return made


async def _check_books(file: Path, asked: int) -> None:
    """Each payout is completed by a transfer of its own, and the audit log tells of it twice."""
    async with opened(settings(file, 1)) as context, context.database.read() as session:
        row = await session.one(
            "SELECT COUNT(*) AS completed, COUNT(DISTINCT transfer_id) AS transfers,"
            " (SELECT COUNT(*) FROM audit_log WHERE action LIKE :payouts) AS told"
            " FROM payouts WHERE status = 'completed'",
            payouts="payout.%",
        )
    assert row is not None
    require(
        dict(row) == {"completed": asked, "transfers": asked, "told": 2 * asked},
        f"of {asked} payouts: {dict(row)}",
    )


def _outcomes(rounds: dict[str, list[Round]]) -> list[Outcome]:
    rate = {kind: statistics.median(r.rate for r in done) for kind, done in rounds.items()}
    p50, p99 = (
        statistics.median(r.percentile(share) for r in rounds["service"]) for share in (0.50, 0.99)
    )
    return [
        Outcome(
            f"payouts, against their transfers at Stripe alone (p50 {p50 * 1000:.0f} ms, p99"
            f" {p99 * 1000:.0f} ms)",
            f"{rate['calls']:,.0f}/s",
            f"{rate['service']:,.0f}/s",
            f"{rate['service'] / rate['calls']:.2f} x",
            f">= {LEAST_RATE:,.0f}/s",
            rate["service"] >= LEAST_RATE,
        )
    ]
