"""The planted differences: one for each kind that there is, with the rows that make it.

They are planted in shadow tables only. Amounts in minor units, each its own, so that none can stand
for another. Must not be found by any rule of its own: the detectors know nothing of canaries.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import Any

import msgspec

from reconciler.domain.facts import BalanceTransaction, posting
from reconciler.domain.findings import FindingKind
from reconciler.domain.ledger import Line, Posting, Side, account_kind, clearing
from reconciler.domain.lifecycle import Kind, stage
from reconciler.domain.snapshot import PLATFORM

DAY = 86400
OLD = 45 * DAY
"""Older than whatever could still clear by itself."""

BALANCE_ONLY = {"gbp": 8_808}
"""What Stripe's balance holds beyond any movement."""

MERCHANT = "merchant:canary"


@dataclass(frozen=True, slots=True)
class Canary:
    """One planted difference, as it must be found: `amount` is the difference, or where the kind
    carries none, what is at risk."""

    kind: FindingKind
    reference: str
    currency: str
    amount: int
    carries: bool = True


CANARIES = (
    Canary(FindingKind.MISSING_IN_BOOKS, "ch_canary_1", "usd", 12_301),
    Canary(FindingKind.MISSING_AT_STRIPE, "ch_canary_2", "usd", -4_502),
    Canary(FindingKind.AMOUNT_DIFFERS, "ch_canary_3", "usd", 103),
    Canary(FindingKind.CURRENCY_DIFFERS, "ch_canary_4", "usd", 5_404),
    Canary(FindingKind.CURRENCY_DIFFERS, "ch_canary_4", "eur", -5_004),
    Canary(FindingKind.STATUS_DIFFERS, "re_canary_5", "usd", -905),
    Canary(FindingKind.DUPLICATE, "tr_canary_6", "usd", -806),
    Canary(FindingKind.UNKNOWN_MOVEMENT, "txn_canary_7", "usd", -707),
    Canary(FindingKind.UNMIRRORED_BALANCE, "balance", "gbp", BALANCE_ONLY["gbp"]),
    Canary(FindingKind.DELIVERY_GAP, "evt_canary_9", "", 0, carries=False),
    Canary(FindingKind.BROKEN_CHAIN, "ch_canary_11", "", 0, carries=False),
    Canary(FindingKind.OUTCOME_UNKNOWN, "payout_canary_10", "usd", 1_010, carries=False),
    Canary(FindingKind.INVARIANT_BROKEN, "full_audit:ch_canary_12", "usd", 12, carries=False),
)

_MOVED = (
    ("txn_canary_1", "charge", "ch_canary_1", 12_301, "usd"),
    ("txn_canary_3", "charge", "ch_canary_3", 7_103, "usd"),
    ("txn_canary_4", "charge", "ch_canary_4", 5_404, "usd"),
    ("txn_canary_5", "refund", "re_canary_5", -905, "usd"),
    ("txn_canary_6", "transfer", "tr_canary_6", -806, "usd"),
    ("txn_canary_7", "canary", "cnry_canary_7", -707, "usd"),
    ("txn_canary_12", "charge", "ch_canary_12", 1_224, "usd"),
)
_BOOKED = (
    ("ch_canary_2", 4_502, "usd"),
    ("ch_canary_3", 7_000, "usd"),
    ("ch_canary_4", 5_004, "eur"),
    ("ch_canary_12", 1_224, "usd"),
)
"""What the books say of each object; of the last one it is not what its record says."""

FEE = 31


def rows(now: int) -> dict[str, list[dict[str, Any]]]:
    """Everything that is planted, by table; `now` in epoch seconds."""
    at = now - OLD
    moved = [_movement(*given, at) for given in _MOVED]
    posted = _postings(moved, at)
    return {
        "balance_transactions": [_mirrored(movement) for movement in moved],
        "ledger_transactions": _transactions(posted, at),
        "entries": _entries(posted),
        "balances": _balances(posted, at),
        "objects": _objects(at),
        "payouts": [_payout(at)],
        "inbox": [_dead_event(at)],
        "broken_chains": [_broken_chain(at)],
        "sendings": [_sending(at)],
    }


def _movement(id: str, category: str, source: str, amount: int, currency: str, at: int) -> Any:
    given: dict[str, Any] = {f.name: "" for f in fields(BalanceTransaction)}
    fee = FEE if category == "charge" else 0
    given |= {
        "id": id, "stripe_account": PLATFORM, "type": category, "reporting_category": category,
        "balance_type": "payments", "currency": currency, "amount": amount, "fee": fee,
        "net": amount - fee, "created": at, "available_on": at, "status": "available",
        "source": source, "source_amount": amount,
    }  # fmt: skip
    return BalanceTransaction(**given)


def _mirrored(moved: BalanceTransaction) -> dict[str, Any]:
    more = {"clears": moved.clears, "suspended": int(moved.suspended)}
    return {**asdict(moved), **more, "mirrored_at": moved.created}


def _postings(moved: Iterable[BalanceTransaction], at: int) -> list[Posting]:
    """What the ledger would hold: the facts as they are posted, the books as they are given."""
    booked = [
        Posting(
            object_id, Side.BOOKS, 1, "payment", PLATFORM, at,
            (Line(clearing(object_id), currency, amount), Line(MERCHANT, currency, -amount)),
        )
        for object_id, amount, currency in _BOOKED
    ]  # fmt: skip
    return [*booked, *(posting(movement) for movement in moved)]


def _transactions(posted: Iterable[Posting], at: int) -> list[dict[str, Any]]:
    return [
        {
            "id": id, "reference": p.reference, "side": p.side.value, "version": 1, "kind": p.kind,
            "stripe_account": PLATFORM, "occurred_at": at, "posted_at": at, "cause": p.reference,
        }
        for id, p in enumerate(posted, 1)
    ]  # fmt: skip


def _entries(posted: Iterable[Posting]) -> list[dict[str, Any]]:
    return [
        {
            "transaction_id": id, "line": number, "stripe_account": PLATFORM,
            "account": line.account, "currency": line.currency, "amount": line.amount,
        }
        for id, p in enumerate(posted, 1)
        for number, line in enumerate(p.lines)
    ]  # fmt: skip


def _balances(posted: Iterable[Posting], at: int) -> list[dict[str, Any]]:
    sums: dict[tuple[str, str], list[int]] = {}
    for p in posted:
        for line in p.lines:
            both = sums.setdefault((line.account, line.currency), [0, 0])
            both[p.side is Side.FACTS] += line.amount
    return [
        {
            "stripe_account": PLATFORM, "account": account, "currency": currency,
            "kind": account_kind(account), "books": books, "facts": facts, "changed_at": at,
        }
        for (account, currency), (books, facts) in sums.items()
    ]  # fmt: skip


def _objects(at: int) -> list[dict[str, Any]]:
    return [
        _object(Kind.CHARGE, "ch_canary_2", "succeeded", 4_502, "usd", at, {"captured": 4_502}),
        _object(Kind.CHARGE, "ch_canary_3", "succeeded", 7_000, "usd", at, {"captured": 7_000}),
        _object(Kind.CHARGE, "ch_canary_4", "succeeded", 5_004, "eur", at, {"captured": 5_004}),
        _object(Kind.REFUND, "re_canary_5", "failed", 905, "usd", at, {}),
        _object(Kind.TRANSFER, "tr_canary_6", "", 806, "usd", at, {"payout": "payout_canary_6"}),
        _object(Kind.CHARGE, "ch_canary_12", "succeeded", 1_212, "usd", at, {"captured": 1_212}),
    ]


def _object(
    kind: Kind, id: str, status: str, amount: int, currency: str, at: int, more: dict[str, Any]
) -> dict[str, Any]:
    detail = {
        Kind.CHARGE: {
            "merchant": "canary", "platform_fee": 0, "foreign": "", "payment_intent": "",
            "amount_captured": more.get("captured", 0), "amount_refunded": 0, "disputed": False,
            "balance_transaction": "", "failure": "",
        },
        Kind.REFUND: {
            "charge": "ch_canary_5", "payment_intent": "", "reason": "", "pending_reason": "",
            "failure": "", "balance_transaction": "", "failure_balance_transaction": "",
            "request": "",
        },
        Kind.TRANSFER: {
            "destination": "acct_canary", "amount_reversed": 0, "payout": more.get("payout", ""),
            "transfer_group": "", "foreign": "", "destination_payment": "",
            "source_transaction": "", "balance_transaction": "",
        },
    }[kind]  # fmt: skip
    return {
        "id": id, "kind": kind.value, "stripe_account": PLATFORM, "family": id, "status": status,
        "amount": amount, "currency": currency, "created": at, "as_of": at + 1, "origin": "event",
        "api_version": "", "detail": msgspec.json.encode(detail).decode(),
        "peak": stage(kind, status), "tied": 0, "fetched_at": 0, "needs": "",
    }  # fmt: skip


def _payout(at: int) -> dict[str, Any]:
    """Executed by another transfer than the one that is planted."""
    return {
        "id": "payout_canary_6", "merchant": "canary", "destination": "acct_canary",
        "amount": 806, "currency": "usd", "status": "completed",
        "transfer_id": "tr_canary_before", "amount_reversed": 0, "failure_code": "",
        "failure_message": "", "request_key": "", "created_at": at, "updated_at": at,
    }  # fmt: skip


def _dead_event(at: int) -> dict[str, Any]:
    return {
        "seq": 1, "event_id": "evt_canary_9", "channel": "platform", "stripe_account": PLATFORM,
        "type": "charge.updated", "object_id": "ch_canary_9", "created": at, "livemode": 0,
        "api_version": "", "body": b"{}", "received_at": at, "status": "dead", "reason": "",
        "error": "planted", "attempts": 5, "next_attempt_at": 0, "settled_at": at,
    }  # fmt: skip


def _broken_chain(at: int) -> dict[str, Any]:
    return {
        "event_id": "evt_canary_11", "object_id": "ch_canary_11", "stripe_account": PLATFORM,
        "before_event": "evt_canary_before", "cause": "missed_update",
        "fields": '[{"field": "amount_captured", "left": 1, "found": 2}]', "created": at,
        "found_at": at, "healed_at": 0, "healed_by": "",
    }  # fmt: skip


def _sending(at: int) -> dict[str, Any]:
    return {
        "id": "sending_canary_10", "kind": "payout", "instruction": "payout_canary_10",
        "attempt": 1, "path": "/v1/transfers", "parameters": "{}", "idempotency_key": "canary",
        "stripe_account": PLATFORM, "amount": 1_010, "currency": "usd", "status": "unknown",
        "first_sent_at": at, "last_sent_at": at, "sends": 1, "next_attempt_at": at,
        "stripe_object": "", "code": "", "message": "", "created_at": at, "updated_at": at,
    }  # fmt: skip
