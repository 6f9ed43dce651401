"""What we ask of Stripe, and the named ways in which it answers.

Reads raise StripeUnavailable when Stripe cannot be asked (after a few tries) and return values
otherwise. Commands never raise for what Stripe or the network did: they return an Outcome, which
keeps a definite no apart from not knowing. Must not decide what to do about either.
"""

from __future__ import annotations

import asyncio
import copy
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import stamina
import stripe

from reconciler.domain.facts import BalanceTransaction
from reconciler.domain.refusals import Refusal
from reconciler.domain.snapshot import PLATFORM, Origin, Snapshot
from reconciler.gateway import fields, snapshots
from reconciler.gateway.budget import Limits, Pace, Priority
from reconciler.gateway.fields import Json
from reconciler.gateway.movements import balance_transaction
from reconciler.gateway.outcomes import Missing, Outcome, StripeUnavailable, outcome_of
from reconciler.gateway.snapshots import Reading, Rendered
from reconciler.gateway.transport import Transport
from reconciler.gateway.wire import Still, Wire, always

T = TypeVar("T")

PAGE = 100
READ_ATTEMPTS = 4

PATHS = {
    "pi": "/v1/payment_intents/{}",
    "ch": "/v1/charges/{}",
    "py": "/v1/charges/{}",
    "re": "/v1/refunds/{}",
    "pyr": "/v1/refunds/{}",
    "tr": "/v1/transfers/{}",
    "po": "/v1/payouts/{}",
    "dp": "/v1/disputes/{}",
    "du": "/v1/disputes/{}",
    "acct": "/v1/accounts/{}",
}
"""Where an object is read, by the prefix of its id."""

REVERSAL_PATH = "/v1/transfers/{}/reversals/{}"
"""A reversal is only read below its transfer."""

OBJECT_ID = re.compile(r"[A-Za-z]+_[A-Za-z0-9_]+")
"""What may be put into a path. Ids come from events and from operators, too."""

_FIXED = {"stripe_version", "stripe_account", "idempotency_key"}


@dataclass(frozen=True, slots=True)
class Window:
    """Objects created from `start` to `end`, both included, in epoch seconds."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list, newest first, and the cursor of the next (empty on the last)."""

    rows: tuple[T, ...]
    next: str


@dataclass(frozen=True, slots=True)
class BalanceReading:
    """Stripe's own figures for one account, per currency, in minor units; absent means zero.
    `card` and `card_pending` are the parts that came by card: those transfers draw on."""

    available: Mapping[str, int]
    pending: Mapping[str, int]
    livemode: bool
    card: Mapping[str, int] = field(default_factory=dict)
    card_pending: Mapping[str, int] = field(default_factory=dict)

    def total(self, currency: str) -> int:
        return self.available.get(currency, 0) + self.pending.get(currency, 0)


class Gateway:
    """Stripe under one secret key."""

    def __init__(
        self,
        key: str,
        transport: Transport,
        *,
        api_version: str,
        api_base: str = "https://api.stripe.com",
        reading: Reading | None = None,
        limits: Limits | None = None,
        pace: Pace | None = None,
    ) -> None:
        stripe.enable_telemetry = False
        self._reading = reading or Reading()
        self._api_version = api_version
        self._transport = transport
        self._priority = Priority.COMMAND_READ
        client = stripe.StripeClient(
            key,
            stripe_version=api_version,
            http_client=transport,
            base_addresses={"api": api_base.rstrip("/")},
            max_network_retries=0,
        )
        pace = pace or Pace(time.monotonic, asyncio.sleep)
        self.wire = Wire(client, limits or Limits(), pace)

    async def close(self) -> None:
        self.wire.budget.close()
        await self._transport.close_async()

    def at(self, priority: Priority) -> Gateway:
        """The same door, for reads of this class. Commands keep going first."""
        same = copy.copy(self)
        same._priority = priority
        return same

    def not_now(self) -> Refusal | None:
        """Why no command may be begun at present: to be asked before anything is reserved."""
        return self.wire.not_now()

    # -- reading ------------------------------------------------------------------------------

    async def balance(self, account: str = PLATFORM) -> BalanceReading:
        """What Stripe says it holds for this account now: the payments balance."""
        body = await self._get("/v1/balance", {}, account)
        return BalanceReading(
            _by_currency(body, "available"),
            _by_currency(body, "pending"),
            body.get("livemode") is True,
            _from_cards(body, "available"),
            _from_cards(body, "pending"),
        )

    async def balance_transactions(
        self, window: Window, cursor: str, account: str = PLATFORM
    ) -> Page[BalanceTransaction]:
        """One page of movements, each with its source's own figures."""
        body = await self._list(
            "/v1/balance_transactions", window, cursor, account, expand=["data.source"]
        )
        rows = tuple(balance_transaction(row, account) for row in fields.rows(body, "data"))
        return Page(rows, fields.next_cursor(body))

    async def transfers(self, window: Window, cursor: str) -> Page[Snapshot]:
        """One page of the platform's transfers, without what is embedded in them."""
        body = await self._list("/v1/transfers", window, cursor, PLATFORM)
        rows = [
            snapshots.read(row, self._rendered(window.end, PLATFORM), self._reading)[0]
            for row in fields.rows(body, "data")
        ]
        return Page(tuple(rows), fields.next_cursor(body))

    async def events(self, window: Window, cursor: str, account: str = PLATFORM) -> Page[Json]:
        """One page of an account's own events as Stripe keeps them, for 30 days."""
        body = await self._list("/v1/events", window, cursor, account)
        return Page(tuple(fields.rows(body, "data")), fields.next_cursor(body))

    async def retrieve(
        self, object_id: str, account: str, read_at: int, family: str = ""
    ) -> list[Snapshot] | Missing:
        """The object as it is now, and what is embedded in it. `read_at` is the moment before the
        request: what happened later may or may not be in it. `family` is its transfer, if known."""
        path = _path(object_id, family)
        if not path:
            return Missing(f"{object_id} is not an object that can be read by its id")
        scope = PLATFORM if object_id.startswith("acct_") else account
        try:
            body = await self._get(path, {}, scope)
        except StripeUnavailable as error:
            if error.missing:
                return Missing(str(error))
            raise
        return snapshots.read(body, self._rendered(read_at, account), self._reading)

    def _rendered(self, as_of: int, account: str) -> Rendered:
        return Rendered(as_of, Origin.FETCHED, self._api_version, account)

    async def _list(
        self, path: str, window: Window, cursor: str, account: str, **more: Any
    ) -> Json:
        created = {"gte": window.start, "lte": window.end}
        params: dict[str, Any] = {"limit": PAGE, "created": created, **more}
        if cursor:
            params["starting_after"] = cursor
        return await self._get(path, params, account)

    async def get(self, path: str, params: Mapping[str, Any], account: str = PLATFORM) -> Json:
        """What Stripe has at a path. Raises StripeUnavailable."""
        return await self._get(path, params, account)

    async def once(self, path: str, params: Mapping[str, Any]) -> Json:
        """`get` without a second try. Raises StripeError, or CircuitOpen."""
        return await self._send("get", path, params, PLATFORM)

    async def _get(self, path: str, params: Mapping[str, Any], account: str) -> Json:
        try:
            async for attempt in stamina.retry_context(
                on=_worth_repeating, attempts=READ_ATTEMPTS, timeout=60.0
            ):
                with attempt:
                    return await self._send("get", path, params, account)
        except stripe.StripeError as error:
            raise StripeUnavailable(path, error) from error
        raise AssertionError("a retry ends in an answer or an error")

    async def _send(self, method: str, path: str, params: Mapping[str, Any], account: str) -> Json:
        assert not _FIXED & params.keys()
        scope: dict[str, Any] = {} if account == PLATFORM else {"stripe_account": account}
        return await self._request(method, path, **params, **scope)

    async def _request(self, method: str, path: str, still: Still = always, **options: Any) -> Json:
        """The answer's object. Raises StripeError, or CircuitOpen for a read not sent at all."""
        priority = self._priority if method == "get" else Priority.COMMAND
        return await self.wire.send(priority, method, path, options, still)

    # -- commands -----------------------------------------------------------------------------

    async def post(
        self, path: str, parameters: Json, key: str, account: str = PLATFORM, still: Still = always
    ) -> Outcome:
        """Send a command once, with parameters and key stored beforehand; or not at all, with its
        outcome unknown, if `still` says no when its turn has come.
        https://docs.stripe.com/api/idempotent_requests
        """
        assert not _FIXED & parameters.keys()
        scope = {} if account == PLATFORM else {"stripe_account": account}
        options = {**parameters, **scope, "idempotency_key": key}
        try:
            body = await self._request("post", path, still, **options)
        except stripe.StripeError as error:
            return outcome_of(error)
        return Outcome.accepted(body)

    def read_answer(self, body: Json, read_at: int, account: str = PLATFORM) -> list[Snapshot]:
        """The snapshots in a command's answer."""
        return snapshots.read(body, self._rendered(read_at, account), self._reading)


def _path(object_id: str, family: str) -> str:
    """Where the object is read; empty if it cannot be by what is known of it."""
    kind = object_id.partition("_")[0]
    if not OBJECT_ID.fullmatch(object_id):
        return ""
    if kind == "trr" and family.startswith("tr_") and OBJECT_ID.fullmatch(family):
        return REVERSAL_PATH.format(family, object_id)
    return PATHS.get(kind, "").format(object_id)


def _worth_repeating(error: Exception) -> bool:
    """A read may always be repeated; only these errors can end differently the next time."""
    return isinstance(error, (stripe.APIConnectionError, stripe.RateLimitError)) or (
        isinstance(error, stripe.APIError) and not isinstance(error, stripe.InvalidRequestError)
    )


def _by_currency(body: Json, key: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for entry in fields.rows(body, key):
        unit = fields.currency(entry)
        found[unit] = found.get(unit, 0) + fields.amount(entry, "amount", signed=True)
    return found


def _from_cards(body: Json, name: str) -> dict[str, int]:
    """What is available, or pending, of money that came by card; all of it where Stripe does not
    say."""
    found: dict[str, int] = {}
    for entry in fields.rows(body, name):
        unit, sources = fields.currency(entry), fields.inner(entry, "source_types")
        holder, key = (sources, "card") if sources else (entry, "amount")
        money = fields.amount(holder, key, 0, signed=True)
        found[unit] = found.get(unit, 0) + money
    return found
