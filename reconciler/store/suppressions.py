"""Suppressions: findings that somebody set aside, and how each of them ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.domain.suppressions import Suppression
from reconciler.store.database import Row, Session

COLUMNS = (
    "id, finding, stripe_account, reference, currency, kind, fingerprint, cap, reason, made_by,"
    " made_by_name, made_at, expires_at, ended_at, ended_why"
)

Key = tuple[str, str, str, str]
"""The difference that is set aside: Stripe account, reference, currency, kind."""


async def insert(session: Session, row: Mapping[str, Any]) -> bool:
    """Whether this is now the one suppression of its difference; False if another is in force."""
    names = COLUMNS.split(", ")
    marks = ", ".join(f":{name}" for name in names)
    stored = await session.one(
        f"INSERT INTO suppressions ({COLUMNS}) VALUES ({marks})"
        " ON CONFLICT (stripe_account, reference, currency, kind) WHERE ended_at = 0 DO NOTHING"
        " RETURNING id",
        **row,
    )
    return stored is not None


async def in_force(session: Session, stripe_account: str = "") -> dict[Key, Suppression]:
    """What is set aside, in one Stripe account or in all, by the difference it is about."""
    rows = await session.all(
        f"SELECT {COLUMNS} FROM suppressions WHERE ended_at = 0"
        " AND (CAST(:account AS TEXT) = '' OR stripe_account = :account)",
        account=stripe_account,
    )
    return {
        (r["stripe_account"], r["reference"], r["currency"], r["kind"]): Suppression(
            r["id"], r["fingerprint"], r["cap"], r["expires_at"]
        )
        for r in rows
    }


async def of_finding(session: Session, finding: str) -> list[Row]:
    """Every suppression of a finding, the newest first."""
    return await session.all(
        f"SELECT {COLUMNS} FROM suppressions WHERE finding = :finding"
        " ORDER BY made_at DESC, id DESC",
        finding=finding,
    )


async def end(session: Session, ids: Sequence[str], why: str, now: int) -> list[Row]:
    """Those of these suppressions that were in force and now are not."""
    return await session.all(
        "UPDATE suppressions SET ended_at = :now, ended_why = :why"
        f" WHERE ended_at = 0 AND id IN {{each:ids}} RETURNING {COLUMNS}",
        ids=list(ids),
        why=why,
        now=now,
    )
