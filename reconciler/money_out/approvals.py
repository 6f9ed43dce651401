"""Payouts and refunds that wait for a second person: asking, and showing what waits.

Used by the commands themselves, in the transaction that decides them. Must not release or give
back money: that is `approve`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.context import Context
from reconciler.domain.approvals import ApprovalStatus, Waiting
from reconciler.store import approvals
from reconciler.store.database import Session


async def ask(
    session: Session, context: Context, what: Waiting, asked_by: str, reasons: Sequence[str]
) -> None:
    """The instruction waits for another key than `asked_by`, for as long as the settings say."""
    now = context.now()
    until = now + context.policy.approval_seconds
    await approvals.ask(session, what, reasons, asked_by, now, until)


async def withdrawn(session: Session, instruction: str, by: str, now: int) -> bool:
    """Whether the instruction waited, and now waits no more because it was cancelled."""
    status = ApprovalStatus.WITHDRAWN
    return await approvals.decide(session, instruction, status, by, "", now)


async def shown(session: Session, instruction: str) -> dict[str, Any] | None:
    """An instruction's approval as the interface has it; None if it needed none."""
    row = await approvals.get(session, instruction)
    return as_shown(row) if row else None


def as_shown(row: dict[str, Any]) -> dict[str, Any]:
    """What a second person needs to see, and the digest to send back."""
    return {
        "instruction": row["instruction"],
        "kind": row["kind"],
        "status": row["status"],
        "merchant": row["merchant"] or None,
        "amount": row["amount"],
        "currency": row["currency"],
        "destination": row["destination"],
        "terms": row["terms"],
        "digest": row["digest"],
        "reasons": row["reasons"],
        "asked_by": {"key": row["asked_by"], "name": row["asked_by_name"]},
        "asked_at": row["asked_at"],
        "expires_at": row["expires_at"],
        "decided_by": {"key": row["decided_by"], "name": row["decided_by_name"]}
        if row["decided_by"]
        else None,
        "decided_at": row["decided_at"],
        "note": row["note"] or None,
    }
