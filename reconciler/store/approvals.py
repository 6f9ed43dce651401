"""Approvals: what waits, or waited, for a second person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from reconciler.domain import adjustments
from reconciler.domain.approvals import ApprovalStatus, Request, Waiting
from reconciler.domain.refunds import terms
from reconciler.store.database import Row, Session

COLUMNS = (
    "instruction, kind, merchant, destination, amount, currency, digest, reasons, asked_by,"
    " asked_at, expires_at, status, decided_by, decided_at, note"
)
_NAMED = (
    f"SELECT {', '.join('a.' + name for name in COLUMNS.split(', '))},"
    " COALESCE(k.name, '') AS asked_by_name, COALESCE(d.name, '') AS decided_by_name,"
    " COALESCE(r.reason, '') AS refund_reason, COALESCE(r.recovery, '') AS recovery,"
    " j.amount AS adjusts, j.reference AS adjusted, j.reason AS adjusted_for"
    " FROM approvals a LEFT JOIN api_keys k ON k.id = a.asked_by"
    " LEFT JOIN api_keys d ON d.id = a.decided_by"
    " LEFT JOIN refund_requests r ON r.id = a.instruction"
    " LEFT JOIN adjustments j ON j.id = a.instruction"
)


async def ask(
    session: Session, what: Waiting, reasons: Sequence[str], by: str, now: int, until: int
) -> None:
    """The instruction waits for a second person."""
    names = COLUMNS.split(", ")
    await session.run(
        f"INSERT INTO approvals ({COLUMNS}) VALUES ({', '.join(':' + name for name in names)})",
        instruction=what.instruction,
        kind=what.kind,
        merchant=what.merchant,
        destination=what.destination,
        amount=what.amount,
        currency=what.currency,
        digest=what.digest,
        reasons=msgspec.json.encode(list(reasons)).decode(),
        asked_by=by,
        asked_at=now,
        expires_at=until,
        status=ApprovalStatus.WAITING.value,
        decided_by="",
        decided_at=0,
        note="",
    )


async def locked(session: Session, instruction: str) -> Row | None:
    """The approval of an instruction; nobody else decides on it before this transaction ends."""
    return await session.one(
        f"SELECT {COLUMNS} FROM approvals WHERE instruction = :id {{for_update}}", id=instruction
    )


def request_of(row: Row, what: Waiting) -> Request:
    """The approval of `what`, the instruction as it now stands."""
    status = ApprovalStatus(row["status"])
    return Request(what, row["digest"], row["asked_by"], row["expires_at"], status)


async def decide(
    session: Session, instruction: str, status: ApprovalStatus, by: str, note: str, now: int
) -> bool:
    """Whether it waited, and is now decided."""
    row = await session.one(
        "UPDATE approvals SET status = :status, decided_by = :by, decided_at = :now, note = :note"
        " WHERE instruction = :id AND status = 'waiting' RETURNING instruction",
        id=instruction,
        status=status.value,
        by=by,
        note=note,
        now=now,
    )
    return row is not None


async def overdue(session: Session, now: int, limit: int) -> list[Row]:
    """What nobody decided on in time."""
    return await session.all(
        "SELECT instruction, kind FROM approvals WHERE status = 'waiting' AND expires_at <= :now"
        " ORDER BY expires_at, instruction LIMIT :limit",
        now=now,
        limit=limit,
    )


async def get(session: Session, instruction: str) -> dict[str, Any] | None:
    """One approval, with the names of the keys and the terms of what waits."""
    row = await session.one(f"{_NAMED} WHERE a.instruction = :id", id=instruction)
    return _read(row) if row else None


async def page(
    session: Session, status: str, limit: int, before: tuple[int, str] | None
) -> list[dict[str, Any]]:
    """Approvals of a status (any, if empty), newest first, after this place in the order."""
    at, id = before or (2**62, "")
    rows = await session.all(
        f"{_NAMED} WHERE (CAST(:status AS TEXT) = '' OR a.status = :status)"
        " AND (a.asked_at < :at OR (a.asked_at = :at AND a.instruction < :id))"
        " ORDER BY a.asked_at DESC, a.instruction DESC LIMIT :limit",
        status=status,
        at=at,
        id=id,
        limit=limit,
    )
    return [_read(row) for row in rows]


def _read(row: Row) -> dict[str, Any]:
    row = dict(row)
    adjusts, adjusted, why = (row.pop(n) for n in ("adjusts", "adjusted", "adjusted_for"))
    refund = terms(row.pop("refund_reason"), row.pop("recovery"))
    adjustment = adjustments.terms(adjusts, row["currency"], adjusted, why) if adjusts else ()
    row["terms"] = [*refund, *adjustment]
    return {**row, "reasons": msgspec.json.decode(row["reasons"])}
