"""Findings as people work through them: listed by what they are, assigned, resolved, set aside.

What runs write of them is in `runs`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.store.database import Row, Session
from reconciler.store.runs import FINDING_COLUMNS, as_finding


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which findings; what is empty chooses all. Without a status: all that have not cleared.
    `seen_from` and `seen_to`, both included, are when they were first seen."""

    status: str = ""
    kind: str = ""
    cause: str = ""
    currency: str = ""
    assignee: str = ""
    reference: str = ""
    seen_from: int = 0
    seen_to: int = 2**62
    ids: tuple[str, ...] = ()


_WHERE = (
    "((CAST(:status AS TEXT) = '' AND status <> 'cleared') OR status = :status)"
    " AND (CAST(:kind AS TEXT) = '' OR kind = :kind)"
    " AND (CAST(:cause AS TEXT) = '' OR cause = :cause)"
    " AND (CAST(:currency AS TEXT) = '' OR currency = :currency)"
    " AND (CAST(:assignee AS TEXT) = '' OR assignee = :assignee)"
    " AND (CAST(:reference AS TEXT) = '' OR reference = :reference)"
    " AND first_seen >= :seen_from AND first_seen <= :seen_to"
    " AND (CAST(:named AS BIGINT) = 0 OR id IN {each:ids})"
)


def _values(chosen: Chosen) -> dict[str, Any]:
    values = {name: getattr(chosen, name) for name in chosen.__slots__}
    return {**values, "ids": list(chosen.ids), "named": len(chosen.ids)}


async def page(
    session: Session, chosen: Chosen, limit: int, before: tuple[int, str] | None
) -> list[dict[str, Any]]:
    """Findings, the newest first, older than the cursor `(first_seen, id)`."""
    seen, id = before or (2**62, "")
    rows = await session.all(
        f"SELECT {FINDING_COLUMNS} FROM findings WHERE {_WHERE}"
        " AND (first_seen < :before OR (first_seen = :before AND id < :id))"
        " ORDER BY first_seen DESC, id DESC LIMIT :limit",
        before=seen,
        id=id,
        limit=limit,
        **_values(chosen),
    )
    return [as_finding(row) for row in rows]


async def sums(session: Session, chosen: Chosen) -> list[Row]:
    """How many there are and what they add up to, by status and currency. `at_stake` adds the
    larger of difference and risk of each."""
    return await session.all(
        "SELECT status, currency, COUNT(*) AS findings,"
        " CAST(SUM(difference) AS BIGINT) AS difference,"
        " CAST(SUM(CASE WHEN ABS(difference) > at_risk THEN ABS(difference) ELSE at_risk END)"
        f" AS BIGINT) AS at_stake FROM findings WHERE {_WHERE}"
        " GROUP BY status, currency ORDER BY status, currency",
        **_values(chosen),
    )


async def seen_when(session: Session, chosen: Chosen) -> list[int]:
    """When each of these findings was first seen: for counting them by age."""
    rows = await session.all(f"SELECT first_seen FROM findings WHERE {_WHERE}", **_values(chosen))
    return [row["first_seen"] for row in rows]


async def words(session: Session) -> dict[str, list[str]]:
    """What living findings could be narrowed down to: their causes, currencies and assignees."""
    rows = await session.all(
        "SELECT DISTINCT cause, currency, assignee FROM findings WHERE status <> 'cleared'"
    )
    return {
        name: sorted({row[name] for row in rows} - {""})
        for name in ("cause", "currency", "assignee")
    }


async def locked(session: Session, id: str) -> dict[str, Any] | None:
    """One finding; nobody else acts on it before this transaction ends."""
    row = await session.one(
        f"SELECT {FINDING_COLUMNS} FROM findings WHERE id = :id {{for_update}}", id=id
    )
    return as_finding(row) if row else None


async def assign(session: Session, id: str, assignee: str) -> None:
    await session.run(
        "UPDATE findings SET assignee = :assignee WHERE id = :id", id=id, assignee=assignee
    )


async def resolve(session: Session, id: str, resolution: str) -> None:
    """It is settled, as somebody says, until it is seen again."""
    await session.run(
        "UPDATE findings SET status = 'resolved', resolution = :resolution, suppression = ''"
        " WHERE id = :id",
        id=id,
        resolution=resolution,
    )


async def set_aside(session: Session, id: str, suppression: str) -> None:
    """It is suppressed; one that is only timing, as soon as it is more than that."""
    await session.run(
        "UPDATE findings SET suppression = :suppression, resolution = '',"
        " status = CASE WHEN status = 'timing' THEN 'timing' ELSE 'suppressed' END"
        " WHERE id = :id",
        id=id,
        suppression=suppression,
    )


async def reopen(session: Session, ids: Collection[str]) -> None:
    """They are set aside no more."""
    await session.run(
        "UPDATE findings SET suppression = '', resolution = '',"
        " status = CASE WHEN status IN ('suppressed', 'resolved') THEN 'open' ELSE status END"
        " WHERE id IN {each:ids}",
        ids=sorted(ids),
    )


async def others(session: Session, finding: Mapping[str, Any], limit: int = 20) -> list[Row]:
    """Other findings about the same object, living or cleared, the newest first: what was done
    about those may be what this one is about."""
    return await session.all(
        "SELECT id, kind, cause, status, currency, difference FROM findings"
        " WHERE reference = :reference AND stripe_account = :account AND id <> :id"
        " ORDER BY first_seen DESC, id DESC LIMIT :limit",
        reference=finding["reference"],
        account=finding["stripe_account"],
        id=finding["id"],
        limit=limit,
    )


async def about(session: Session, subjects: Collection[tuple[str, str]]) -> list[dict[str, Any]]:
    """Living findings about these subjects: Stripe account and reference."""
    rows = await session.all(
        f"SELECT {FINDING_COLUMNS} FROM findings WHERE status <> 'cleared'"
        " AND reference IN {each:references} ORDER BY id",
        references=sorted({reference for _, reference in subjects}),
    )
    return [as_finding(r) for r in rows if (r["stripe_account"], r["reference"]) in set(subjects)]
