"""Runs, written once, and findings, which live until what they report has cleared."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from reconciler.domain.findings import Finding
from reconciler.store.database import Batch, Row, Session

FINDING_COLUMNS = (
    "id, kind, cause, status, stripe_account, reference, currency, stripe_amount, books_amount,"
    " difference, at_risk, first_seen, last_seen, expected_clear_by, cleared_at, evidence,"
    " proposed_repair, explanation, suppression, resolution, assignee"
)

_FINDINGS = Batch(
    "findings",
    (
        ("id", "text"),
        ("kind", "text"),
        ("cause", "text"),
        ("status", "text"),
        ("stripe_account", "text"),
        ("reference", "text"),
        ("currency", "text"),
        ("stripe_amount", "bigint"),
        ("books_amount", "bigint"),
        ("difference", "bigint"),
        ("at_risk", "bigint"),
        ("first_seen", "bigint"),
        ("last_seen", "bigint"),
        ("expected_clear_by", "bigint"),
        ("cleared_at", "bigint"),
        ("evidence", "text"),
        ("proposed_repair", "text"),
        ("explanation", "text"),
        ("suppression", "text"),
    ),
    tail=(
        "ON CONFLICT (id) DO UPDATE SET cause = excluded.cause, status = excluded.status,"
        " stripe_amount = excluded.stripe_amount, books_amount = excluded.books_amount,"
        " difference = excluded.difference, at_risk = excluded.at_risk,"
        " last_seen = excluded.last_seen, expected_clear_by = excluded.expected_clear_by,"
        " evidence = excluded.evidence, proposed_repair = excluded.proposed_repair,"
        " explanation = excluded.explanation, suppression = excluded.suppression,"
        " resolution = ''"
    ),
)

_RUN_FINDINGS = Batch(
    "run_findings",
    (("run_id", "text"), ("finding_id", "text"), ("body", "text"), ("place", "bigint")),
)

Key = tuple[str, str, str, str]
"""What makes two sightings one finding: Stripe account, reference, currency, kind."""


def key_of(finding: Finding) -> Key:
    return (
        finding.stripe_account,
        finding.reference,
        finding.currency,
        finding.kind.value,
    )


def key_of_row(row: Row) -> Key:
    """The same of a finding as it is stored."""
    return row["stripe_account"], row["reference"], row["currency"], row["kind"]


async def living(session: Session) -> dict[Key, Row]:
    """Findings that have not cleared, by what makes them one: their id, when first seen, and how
    they stand."""
    rows = await session.all(
        "SELECT id, stripe_account, reference, currency, kind, first_seen, status FROM findings"
        " WHERE status <> 'cleared'"
    )
    return {(r["stripe_account"], r["reference"], r["currency"], r["kind"]): r for r in rows}


async def save_findings(
    session: Session, found: Sequence[tuple[str, int, Finding]], now: int
) -> list[dict[str, Any]]:
    """Store findings, each under its id and the moment it was first seen; what was stored."""
    rows = [_row(id, first_seen, finding, now) for id, first_seen, finding in found]
    await session.write_many(_FINDINGS, rows)
    names = [name for name, _ in _FINDINGS.columns]
    return [
        {**dict(zip(names, row, strict=True)), "evidence": list(finding.evidence)}
        for row, (_, _, finding) in zip(rows, found, strict=True)
    ]


def _row(id: str, first_seen: int, finding: Finding, now: int) -> tuple[object, ...]:
    return (
        id,
        finding.kind.value,
        finding.cause.value,
        finding.status(now),
        finding.stripe_account,
        finding.reference,
        finding.currency,
        finding.stripe_amount,
        finding.books_amount,
        finding.difference,
        finding.at_risk,
        first_seen,
        now,
        finding.expected_clear_by,
        0,
        msgspec.json.encode(finding.evidence).decode(),
        finding.repair,
        finding.explanation,
        finding.suppression,
    )


async def clear(session: Session, ids: Collection[str], now: int) -> None:
    """Mark findings as cleared: what they reported no longer stands."""
    if ids:
        await session.run(
            "UPDATE findings SET status = 'cleared', cleared_at = :now, at_risk = 0"
            " WHERE id IN {each:ids}",
            ids=sorted(ids),
            now=now,
        )


async def save_run(session: Session, run: dict[str, Any], found: Sequence[dict[str, Any]]) -> None:
    """Write a run and its findings as they stand now, for good."""
    await session.run(
        "INSERT INTO runs (id, started_at, finished_at, status, coverage, bridge, drift, counts)"
        " VALUES (:id, :started_at, :finished_at, :status, :coverage, :bridge, :drift, :counts)",
        id=run["id"],
        started_at=run["started_at"],
        finished_at=run["finished_at"],
        status=run["status"],
        **{
            name: msgspec.json.encode(run[name]).decode()
            for name in ("coverage", "bridge", "drift", "counts")
        },
    )
    rows = [
        (run["id"], body["id"], msgspec.json.encode(body).decode(), place)
        for place, body in enumerate(found, 1)
    ]
    await session.write_many(_RUN_FINDINGS, rows)


def as_run(row: Row) -> dict[str, Any]:
    """A run as it was written."""
    decoded = {
        name: msgspec.json.decode(row[name]) for name in ("coverage", "bridge", "drift", "counts")
    }
    digests = {name: row[name] or "" for name in ("rules", "seen_sha256", "sha256")}
    return {**row, **decoded, **digests}


def as_finding(row: Row) -> dict[str, Any]:
    """A finding as it stands."""
    return {**row, "evidence": msgspec.json.decode(row["evidence"])}


_RUNS = (
    "SELECT id, started_at, finished_at, status, coverage, bridge, drift, counts, rules,"
    " seen_sha256, sha256 FROM runs LEFT JOIN run_pins ON run_pins.run_id = runs.id"
)


async def run(session: Session, id: str) -> dict[str, Any] | None:
    """One run; `latest` names the newest."""
    where, values = ("id = :id", {"id": id})
    if id == "latest":
        where, values = "id = (SELECT id FROM runs ORDER BY started_at DESC, id DESC LIMIT 1)", {}
    row = await session.one(f"{_RUNS} WHERE {where}", **values)
    return as_run(row) if row else None


async def runs(
    session: Session, limit: int, before: tuple[int, str] | None
) -> list[dict[str, Any]]:
    """Runs, newest first, older than the cursor `(started_at, id)`."""
    started, id = before or (2**62, "")
    rows = await session.all(
        f"{_RUNS} WHERE started_at < :started"
        " OR (started_at = :started AND id < :id) ORDER BY started_at DESC, id DESC LIMIT :limit",
        started=started,
        id=id,
        limit=limit,
    )
    return [as_run(row) for row in rows]


async def as_of(
    session: Session, moment: int, limit: int, before: tuple[int, str] | None
) -> list[dict[str, Any]]:
    """Runs that were finished at that moment or before, newest first, as `runs` has them."""
    started, id = before or (2**62, "")
    rows = await session.all(
        f"{_RUNS} WHERE started_at <= :moment AND finished_at <= :moment"
        " AND (started_at < :started OR (started_at = :started AND id < :id))"
        " ORDER BY started_at DESC, id DESC LIMIT :limit",
        moment=moment,
        started=started,
        id=id,
        limit=limit,
    )
    return [as_run(row) for row in rows]


async def run_findings(session: Session, run_id: str) -> list[dict[str, Any]]:
    """The findings of a run, as they stood when it was written, by currency, kind and reference."""
    rows = await session.all("SELECT body FROM run_findings WHERE run_id = :id", id=run_id)
    found = [msgspec.json.decode(row["body"]) for row in rows]
    return sorted(found, key=lambda f: (f["currency"], f["kind"], f["reference"], f["id"]))


async def finding(session: Session, id: str) -> dict[str, Any] | None:
    """One finding as it stands."""
    row = await session.one(f"SELECT {FINDING_COLUMNS} FROM findings WHERE id = :id", id=id)
    return as_finding(row) if row else None


async def living_of_kind(session: Session, kind: str) -> list[dict[str, Any]]:
    """Findings of one kind that have not cleared."""
    rows = await session.all(
        f"SELECT {FINDING_COLUMNS} FROM findings WHERE status <> 'cleared' AND kind = :kind"
        " ORDER BY reference",
        kind=kind,
    )
    return [as_finding(row) for row in rows]


async def living_elsewhere(session: Session, looked: Collection[str]) -> list[dict[str, Any]]:
    """Findings of connected accounts that stand, as far as those were not looked at now; timing
    is nothing to report of an account that nobody looks at."""
    rows = await session.all(
        f"SELECT {FINDING_COLUMNS} FROM findings WHERE status <> 'cleared'"
        " AND status IN ('open', 'suppressed') AND stripe_account <> 'platform'"
        " AND kind <> 'invariant_broken' ORDER BY stripe_account, reference"
    )
    return [as_finding(row) for row in rows if row["stripe_account"] not in looked]


async def clear_of_accounts(session: Session, accounts: Collection[str], now: int) -> None:
    """Nobody looks at these accounts any more: what was found in them says nothing now."""
    rows = await session.all(
        "SELECT id FROM findings WHERE status <> 'cleared' AND stripe_account IN {each:accounts}",
        accounts=sorted(accounts),
    )
    await clear(session, [row["id"] for row in rows], now)
