"""Payouts, refunds and merchants as people and programs look at them. Read only."""

from __future__ import annotations

from typing import Any

from reconciler.domain.ledger import merchant as merchant_account
from reconciler.money_out import approvals
from reconciler.oversight.views import merchant_balance
from reconciler.store import (
    account_mirrors,
    books,
    instructions,
    merchants,
    objects,
    payouts,
    refund_requests,
    reversals,
    sendings,
)
from reconciler.store.database import Row, Session

Cursor = tuple[int, str]


def payout_row(row: Row) -> dict[str, Any]:
    """A payout as it stands in a listing."""
    return {
        "id": row["id"],
        "merchant": row["merchant"],
        "amount": row["amount"],
        "currency": row["currency"],
        "status": row["status"],
        "destination": row["destination"],
        "stripe_transfer_id": row["transfer_id"] or None,
        "amount_reversed": row["amount_reversed"],
        "failure": _failure(row),
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
    }


def _failure(row: Row) -> dict[str, str] | None:
    if not row["failure_code"]:
        return None
    return {"code": row["failure_code"], "message": row["failure_message"]}


async def payout(session: Session, id: str) -> dict[str, Any] | None:
    """A payout with its approval, its attempts at Stripe, and what was asked back of it."""
    row = await instructions.get(session, payouts.TABLE, id)
    if row is None:
        return None
    return {
        **payout_row(row),
        "approval": await approvals.shown(session, id),
        "reversals": [reversal_row(leg) for leg in await reversals.of_payout(session, id)],
        "attempts": await _attempts(session, "payout", id),
    }


def reversal_row(row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "payout": row["payout"],
        "refund": row["refund_request"] or None,
        "amount": row["amount"],
        "currency": row["currency"],
        "status": row["status"],
        "stripe_reversal_id": row["reversal_id"] or None,
        "failure": _failure(row),
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
    }


async def _attempts(session: Session, kind: str, id: str) -> list[dict[str, Any]]:
    return [
        {
            "attempt": sending.attempt,
            "status": sending.status.value,
            "sends": sending.sends,
            "first_sent_at": sending.first_sent_at,
            "last_sent_at": sending.last_sent_at,
            "stripe_object": sending.stripe_object or None,
            "code": sending.code or None,
            "message": sending.message or None,
        }
        for sending in await sendings.attempts(session, kind, id)
    ]


async def refund_request(session: Session, id: str) -> dict[str, Any] | None:
    """A refund of ours, with Stripe's when there is one, and the recovery of its cost."""
    row = await instructions.get(session, refund_requests.TABLE, id)
    if row is None:
        return None
    legs = await reversals.of_refund(session, id)
    return {
        **request_row(row),
        "recovery": _recovery(row, legs),
        "approval": await approvals.shown(session, id),
        "attempts": await _attempts(session, "refund", id),
    }


def request_row(row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "payment": row["payment"],
        "charge": row["charge"] or None,
        "merchant": row["merchant"] or None,
        "amount": row["amount"],
        "currency": row["currency"],
        "reason": row["reason"] or None,
        "status": row["status"],
        "stripe_refund_id": row["refund_id"] or None,
        "failure": _failure(row),
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
    }


def _recovery(row: Row, legs: list[Row]) -> dict[str, Any] | None:
    if not row["recovery"]:
        return None
    recovered = sum(leg["amount"] for leg in legs if leg["status"] == "completed")
    return {
        "status": row["recovery"],
        "recovered": recovered,
        "currency": row["currency"],
        "reversals": [reversal_row(leg) for leg in legs],
    }


async def requests_of(session: Session, refund_ids: list[str]) -> dict[str, dict[str, str]]:
    """By Stripe's refund: the request of ours that it executes, and where that stands."""
    found = await refund_requests.of_refunds(session, refund_ids)
    return {id: {"id": row["id"], "status": row["status"]} for id, row in found.items()}


async def merchant(session: Session, id: str) -> dict[str, Any] | None:
    """A merchant with its connected account as Stripe last showed it, and its balances."""
    row = await merchants.get(session, id)
    if row is None:
        return None
    account = row["stripe_account"]
    record = (await objects.get(session, [account])).get(account) if account else None
    transfers = record.snapshot.detail.get("transfers") if record else None
    return {
        **merchant_row(row),
        "transfers": transfers or None,
        "mirrors": [dict(each) for each in await account_mirrors.of_merchant(session, id)],
        "balances": await merchant_balance(session, id),
    }


def merchant_row(row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "name": row["name"],
        "country": row["country"] or None,
        "stripe_account": row["stripe_account"] or None,
        "mirror": bool(row["mirror"]),
        "created_at": row["created_at"],
    }


async def merchant_entries(
    session: Session, id: str, limit: int, before: tuple[int, int]
) -> list[dict[str, Any]]:
    """What moved a merchant's balance, newest first: positive is more for the merchant."""
    rows = await books.entries_page(session, merchant_account(id), limit, before)
    return [
        {
            "id": f"{row['id']}-{row['line']}",
            "amount": -row["amount"],
            "currency": row["currency"],
            "kind": row["kind"],
            "reference": row["reference"],
            "cause": row["cause"] or None,
            "created_at": row["occurred_at"],
            "posted_at": row["posted_at"],
        }
        for row in rows
    ]
