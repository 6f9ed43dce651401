"""Webhooks acknowledged per second, each durable before its 200, over 64 connections.

Beside the naive way, and beside the same route that keeps nothing: the price of durability. What a
busy machine adds to the slowest answers shows in those of the latter too.
"""

from __future__ import annotations

import sqlite3
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from itertools import islice

from rich.console import Console

from bench.events import payments, signature
from bench.load import Round, post_all
from bench.outcome import Outcome, Say, progress, require, workplace
from bench.servers import HOST, PATH, SECRET, Server, running

CONNECTIONS = 64
ROUNDS = 5
REQUESTS = {"naive": 500, "unstored": 12_000, "service": 10_000}
"""In one round; each takes a second or two on an idle machine."""
WARM_UP = 2 * CONNECTIONS

LEAST_TIMES_NAIVE = 15.0
LEAST_SHARE_OF_UNSTORED = 0.5
LONGEST_P99_SECONDS = 0.060


def measure(console: Console) -> list[Outcome]:
    """The three servers in turn, round after round; their median rates count."""
    with workplace() as folder, progress(console, "Webhooks") as say, ExitStack() as stack:
        servers = [stack.enter_context(running(kind, folder / f"{kind}.db")) for kind in REQUESTS]
        events = payments(1, 10**9, int(time.time()))
        bodies = (event.body for event in events)
        warm = {s.kind: _round(s, bodies, WARM_UP, say) for s in servers}
        rounds: dict[str, list[Round]] = {kind: [] for kind in REQUESTS}
        for number in range(1, ROUNDS + 1):
            for server in servers:
                done = _round(server, bodies, REQUESTS[server.kind], say)
                say(f"{server.kind}, round {number} of {ROUNDS}: {done.rate:,.0f}/s")
                rounds[server.kind].append(done)
        for server in servers:
            _check(server, [warm[server.kind], *rounds[server.kind]])
    return _outcomes(rounds)


def _round(server: Server, bodies: Iterator[bytes], count: int, say: Say) -> Round:
    say(f"{server.kind}: {count:,} requests")
    now = int(time.time())
    requests = [_request(server.port, body, now) for body in islice(bodies, count)]
    return post_all(HOST, server.port, requests, CONNECTIONS)


def _request(port: int, body: bytes, now: int) -> bytes:
    head = (
        f"POST {PATH} HTTP/1.1\r\nhost: {HOST}:{port}\r\nuser-agent: Stripe/1.0"
        " (+https://stripe.com/docs/webhooks)\r\naccept: */*; q=0.5, application/xml\r\n"
        "content-type: application/json; charset=utf-8\r\ncache-control: no-cache\r\n"
        f"stripe-signature: {signature(body, SECRET, now)}\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _check(server: Server, rounds: list[Round]) -> None:
    """Every answer was 200, and what was acknowledged is on the disk, each once."""
    answered = sum(len(r.latencies) for r in rounds)
    sent = ROUNDS * REQUESTS[server.kind] + WARM_UP
    refused = [text for r in rounds for text in r.refused]
    require(not refused, f"{server.kind} refused {len(refused)}, first: {refused[:1]}")
    require(answered == sent, f"{server.kind} answered {answered} of {sent} requests")
    if server.kind == "unstored":
        return
    with closing(sqlite3.connect(server.file)) as database:
        stored = database.execute("SELECT COUNT(DISTINCT event_id) FROM inbox").fetchone()[0]
    require(stored == answered, f"{server.kind} acknowledged {answered} and holds {stored}")


def _outcomes(rounds: dict[str, list[Round]]) -> list[Outcome]:
    rate = {kind: statistics.median(r.rate for r in done) for kind, done in rounds.items()}
    ours = f"{rate['service']:,.0f}/s"
    times = rate["service"] / rate["naive"]
    share = rate["service"] / rate["unstored"]
    p50, p99 = (
        statistics.median(r.percentile(share) for r in rounds["service"]) for share in (0.50, 0.99)
    )
    unstored_p99 = statistics.median(r.percentile(0.99) for r in rounds["unstored"])
    return [
        Outcome(
            "webhooks, durable, against the naive way",
            f"{rate['naive']:,.0f}/s",
            ours,
            f"{times:.1f} x",
            f">= {LEAST_TIMES_NAIVE:.0f} x",
            times >= LEAST_TIMES_NAIVE,
        ),
        Outcome(
            "webhooks, durable, against not stored",
            f"{rate['unstored']:,.0f}/s",
            ours,
            f"{share:.2f} x",
            f">= {LEAST_SHARE_OF_UNSTORED:.1f} x",
            share >= LEAST_SHARE_OF_UNSTORED,
        ),
        Outcome(
            f"webhooks, p99 in the median round (p50 {p50 * 1000:.1f} ms)",
            f"{unstored_p99 * 1000:.1f} ms",
            f"{p99 * 1000:.1f} ms",
            f"{p99 / unstored_p99:.2f} x",
            f"< {LONGEST_P99_SECONDS * 1000:.0f} ms",
            p99 < LONGEST_P99_SECONDS,
        ),
    ]
