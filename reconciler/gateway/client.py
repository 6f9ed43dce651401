"""What we ask of Stripe, and the named ways in which it answers.

Reads raise StripeUnavailable when Stripe cannot be asked (after a few tries) and return values
otherwise. Commands never raise for what Stripe or the network did: they return an Outcome, which
keeps a definite no apart from not knowing. Must not decide what to do about either.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Generic, TypeVar

import stamina
import stripe

from reconciler.domain.facts import PAYMENTS_BALANCE, BalanceTransaction
from reconciler.domain.snapshot import PLATFORM, Origin, Snapshot
from reconciler.gateway import fields, snapshots
from reconciler.gateway.fields import Json
from reconciler.gateway.outcomes import Missing, Outcome, StripeUnavailable, outcome_of
from reconciler.gateway.snapshots import Reading, Rendered
from reconciler.gateway.transport import Transport

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
    """Stripe's own figures for one account, per currency, in minor units; absent means zero."""

    available: Mapping[str, int]
    pending: Mapping[str, int]
    livemode: bool

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
    ) -> None:
        stripe.enable_telemetry = False
        self._reading = reading or Reading()
        self._api_version = api_version
        self._transport = transport
        self._client = stripe.StripeClient(
            key,
            stripe_version=api_version,
            http_client=transport,
            base_addresses={"api": api_base.rstrip("/")},
            max_network_retries=0,
        )

    async def close(self) -> None:
        await self._transport.close_async()

    # -- reading ------------------------------------------------------------------------------

    async def balance(self, account: str = PLATFORM) -> BalanceReading:
        """What Stripe says it holds for this account now: the payments balance."""
        body = await self._get("/v1/balance", {}, account)
        return BalanceReading(
            _by_currency(body, "available"),
            _by_currency(body, "pending"),
            body.get("livemode") is True,
        )

    async def balance_transactions(
        self, window: Window, cursor: str, account: str = PLATFORM
    ) -> Page[BalanceTransaction]:
        """One page of movements, each with its source's own figures."""
        body = await self._list(
            "/v1/balance_transactions", window, cursor, account, expand=["data.source"]
        )
        rows = tuple(balance_transaction(row, account) for row in fields.rows(body, "data"))
        return Page(rows, _next(body))

    async def transfers(self, window: Window, cursor: str) -> Page[Snapshot]:
        """One page of the platform's transfers, without what is embedded in them."""
        body = await self._list("/v1/transfers", window, cursor, PLATFORM)
        rows = [
            snapshots.read(row, self._rendered(window.end, PLATFORM), self._reading)[0]
            for row in fields.rows(body, "data")
        ]
        return Page(tuple(rows), _next(body))

    async def events(self, window: Window, cursor: str) -> Page[Json]:
        """One page of the platform's own events as Stripe keeps them, for 30 days."""
        body = await self._list("/v1/events", window, cursor, PLATFORM)
        return Page(tuple(fields.rows(body, "data")), _next(body))

    async def retrieve(
        self, object_id: str, account: str, read_at: int
    ) -> list[Snapshot] | Missing:
        """The object as it is now, and what is embedded in it. `read_at` is the moment before the
        request: what happened later may or may not be in it."""
        path = PATHS.get(object_id.partition("_")[0])
        if path is None or not OBJECT_ID.fullmatch(object_id):
            return Missing(f"{object_id} is not an object that can be read by its id")
        scope = PLATFORM if object_id.startswith("acct_") else account
        try:
            body = await self._get(path.format(object_id), {}, scope)
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
        scope = {} if account == PLATFORM else {"stripe_account": account}
        return await self._request(method, path, **params, **scope)

    async def _request(self, method: str, path: str, **options: Any) -> Json:
        """The answer's object. Raises StripeError only: what the SDK stumbles over in an answer
        that is not Stripe's (a proxy's page, broken bytes) leaves the outcome as open as no answer.
        """
        try:
            answer = await self._client.raw_request_async(method, path, **options)
        except stripe.StripeError:
            raise
        except Exception as error:
            text = f"the answer to {path} is not Stripe's ({type(error).__name__})"
            raise stripe.APIError(text) from error
        if not isinstance(answer.data, Mapping):
            raise stripe.APIError(f"the answer to {path} is not an object")
        return answer.data

    # -- commands -----------------------------------------------------------------------------

    async def create_transfer(self, parameters: Mapping[str, Any], key: str) -> Outcome:
        """Send the one transfer of a payout, with parameters and key stored beforehand.

        https://docs.stripe.com/api/idempotent_requests
        """
        try:
            body = await self._request("post", "/v1/transfers", **parameters, idempotency_key=key)
        except stripe.StripeError as error:
            return outcome_of(error)
        return Outcome.accepted(body)

    def read_answer(self, body: Json, read_at: int) -> list[Snapshot]:
        """The snapshots in a command's answer."""
        return snapshots.read(body, self._rendered(read_at, PLATFORM), self._reading)


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


def _next(body: Json) -> str:
    """The cursor of the next page. Raises Unreadable if there is one and it cannot be asked for."""
    rows = fields.rows(body, "data")
    if body.get("has_more") is not True:
        return ""
    cursor = fields.text(rows[-1], "id") if rows else ""
    if not cursor:
        raise fields.Unreadable("data has more rows and none to go on from")
    return cursor


def balance_transaction(body: Json, account: str) -> BalanceTransaction:
    """One movement from Stripe's JSON, with its source expanded or not. Raises Unreadable."""
    source = body.get("source")
    expanded: Json = source if isinstance(source, Mapping) else {}
    rate = body.get("exchange_rate")
    return BalanceTransaction(
        id=fields.text(body, "id"),
        stripe_account=account,
        type=fields.text(body, "type"),
        reporting_category=fields.text(body, "reporting_category"),
        balance_type=fields.text(body, "balance_type") or PAYMENTS_BALANCE,
        currency=fields.currency(body),
        amount=fields.amount(body, "amount", signed=True),
        fee=fields.amount(body, "fee", 0, signed=True),
        net=fields.amount(body, "net", signed=True),
        created=fields.seconds(body, "created"),
        available_on=fields.seconds(body, "available_on"),
        status=fields.text(body, "status"),
        source=fields.text(body, "source"),
        source_amount=_source_amount(expanded, body),
        source_currency=fields.text(expanded, "currency"),
        source_charge=fields.text(expanded, "charge"),
        exchange_rate="" if rate is None else repr(rate),
        description=_description(body.get("description")),
    )


def _description(written: Any) -> str:
    """Free text, cut to what is kept. It explains and never decides."""
    if written is not None and not isinstance(written, str):
        raise fields.Unreadable("description is not text")
    clean = (written or "").replace("\x00", "").encode("utf-8", "replace").decode()
    return clean[: fields.LONGEST_TEXT]


def _source_amount(source: Json, movement: Json) -> int:
    """What of the source moved, in its own currency: of a transfer's return the reversal's amount,
    of a charge what was captured, or the whole where the rest goes back by a movement of its own.
    """
    for reversal in fields.items(source, "reversals"):
        if fields.text(reversal, "balance_transaction") == fields.text(movement, "id"):
            return fields.amount(reversal, "amount")
    rate = movement.get("exchange_rate")
    if source.get("object") == "charge" and isinstance(rate, (int, float)):
        whole = fields.amount(source, "amount")
        captured = fields.amount(source, "amount_captured", whole)
        moved = fields.amount(movement, "amount", signed=True)
        # The rate only tells the two apart; no money is computed from it.
        return min(captured, whole, key=lambda own: abs(own * Fraction(repr(rate)) - moved))
    return fields.amount(source, "amount", 0, signed=True)
