"""How values look in JSON: times in RFC 3339 UTC, money as minor units beside its currency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from reconciler.domain.facts import BalanceTransaction
from reconciler.domain.payments import Payment
from reconciler.domain.snapshot import Snapshot

MOMENTS = frozenset(
    {
        "as_of", "available_on", "arrival_date", "cleared_at", "created", "drift_as_of",
        "expected_clear_by", "finished_at", "first_seen", "last_seen", "mirrored_at", "posted_at",
        "received_at", "settled_at", "started_at", "covered_from", "covered_to", "due_by",
        "created_at", "seen_at", "current_deadline",
    }
)  # fmt: skip
"""Fields that hold epoch seconds in the database; 0 there is null here."""


def moment(seconds: int | None) -> str | None:
    """Epoch seconds as RFC 3339 in UTC; nothing for none."""
    if not seconds:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def rendered(value: Any) -> Any:
    """A value with every moment in it written out."""
    if isinstance(value, Mapping):
        return {
            key: moment(item) if key in MOMENTS and isinstance(item, int | None) else rendered(item)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [rendered(item) for item in value]
    return value


def listing(rows: Sequence[Any], has_more: bool) -> dict[str, Any]:
    return {"data": [rendered(row) for row in rows], "has_more": has_more}


def payment(found: Payment) -> dict[str, Any]:
    return {
        "id": found.id,
        "status": found.status,
        "merchant": found.merchant or None,
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
