"""Stripe's balance transactions read into movements: the facts that finance trusts.

What cannot be read raises Unreadable, which names the field. No money is computed here.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from reconciler.domain.facts import PAYMENTS_BALANCE, BalanceTransaction
from reconciler.gateway import fields
from reconciler.gateway.fields import Json


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
