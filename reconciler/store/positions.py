"""Positions: the lines that stand in the books, by reference and by family."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from reconciler.domain.ledger import Line
from reconciler.domain.positions import Position, PositionKind
from reconciler.store.database import Batch, Row, Session

_COLUMNS = "reference, kind, family, stripe_account, merchant, occurred_at, lines, version"

_SAVE = Batch(
    "positions",
    (
        ("reference", "text"),
        ("kind", "text"),
        ("family", "text"),
        ("stripe_account", "text"),
        ("merchant", "text"),
        ("occurred_at", "bigint"),
        ("lines", "text"),
        ("version", "bigint"),
    ),
    tail=(
        "ON CONFLICT (reference) DO UPDATE SET family = excluded.family,"
        " merchant = excluded.merchant, lines = excluded.lines, version = excluded.version"
    ),
)


def _as_position(row: Row) -> Position:
    lines = tuple(Line(*line) for line in msgspec.json.decode(row["lines"]))
    return Position(
        row["reference"],
        PositionKind(row["kind"]),
        row["family"],
        row["stripe_account"],
        row["merchant"],
        row["occurred_at"],
        lines,
        row["version"],
    )


async def of_families(session: Session, families: Collection[str]) -> dict[str, Position]:
    """Every position that belongs to one of these families, by reference."""
    rows = await session.many(
        f"SELECT {_COLUMNS} FROM positions WHERE family IN {{each:families}}",
        families=sorted(families),
    )
    return {row["reference"]: _as_position(row) for row in rows}


async def of_references(session: Session, references: Collection[str]) -> dict[str, Position]:
    """The positions with these references, whatever family they belong to."""
    if not references:
        return {}
    rows = await session.many(
        f"SELECT {_COLUMNS} FROM positions WHERE reference IN {{each:references}}",
        references=sorted(references),
    )
    return {row["reference"]: _as_position(row) for row in rows}


async def save(session: Session, changed: Sequence[Position]) -> None:
    """Store positions over what was held."""
    rows = [
        (
            p.reference,
            p.kind.value,
            p.family,
            p.stripe_account,
            p.merchant,
            p.occurred_at,
            msgspec.json.encode([(x.account, x.currency, x.amount) for x in p.lines]).decode(),
            p.version,
        )
        for p in changed
    ]
    await session.write_many(_SAVE, rows)


async def after(session: Session, reference: str, limit: int) -> list[Position]:
    """Positions in order of reference, after the given one: for walking all of them."""
    rows = await session.all(
        f"SELECT {_COLUMNS} FROM positions WHERE reference > :after"
        " ORDER BY reference LIMIT :limit",
        after=reference,
        limit=limit,
    )
    return [_as_position(row) for row in rows]


async def without_adjustment(session: Session, limit: int) -> list[Position]:
    """Positions of adjustments of which there is no record."""
    rows = await session.all(
        f"SELECT {_COLUMNS} FROM positions WHERE kind = 'adjustment' AND lines <> '[]'"
        " AND NOT EXISTS (SELECT 1 FROM adjustments a WHERE a.id = positions.reference)"
        " ORDER BY reference LIMIT :limit",
        limit=limit,
    )
    return [_as_position(row) for row in rows]
