"""Stripe's JSON read into snapshots: the only place that knows the names of Stripe's fields.

Old API versions are read as well as they allow (a 2020 PaymentIntent lists its charges, a 2020
charge its refunds); the record then asks to be read again in our version. Unknown statuses and
values pass through as text. What cannot be read at all raises Unreadable, which names the field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.domain.lifecycle import NO_STATUS, Kind
from reconciler.domain.ownership import Rule
from reconciler.domain.snapshot import BAD_FEE, Origin, Snapshot
from reconciler.gateway import account_fields, foreign
from reconciler.gateway.fields import (
    Json,
    Unreadable,
    amount,
    currency,
    inner,
    items,
    seconds,
    text,
)

KINDS = {
    "payment_intent": Kind.PAYMENT_INTENT,
    "charge": Kind.CHARGE,
    "refund": Kind.REFUND,
    "transfer": Kind.TRANSFER,
    "transfer_reversal": Kind.REVERSAL,
    "payout": Kind.BANK_PAYOUT,
    "dispute": Kind.DISPUTE,
    "account": Kind.ACCOUNT,
}
"""Stripe's `object` names and the kinds we follow them as."""

PAYOUT_METADATA = "reconciler_payout"
"""The metadata key on a transfer that names the payout it executes."""

INVOICE_METADATA = "reconciler_invoice"
DEBIT_METADATA = "reconciler_debit"
"""On a PaymentIntent: the invoice that it is to pay, and the try of ours that made it."""

CUSTOMER_METADATA = "reconciler_customer"
"""On a Stripe customer and on a card's set-up: our customer."""

REFUND_METADATA = "reconciler_refund"
REVERSAL_METADATA = "reconciler_reversal"
"""The same on a refund, and on a transfer reversal, for the instruction of ours behind it."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How to read: which metadata keys attribute a payment, and what is another application's."""

    merchant_key: str = "merchant_id"
    fee_key: str = "platform_fee"
    foreign: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True)
class Rendered:
    """When, for whom and in which API version Stripe rendered the objects being read."""

    as_of: int
    origin: Origin
    api_version: str
    stripe_account: str


def read(body: Json, rendered: Rendered, reading: Reading) -> list[Snapshot]:
    """The snapshots in one Stripe object: its own first, then those of objects embedded in it.

    Empty for a kind of object that the books do not follow. Raises Unreadable.
    """
    kind = KINDS.get(str(body.get("object")))
    if kind is None:
        return []
    if body.get("deleted") is True:
        return _deleted(kind, body, rendered)
    return _READERS[kind](body, rendered, reading)


def _snapshot(
    kind: Kind,
    body: Json,
    rendered: Rendered,
    family: str,
    detail: Mapping[str, Any],
    *,
    status: str | None = None,
) -> Snapshot:
    """The snapshot of one object. Accounts hold no money; only a bank payout's can be negative,
    when an automatic one debits the bank."""
    id = text(body, "id")
    if not id:
        raise Unreadable("id is missing")
    money = kind is not Kind.ACCOUNT
    return Snapshot(
        kind=kind,
        id=id,
        stripe_account=_whose(kind, id, rendered),
        family=family,
        status=text(body, "status") if status is None else status,
        amount=amount(body, "amount", signed=kind is Kind.BANK_PAYOUT) if money else 0,
        currency=currency(body) if money else "",
        created=seconds(body, "created", None if money else 0),
        as_of=rendered.as_of,
        origin=rendered.origin,
        api_version=rendered.api_version,
        detail=detail,
    )


def _whose(kind: Kind, id: str, rendered: Rendered) -> str:
    """The Stripe account that an object belongs to. A connected account is read under the
    platform's name, and belongs to itself."""
    read = kind is Kind.ACCOUNT and rendered.origin is Origin.FETCHED
    return id if read else rendered.stripe_account


def _ownership(body: Json, reading: Reading) -> dict[str, Any]:
    metadata = inner(body, "metadata")
    return {
        "merchant": text(metadata, reading.merchant_key),
        "platform_fee": _fee(text(metadata, reading.fee_key)),
        "foreign": foreign.owner(body, reading.foreign),
    }


def _fee(written: str) -> int:
    """The platform's share in minor units; BAD_FEE when it is written but is no such amount."""
    if not written:
        return 0
    usable = written.isascii() and written.isdigit() and len(written) <= 15
    return int(written) if usable else BAD_FEE


def _payment_intent(body: Json, rendered: Rendered, reading: Reading) -> list[Snapshot]:
    charges = items(body, "charges")  # until API version 2022-11-15; newest first
    metadata, error = inner(body, "metadata"), inner(body, "last_payment_error")
    detail = {
        **_ownership(body, reading),
        "amount_received": amount(body, "amount_received", 0),
        "amount_capturable": amount(body, "amount_capturable", 0),
        "latest_charge": text(body, "latest_charge") or (text(charges[0], "id") if charges else ""),
        "capture_method": text(body, "capture_method"),
        "customer": text(body, "customer"),
        "failure": text(error, "code"),
        "decline_code": text(error, "decline_code"),
        "advice_code": text(error, "advice_code"),
        "invoice": text(metadata, INVOICE_METADATA),
        "debit": text(metadata, DEBIT_METADATA),
    }
    own = _snapshot(Kind.PAYMENT_INTENT, body, rendered, text(body, "id"), detail)
    return [own, *(s for charge in charges for s in _charge(charge, rendered, reading))]


def _charge(body: Json, rendered: Rendered, reading: Reading) -> list[Snapshot]:
    total = amount(body, "amount")
    status = text(body, "status")
    # What a transfer became on a connected account belongs to that transfer's story.
    family = text(body, "source_transfer") or text(body, "payment_intent") or text(body, "id")
    whole = total if body.get("captured") is True and status == "succeeded" else 0
    detail = {
        **_ownership(body, reading),
        "payment_intent": text(body, "payment_intent"),
        "amount_captured": amount(body, "amount_captured", whole),
        "amount_refunded": amount(body, "amount_refunded", 0),
        "disputed": body.get("disputed") is True,
        "balance_transaction": text(body, "balance_transaction"),
        "failure": text(body, "failure_code"),
        "source_transfer": text(body, "source_transfer"),
    }
    own = _snapshot(Kind.CHARGE, body, rendered, family, detail)
    embedded = [s for refund in items(body, "refunds") for s in _refund(refund, rendered, reading)]
    return [own, *embedded]


def _refund(body: Json, rendered: Rendered, _: Reading) -> list[Snapshot]:
    detail = {
        "charge": text(body, "charge"),
        "payment_intent": text(body, "payment_intent"),
        "reason": text(body, "reason"),
        "pending_reason": text(body, "pending_reason"),
        "failure": text(body, "failure_reason"),
        "balance_transaction": text(body, "balance_transaction"),
        "failure_balance_transaction": text(body, "failure_balance_transaction"),
        "request": text(inner(body, "metadata"), REFUND_METADATA),
        "source_transfer_reversal": text(body, "source_transfer_reversal"),
    }
    family = detail["payment_intent"] or detail["charge"] or text(body, "id")
    return [_snapshot(Kind.REFUND, body, rendered, family, detail)]


def _transfer(body: Json, rendered: Rendered, reading: Reading) -> list[Snapshot]:
    detail = {
        "destination": text(body, "destination"),
        "amount_reversed": amount(body, "amount_reversed", 0),
        "payout": text(inner(body, "metadata"), PAYOUT_METADATA),
        "transfer_group": text(body, "transfer_group"),
        "foreign": foreign.owner(body, reading.foreign),
        "destination_payment": text(body, "destination_payment"),
        "source_transaction": text(body, "source_transaction"),
        "balance_transaction": text(body, "balance_transaction"),
    }
    own = _snapshot(Kind.TRANSFER, body, rendered, text(body, "id"), detail, status=NO_STATUS)
    embedded = items(body, "reversals")
    return [own, *(s for item in embedded for s in _reversal(item, rendered, reading))]


def _reversal(body: Json, rendered: Rendered, _: Reading) -> list[Snapshot]:
    detail = {
        "transfer": text(body, "transfer"),
        "source_refund": text(body, "source_refund"),
        "destination_payment_refund": text(body, "destination_payment_refund"),
        "balance_transaction": text(body, "balance_transaction"),
        "request": text(inner(body, "metadata"), REVERSAL_METADATA),
    }
    family = text(body, "transfer") or text(body, "id")
    return [_snapshot(Kind.REVERSAL, body, rendered, family, detail, status=NO_STATUS)]


def _bank_payout(body: Json, rendered: Rendered, _: Reading) -> list[Snapshot]:
    detail = {
        "arrival_date": seconds(body, "arrival_date"),
        "automatic": body.get("automatic") is True,
        "method": text(body, "method"),
        "reconciliation_status": text(body, "reconciliation_status"),
        "trace_id": text(inner(body, "trace_id"), "value"),
        "failure": text(body, "failure_code"),
        "balance_transaction": text(body, "balance_transaction"),
        "failure_balance_transaction": text(body, "failure_balance_transaction"),
    }
    return [_snapshot(Kind.BANK_PAYOUT, body, rendered, text(body, "id"), detail)]


def _dispute(body: Json, rendered: Rendered, _: Reading) -> list[Snapshot]:
    money, unit = amount(body, "amount"), currency(body)
    detail: dict[str, Any] = {
        "charge": text(body, "charge"),
        "payment_intent": text(body, "payment_intent"),
        "reason": text(body, "reason"),
        "due_by": seconds(inner(body, "evidence_details"), "due_by", 0),
        "withdrawn": _withdrawn(items(body, "balance_transactions"), money, unit),
    }
    family = detail["payment_intent"] or detail["charge"] or text(body, "id")
    return [_snapshot(Kind.DISPUTE, body, rendered, family, detail)]


def _withdrawn(movements: list[Json], disputed: int, unit: str) -> int | None:
    """How much a dispute has taken so far, in its own currency; None when it lists no movement.

    Settled in another currency, only the direction of its movements can be used.
    """
    if not movements:
        return None
    taken = -sum(amount(movement, "amount", signed=True) for movement in movements)
    if all(text(movement, "currency") == unit for movement in movements):
        return max(taken, 0)
    return disputed if taken > 0 else 0


def _account(body: Json, rendered: Rendered, _: Reading) -> list[Snapshot]:
    detail = account_fields.detail(body)
    return [_snapshot(Kind.ACCOUNT, body, rendered, text(body, "id"), detail, status=NO_STATUS)]


def _deleted(kind: Kind, body: Json, rendered: Rendered) -> list[Snapshot]:
    """Of a deleted object Stripe says no more than its id. Only accounts can be deleted."""
    if kind is not Kind.ACCOUNT:
        raise Unreadable(f"a {kind} cannot be deleted")
    id = text(body, "id")
    return [_snapshot(kind, body, rendered, id, {"transfers": ""}, status="deleted")]


_READERS = {
    Kind.PAYMENT_INTENT: _payment_intent,
    Kind.CHARGE: _charge,
    Kind.REFUND: _refund,
    Kind.TRANSFER: _transfer,
    Kind.REVERSAL: _reversal,
    Kind.BANK_PAYOUT: _bank_payout,
    Kind.DISPUTE: _dispute,
    Kind.ACCOUNT: _account,
}
