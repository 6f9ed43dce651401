"""The legs of a payout as they are shown: our instruction, its transfer, what arrived on the
connected account, and the bank payout that carried it on.

Each leg says whether it is proven, and if not, what differs or what is waited for. Read only;
amounts in minor units beside their currency, moments in epoch seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from reconciler.domain.ledger import clearing
from reconciler.domain.lifecycle import Kind
from reconciler.domain.windows import bank_returns_by
from reconciler.store import books, instructions, legs, mirror, objects, payouts
from reconciler.store.database import Row, Session

SAYS = {"given": "stripe", "inferred": "inferred"}


async def of_payout(session: Session, id: str) -> list[dict[str, Any]]:
    """The legs of one payout, as far as there are any."""
    row = await instructions.get(session, payouts.TABLE, id)
    if row is None:
        return []
    found = [_instruction(row)]
    if row["transfer_id"]:
        found.append(await _transfer(session, row["transfer_id"]))
        leg = await legs.of_transfer(session, row["transfer_id"])
        found.append(_arrival(leg))
        found += await _banked(session, leg) if leg is not None else []
    return found


def _instruction(row: Row) -> dict[str, Any]:
    return {
        "leg": "payout",
        "id": row["id"],
        "amount": row["amount"],
        "amount_reversed": row["amount_reversed"],
        "currency": row["currency"],
        "status": row["status"],
        "at": row["created_at"],
        "proven": bool(row["transfer_id"]),
        "differs": None if row["transfer_id"] else "no transfer executes it",
    }


async def _transfer(session: Session, id: str) -> dict[str, Any]:
    """The transfer and its movements on the platform's balance."""
    record = (await objects.get(session, [id])).get(id)
    moved = await mirror.clearing(session, [id])
    open = [row for row in await books.balance(session, clearing(id)) if row["amount"]]
    known = record.snapshot if record and record.snapshot.kind is Kind.TRANSFER else None
    differs = None
    if not moved:
        differs = "its balance transaction has not been mirrored yet"
    elif open:
        differs = "the books expected another movement: see its finding"
    return {
        "leg": "transfer",
        "id": id,
        "amount": known.amount if known else None,
        "amount_reversed": known.detail["amount_reversed"] if known else None,
        "currency": known.currency if known else None,
        "status": None,
        "at": known.created if known else None,
        "balance_transactions": [
            {
                "id": m.id,
                "amount": m.amount,
                "fee": m.fee,
                "currency": m.currency,
                "exchange_rate": m.exchange_rate or None,
            }
            for m in moved
        ],
        "proven": differs is None,
        "differs": differs,
    }


def _arrival(leg: Row | None) -> dict[str, Any]:
    if leg is None or not leg["read_at"]:
        return {
            "leg": "destination_payment",
            "id": (leg and leg["destination_payment"]) or None,
            "proven": False,
            "differs": (leg and leg["error"]) or "it has not been read yet",
        }
    return {"leg": "destination_payment", **arrival(leg)}


def arrival(leg: Mapping[str, Any]) -> dict[str, Any]:
    """What a transfer became on the connected account, as it was last read."""
    differs = (leg["problem"] or "").replace("_", " ") or None
    if differs is None and not leg["balance_transaction"]:
        differs = "Stripe has not attached its balance transaction yet"
    return {
        "id": leg["destination_payment"] or None,
        "stripe_account": leg["stripe_account"],
        "amount": leg["arrived"],
        "amount_refunded": leg["refunded"],
        "currency": leg["arrived_currency"] or leg["currency"],
        "status": "missing" if leg["problem"] == "missing" else "arrived",
        "at": leg["created"],
        "balance_transaction": leg["balance_transaction"] or None,
        "settled_amount": leg["settled"] if leg["balance_transaction"] else None,
        "settled_fee": leg["settled_fee"] if leg["balance_transaction"] else None,
        "settled_currency": leg["settled_currency"] or None,
        "exchange_rate": leg["exchange_rate"] or None,
        "available_at": leg["available_on"] or None,
        "read_at": leg["read_at"],
        "proven": differs is None,
        "differs": differs,
    }


async def _banked(session: Session, leg: Row) -> list[dict[str, Any]]:
    """The bank payouts that carried what arrived; one without an id while none is known."""
    movement = leg["balance_transaction"]
    found = await legs.to_the_bank(session, [movement]) if movement else {}
    rows = found.get(movement, [])
    if not rows:
        return [
            {
                "leg": "bank_payout",
                "id": None,
                "stripe_account": leg["stripe_account"],
                "proven": False,
                "differs": "no bank payout is known to have carried it yet",
            }
        ]
    return [{"leg": "bank_payout", **bank_leg(row, leg["stripe_account"])} for row in rows]


def bank_leg(row: Row, account: str) -> dict[str, Any]:
    """A bank payout that carried a leg. A paid one is final only some days later."""
    detail = msgspec.json.decode(row["detail"]) if row["detail"] else {}
    arrives = detail.get("arrival_date") or 0
    status = row["status"] or "unknown"
    failed = status in ("failed", "canceled")
    return {
        "id": row["payout"],
        "stripe_account": account,
        "amount": row["part"],
        "currency": row["currency"],
        "status": status,
        "at": arrives or None,
        "final_at": bank_returns_by(arrives) if arrives and not failed else None,
        "says": SAYS[row["method"]],
        "failure": detail.get("failure") or None,
        "proven": status == "paid",
        "differs": None if status == "paid" else f"the bank payout is {status.replace('_', ' ')}",
    }


async def of_merchant(session: Session, merchant: str, limit: int) -> list[dict[str, Any]]:
    """The newest legs on a merchant's accounts, each with the bank payouts that carried it."""
    rows = await legs.of_merchant(session, merchant, limit)
    movements = [row["balance_transaction"] for row in rows if row["balance_transaction"]]
    carried = await legs.to_the_bank(session, movements) if movements else {}
    return [
        {
            **arrival(row),
            "transfer": row["transfer_id"],
            "sent": row["amount"],
            "sent_currency": row["currency"],
            "bank_payouts": [
                bank_leg(each, row["stripe_account"])
                for each in carried.get(row["balance_transaction"], [])
            ],
        }
        for row in rows
    ]
