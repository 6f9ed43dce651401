"""Snapshots, movements and settings for the tests of the pure core, with sensible defaults."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings

from reconciler.domain.facts import BalanceTransaction
from reconciler.domain.lifecycle import Kind
from reconciler.domain.snapshot import PLATFORM, Origin, Snapshot

NOW = 1_700_000_000
OURS = "2026-10-28.endive"

DETAILS: dict[Kind, dict[str, Any]] = {
    Kind.PAYMENT_INTENT: {
        "merchant": "",
        "platform_fee": 0,
        "amount_received": 0,
        "latest_charge": "",
    },
    Kind.CHARGE: {
        "merchant": "",
        "platform_fee": 0,
        "payment_intent": "",
        "amount_captured": 0,
    },
    Kind.REFUND: {"charge": "ch_1", "payment_intent": "pi_1", "reason": "", "pending_reason": ""},
    Kind.DISPUTE: {"charge": "ch_1", "payment_intent": "pi_1", "withdrawn": None},
    Kind.TRANSFER: {"foreign": "", "payout": "", "amount_reversed": 0, "destination": "acct_1"},
    Kind.REVERSAL: {"transfer": "tr_1"},
    Kind.BANK_PAYOUT: {},
    Kind.ACCOUNT: {"transfers": "active"},
}


def examples(count: int) -> settings:
    """So many examples, judged by what they show and never by how long they took."""
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large]
    return settings(max_examples=count, deadline=None, suppress_health_check=slow)


def snapshot(kind: Kind, id: str, status: str = "", amount: int = 0, **given: Any) -> Snapshot:
    """One snapshot; what is not a field of it goes into its detail."""
    fields: dict[str, Any] = {
        "stripe_account": PLATFORM,
        "family": id,
        "currency": "usd",
        "created": NOW,
        "as_of": NOW,
        "origin": Origin.EVENT,
        "api_version": OURS,
    }
    detail = dict(DETAILS[kind])
    for name, value in given.items():
        (fields if name in fields else detail)[name] = value
    return Snapshot(kind=kind, id=id, status=status, amount=amount, detail=detail, **fields)


def intent(received: int, charge: str = "ch_1", **given: Any) -> Snapshot:
    """The PaymentIntent pi_1, succeeded with so much received."""
    given = {"family": "pi_1", "amount_received": received, "latest_charge": charge, **given}
    status = given.pop("status", "succeeded")
    return snapshot(Kind.PAYMENT_INTENT, "pi_1", status, received, **given)


def charge(captured: int, id: str = "ch_1", **given: Any) -> Snapshot:
    """A charge of pi_1, succeeded with so much captured."""
    given = {"family": "pi_1", "payment_intent": "pi_1", "amount_captured": captured, **given}
    status = given.pop("status", "succeeded")
    return snapshot(Kind.CHARGE, id, status, given.pop("amount", captured), **given)


def refund(amount: int, id: str = "re_1", **given: Any) -> Snapshot:
    """A refund of ch_1, succeeded."""
    status = given.pop("status", "succeeded")
    return snapshot(Kind.REFUND, id, status, amount, **{"family": "pi_1", **given})


def dispute(status: str, amount: int, id: str = "dp_1", **given: Any) -> Snapshot:
    return snapshot(Kind.DISPUTE, id, status, amount, **{"family": "pi_1", **given})


def transfer(amount: int, id: str = "tr_1", **given: Any) -> Snapshot:
    return snapshot(Kind.TRANSFER, id, "", amount, **given)


def reversal(amount: int, id: str = "trr_1", **given: Any) -> Snapshot:
    return snapshot(Kind.REVERSAL, id, "", amount, **{"family": "tr_1", **given})


def bank_payout(status: str, amount: int, id: str = "po_1") -> Snapshot:
    return snapshot(Kind.BANK_PAYOUT, id, status, amount)


def movement(category: str, amount: int, source: str = "", **given: Any) -> BalanceTransaction:
    """One balance transaction; its net follows from amount and fee."""
    fee = given.pop("fee", 0)
    fields: dict[str, Any] = {
        "id": "txn_1",
        "stripe_account": PLATFORM,
        "type": category,
        "balance_type": "payments",
        "currency": "usd",
        "net": amount - fee,
        "created": NOW,
        "available_on": NOW,
        "status": "available",
        "source_amount": 0,
        "source_currency": "",
        "source_charge": "",
        "exchange_rate": "",
        "description": "",
        **given,
    }
    return BalanceTransaction(
        reporting_category=category, amount=amount, fee=fee, source=source, **fields
    )
