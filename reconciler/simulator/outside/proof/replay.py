"""Recorded traffic played again, call by call: does the simulator answer as Stripe did?

Ids differ, so each id of the recording is paired with the one met in its place; from then on the
pair must hold. What cannot be the same is named in `NOT_COMPARED` with its reason. Everything else
that Stripe answered is compared, field by field.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from reconciler.simulator.kernel.settings import Settings
from reconciler.simulator.outside.proof import beforehand
from reconciler.simulator.outside.proof.behind import settings_for
from reconciler.simulator.outside.proof.recording import ID, Exchange, ids_in
from reconciler.simulator.simulator import Simulator

NOT_COMPARED: dict[str, str] = {
    "application": "the platform's Connect application is not part of the traffic",
    "application_icon": "a picture of the platform's own",
    "application_logo": "a picture of the platform's own",
    "application_name": "set in the platform's Dashboard",
    "application_url": "set in the platform's Dashboard",
    "authorization_code": "made up by the card network",
    "capture_before": "counted from a second that the recording does not hold",
    "client_ip": "who asked is redacted in recordings",
    "client_secret": "a secret, drawn anew",
    "created": "the second of the effect is not in the recording, only that of the answer",
    "exp_month": "test cards expire in the year after they are used",
    "exp_year": "test cards expire in the year after they are used",
    "fingerprint": "drawn by Stripe",
    "invoice_prefix": "drawn by Stripe",
    "mandate_reference": "drawn by Stripe",
    "mandate_url": "a secret address",
    "network_transaction_id": "made up by the card network",
    "receipt_url": "a secret address",
    "reference": "drawn by Stripe",
    "request_log_url": "an address in Stripe's own dashboard",
    "risk_score": "Stripe's own judgement",
    "sepa_debit.url": "a secret address",
    "tos_acceptance.ip": "who asked is not part of the recording",
    "tos_acceptance.user_agent": "who asked is not part of the recording",
}
"""Fields that no other Stripe could answer with the same value, and why."""

_REDACTED = ("redacted@example.com",)


@dataclass(frozen=True)
class Difference:
    """A field, or the status, that the simulator answered otherwise."""

    exchange: int
    operation: str
    field: str
    recorded: Any
    answered: Any


@dataclass
class Replayed:
    exchanges: int = 0
    same_status: int = 0
    compared: int = 0
    not_compared: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)

    @property
    def equal(self) -> float:
        """The share of compared fields that are equal."""
        return 1 - len(self.differences) / self.compared if self.compared else 1.0


def replay(exchanges: list[Exchange], seed: int = 1) -> Replayed:
    """Play a recording against a fresh simulator, set up as the account behind it."""
    simulator = Simulator(
        seed=seed, now=exchanges[0].moment, settings=settings_for(exchanges, Settings())
    )
    player = Replay(simulator)
    for recorded, ours in beforehand.made(simulator, exchanges):
        player.pair(recorded, ours)
    return asyncio.run(player.play(exchanges))


class Replay:
    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._pairs: dict[str, str] = {}
        self.result = Replayed()

    def pair(self, recorded: str, ours: str) -> None:
        """An object that was there before the recording began."""
        self._pairs[recorded] = ours

    async def play(self, exchanges: list[Exchange]) -> Replayed:
        transport = httpx.ASGITransport(app=self._simulator.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://stripe.test") as http:
            for exchange in exchanges:
                await self._play(http, exchange)
        return self.result

    async def _play(self, http: httpx.AsyncClient, exchange: Exchange) -> None:
        clock = self._simulator.clock
        clock.advance(max(0, exchange.moment - clock.now()))
        query = f"?{self._ours(exchange.query)}" if exchange.query else ""
        answer = await http.request(
            exchange.method,
            self._ours(exchange.path) + query,
            headers=self._headers(exchange),
            content=self._ours(exchange.form),
        )
        self.result.exchanges += 1
        self.result.same_status += answer.status_code == exchange.status
        operation = f"{exchange.method} {exchange.path}"
        if answer.status_code != exchange.status:
            self._differ(exchange, "status", exchange.status, f"{answer.status_code} {answer.text}")
            return
        for name, recorded, ours in self._leaves(exchange.body, answer.json(), ""):
            self._compare(exchange, operation, name, recorded, ours)

    def _headers(self, exchange: Exchange) -> dict[str, str]:
        given = {
            "Authorization": f"Bearer {self._simulator.secret_key}",
            "Content-Type": "application/x-www-form-urlencoded",
            "Idempotency-Key": exchange.key,
            "Stripe-Account": self._ours(exchange.account or "") or None,
            "Stripe-Version": exchange.version,
        }
        return {name: value for name, value in given.items() if value}

    def _ours(self, text: str) -> str:
        """A text of the recording with its ids exchanged for ours."""
        return ID.sub(lambda found: self._pairs.get(found[0], found[0]), text)

    def _leaves(self, recorded: Any, ours: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
        if isinstance(recorded, dict):
            there = ours if isinstance(ours, dict) else {}
            for name, below in recorded.items():
                yield from self._leaves(below, there.get(name, "absent"), f"{path}.{name}")
        elif isinstance(recorded, list):
            rows = ours if isinstance(ours, list) else []
            yield f"{path}.length", len(recorded), len(rows)
            for number, below in enumerate(recorded[: len(rows)]):
                yield from self._leaves(below, rows[number], f"{path}.{number}")
        else:
            yield path, recorded, ours

    def _compare(
        self, exchange: Exchange, operation: str, name: str, recorded: Any, ours: Any
    ) -> None:
        unequal = next((known for known in NOT_COMPARED if f".{known}." in f"{name}."), None)
        if unequal or recorded in _REDACTED:
            self.result.not_compared[unequal or "redacted"] += 1
            return
        self.result.compared += 1
        if isinstance(recorded, str) and isinstance(ours, str):
            self._learn(recorded, ours)
            recorded = self._ours(recorded)
        if recorded != ours:
            self._differ(exchange, name, recorded, ours)

    def _learn(self, recorded: str, ours: str) -> None:
        """Pair ids met in the same place for the first time, if they are of one kind."""
        for theirs, mine in zip(ids_in(recorded), ids_in(ours), strict=False):
            if theirs.partition("_")[0] == mine.partition("_")[0]:
                self._pairs.setdefault(theirs, mine)

    def _differ(self, exchange: Exchange, name: str, recorded: Any, answered: Any) -> None:
        operation = f"{exchange.method} {exchange.path}"
        difference = Difference(exchange.number, operation, name, recorded, answered)
        self.result.differences.append(difference)
