"""How the API shows what the domain holds: plain values, and money in minor units beside its
currency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from reconciler.domain.facts import BalanceTransaction
from reconciler.domain.payments import Payment
from reconciler.domain.snapshot import Snapshot
from reconciler.moments import rendered


def listing(rows: Sequence[Any], has_more: bool) -> dict[str, Any]:
    return {"data": [rendered(row) for row in rows], "has_more": has_more}


def payment(found: Payment) -> dict[str, Any]:
    return {
        "id": found.id,
        "status": found.status,
        "merchant": found.merchant or None,
        "foreign": found.foreign or None,
        "currency": found.currency,
        "amount": found.amount,
        "amount_received": found.amount_received,
        "amount_refunded": found.amount_refunded,
        "platform_fee": found.platform_fee,
        "created": found.created,
        "charges": [stripe_object(s) for s in found.charges],
        "refunds": [stripe_object(s) for s in found.refunds],
        "disputes": [stripe_object(s) for s in found.disputes],
    }


def stripe_object(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "id": snapshot.id,
        "kind": snapshot.kind.value,
        "stripe_account": snapshot.stripe_account,
        "status": snapshot.status or None,
        "amount": snapshot.amount,
        "currency": snapshot.currency,
        "created": snapshot.created,
        "as_of": snapshot.as_of,
        "origin": snapshot.origin.value,
        "api_version": snapshot.api_version,
        **snapshot.detail,
    }


def balance_transaction(found: BalanceTransaction) -> dict[str, Any]:
    return asdict(found)
