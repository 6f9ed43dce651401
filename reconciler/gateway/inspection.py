"""What this key may see of its Stripe account, tried with harmless reads, for a page that shows it.

Everything is asked at once and nobody waits longer than a few seconds: what did not come in time is
named as not read. Must not repeat an answer's words: Stripe quotes keys in them.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import stripe

from reconciler.gateway.budget import Priority
from reconciler.gateway.client import Gateway
from reconciler.gateway.fields import Json
from reconciler.gateway.outcomes import StripeUnavailable

PATIENCE_SECONDS = 4.0
KEPT_SECONDS = 60.0
KEPT_INCOMPLETE_SECONDS = 10.0

LISTED = 100
KEY_REFUSED = "Stripe does not know this key, or it has expired"


class Seen(StrEnum):
    """Closed list: what a harmless read showed."""

    GRANTED = "granted"
    MISSING = "missing"
    NOT_READ = "not_read"


@dataclass(frozen=True, slots=True)
class Probe:
    """One harmless read, and what the service needs the permission for."""

    name: str
    path: str
    needed_for: str
    params: Mapping[str, Any] = field(default_factory=lambda: {"limit": 1})


PROBES = (
    Probe("balance", "/v1/balance", "every check, and before every payout", {}),
    Probe("balance_transactions", "/v1/balance_transactions", "the mirror of Stripe's balance"),
    Probe("events", "/v1/events", "finding events that no webhook brought"),
    Probe("payment_intents", "/v1/payment_intents", "payments, and debits of saved cards"),
    Probe("charges", "/v1/charges", "payments whose events left doubt"),
    Probe("refunds", "/v1/refunds", "refunds, and proof of what became of one"),
    Probe("disputes", "/v1/disputes", "disputes"),
    Probe("transfers", "/v1/transfers", "payouts to merchants, and proof of what became of one"),
    Probe("payouts", "/v1/payouts", "bank payouts"),
    Probe("accounts", "/v1/accounts", "merchants' connected accounts and their onboarding"),
    Probe("customers", "/v1/customers", "customers with saved cards"),
    Probe("payment_methods", "/v1/payment_methods", "the last look at a saved card"),
    Probe("setup_intents", "/v1/setup_intents", "cards that customers leave"),
    Probe("checkout_sessions", "/v1/checkout/sessions", "the page on which they leave them"),
    Probe(
        "webhook_endpoints",
        "/v1/webhook_endpoints",
        "the health of webhook endpoints on this page",
        {"limit": LISTED},
    ),
)
ACCOUNT = Probe("account", "/v1/account", "who this key belongs to", {})
UNDELIVERED = Probe(
    "undelivered_events",
    "/v1/events",
    "events that Stripe has not delivered yet",
    {"limit": LISTED, "delivery_success": "false"},
)


@dataclass(frozen=True, slots=True)
class Look:
    """One probe's result: the answer, or why there is none; `permission` is Stripe's name of the
    one that is missing."""

    seen: Seen
    body: Json = field(default_factory=dict)
    why: str = ""
    permission: str = ""


@dataclass(frozen=True, slots=True)
class Inspection:
    """Everything that was seen at one time, by the name of its probe."""

    at: int
    looks: Mapping[str, Look]

    @property
    def complete(self) -> bool:
        return all(look.seen is not Seen.NOT_READ for look in self.looks.values())


class Inspector:
    """Looks, and remembers for a minute what it saw. For one event loop."""

    def __init__(self, stripe: Gateway, now: Callable[[], float]) -> None:
        self._stripe = stripe.at(Priority.CHECK)
        self._now = now
        self._held: Inspection | None = None
        self._until = 0.0
        self._looking = asyncio.Lock()

    async def inspect(self, at: int, patience: float = PATIENCE_SECONDS) -> Inspection:
        """What can be seen; `at` is the present moment in epoch seconds."""
        async with self._looking:
            if self._held is None or self._now() >= self._until:
                self._held = Inspection(at, await self._look_at_all(patience))
                kept = KEPT_SECONDS if self._held.complete else KEPT_INCOMPLETE_SECONDS
                self._until = self._now() + kept
            return self._held

    async def _look_at_all(self, patience: float) -> dict[str, Look]:
        probes = (*PROBES, ACCOUNT, UNDELIVERED)
        tasks = {probe.name: asyncio.create_task(self._look(probe)) for probe in probes}
        late = Look(Seen.NOT_READ, why=f"Stripe did not answer within {patience:g} seconds")
        try:
            await asyncio.wait(tasks.values(), timeout=patience)
            return {name: task.result() if task.done() else late for name, task in tasks.items()}
        finally:
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)

    async def _look(self, probe: Probe) -> Look:
        try:
            body = await self._stripe.once(probe.path, probe.params)
        except stripe.PermissionError as error:
            return Look(Seen.MISSING, why="the key may not read this", permission=_name(error))
        except stripe.AuthenticationError:
            return Look(Seen.NOT_READ, why=KEY_REFUSED)
        except stripe.APIConnectionError:
            return Look(Seen.NOT_READ, why="Stripe did not answer")
        except stripe.StripeError as error:
            status = error.http_status or "unreadable"
            return Look(Seen.NOT_READ, why=f"Stripe answered with an error ({status})")
        except StripeUnavailable as error:
            return Look(Seen.NOT_READ, why=str(error))
        return Look(Seen.GRANTED, body)


def _name(error: stripe.StripeError) -> str:
    """The missing permission by Stripe's name, `rak_charge_read`, if it said."""
    found = re.search(r"\brak_[a-z0-9_]{1,60}\b", str(error.user_message or ""))
    return found[0] if found else ""
