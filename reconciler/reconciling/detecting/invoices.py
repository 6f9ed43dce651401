"""Invoices that were charged twice: two payments succeeded, and neither was refunded.

Proposes the refund of every one but the first. Must not refund anything: which charge the customer
meant is for a person to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.domain.findings import Cause, Finding, FindingKind
from reconciler.domain.snapshot import PLATFORM
from reconciler.reconciling.look import Look
from reconciler.store import invoices
from reconciler.store.database import Row, Session

LISTED = 200


@dataclass(frozen=True, slots=True)
class Seen:
    paid_twice: tuple[Row, ...] = ()


async def gather(session: Session, stripe_account: str, now: int) -> Seen:
    if stripe_account != PLATFORM:
        return Seen()
    return Seen(tuple(await invoices.paid_twice(session, LISTED)))


def detect(seen: Seen, look: Look) -> list[Finding]:
    """A finding for each payment but the first of its invoice. The balance and the books agree on
    all of them, so none carries a difference."""
    by_invoice: dict[str, list[Row]] = {}
    for row in seen.paid_twice:
        by_invoice.setdefault(row["invoice"], []).append(row)
    found = []
    for invoice, rows in sorted(by_invoice.items()):
        first, *others = sorted(rows, key=lambda r: (r["created_at"], r["payment_intent"]))
        found += [_finding(invoice, first, row, rows) for row in others]
    return found


def _finding(invoice: str, first: Row, second: Row, rows: Sequence[Row]) -> Finding:
    return Finding(
        FindingKind.DUPLICATE,
        Cause.SECOND_CHARGE,
        PLATFORM,
        second["payment_intent"],
        second["currency"],
        0,
        0,
        f"Invoice {invoice} was paid by {first['payment_intent']} and again by"
        f" {second['payment_intent']}.",
        at_risk=second["amount"],
        repair=f"refund {second['payment_intent']}",
        evidence=tuple(
            {
                "object": row["payment_intent"],
                "invoice": invoice,
                "amount": row["amount"],
                "currency": row["currency"],
                "made_by": row["origin"],
                "created": row["created_at"],
            }
            for row in rows
        ),
    )
