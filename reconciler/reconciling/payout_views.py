"""Bank payouts as they are shown: what each is made of, who says so, and whether it is proven.

Read only; amounts in minor units of the balance's currency.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.domain.lifecycle import Kind
from reconciler.domain.snapshot import Record, Snapshot
from reconciler.store import compositions, objects
from reconciler.store.database import Row, Session

SAYS = {"given": "stripe", "inferred": "inferred"}


@dataclass(frozen=True, slots=True)
class BankPayout:
    """`shown` is its composition, its trace id, and how it came back."""

    record: Record
    shown: Mapping[str, Any]


async def bank_payout(session: Session, id: str) -> BankPayout | None:
    record = (await objects.get(session, [id])).get(id)
    if record is None or record.snapshot.kind is not Kind.BANK_PAYOUT:
        return None
    row = await compositions.get(session, id)
    composition = composed(row, record.snapshot)
    if row is not None:
        composition["by_category"] = [dict(r) for r in await compositions.by_category(session, id)]
    back = [dict(r) for r in await compositions.returned(session, id)]
    return BankPayout(record, {"composition": composition, "returned": back})


def composed(row: Row | None, payout: Snapshot) -> dict[str, Any]:
    """How a payout was composed; why it was not yet, where it was not."""
    if row is None:
        return {"says": None, "proven": False, "why_not": _why_not(payout)}
    return {
        "says": SAYS[row["method"]],
        "proven": row["total"] == row["explained"],
        "currency": row["currency"],
        "total": row["total"],
        "explained": row["explained"],
        "remainder": row["total"] - row["explained"],
        "movements": row["items"],
    }


def _why_not(payout: Snapshot) -> str:
    if payout.detail["automatic"] and payout.detail["reconciliation_status"] != "completed":
        return "Stripe has not finished matching its movements; it says so by an event."
    return "Its own movement has not been mirrored yet, or its movements could not be read."


async def items(session: Session, id: str, limit: int, after: str) -> list[Row]:
    return await compositions.items(session, id, limit, after)
