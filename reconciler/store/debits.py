"""Tries of invoices, and the runs that make them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.store.database import Batch, Row, Session

TRY_COLUMNS = (
    "id, invoice, payment, run, step, card, day, status, code, decline_code, advice_code, message,"
    " created_at, updated_at"
)
RUN_COLUMNS = "id, day, status, started_by, started_at, finished_at"
ITEM_COLUMNS = "run, invoice, outcome, detail, amount, currency"

_ITEMS = Batch(
    "debit_run_items",
    (
        ("run", "text"),
        ("invoice", "text"),
        ("outcome", "text"),
        ("detail", "text"),
        ("amount", "bigint"),
        ("currency", "text"),
    ),
    tail="ON CONFLICT (run, invoice) DO NOTHING",
)


async def add_try(session: Session, row: dict[str, Any]) -> None:
    """Raises the database's unique violation while another try of the invoice is under way."""
    names = TRY_COLUMNS.split(", ")
    marks = ", ".join(f":{name}" for name in names)
    await session.run(f"INSERT INTO debit_tries ({TRY_COLUMNS}) VALUES ({marks})", **row)


async def get_try(session: Session, id: str) -> Row | None:
    return await session.one(f"SELECT {TRY_COLUMNS} FROM debit_tries WHERE id = :id", id=id)


async def tries(session: Session, invoice: str) -> list[Row]:
    """Every try of an invoice, the oldest first."""
    return await session.all(
        f"SELECT {TRY_COLUMNS} FROM debit_tries WHERE invoice = :invoice ORDER BY created_at, id",
        invoice=invoice,
    )


async def settle_try(
    session: Session,
    id: str,
    status: str,
    now: int,
    *,
    code: str = "",
    decline_code: str = "",
    advice_code: str = "",
    message: str = "",
) -> bool:
    """Whether the try was under way, or waited for its customer, and now is settled."""
    row = await session.one(
        "UPDATE debit_tries SET status = :status, code = :code, decline_code = :decline_code,"
        " advice_code = :advice_code, message = :message, updated_at = :now"
        " WHERE id = :id AND status IN ('under_way', 'waiting') RETURNING id",
        id=id,
        status=status,
        code=code[:100],
        decline_code=decline_code[:100],
        advice_code=advice_code[:100],
        message=message[:500],
        now=now,
    )
    return row is not None


# -- runs -------------------------------------------------------------------------------------


async def begin_run(session: Session, id: str, day: str, by: str, now: int) -> Row:
    """The run that goes on from here: one that was cut short, or a new one."""
    begun = await session.one(
        "INSERT INTO debit_runs (id, day, status, started_by, started_at, finished_at)"
        " VALUES (:id, :day, 'running', :by, :now, 0)"
        " ON CONFLICT (status) WHERE status = 'running' DO NOTHING"
        f" RETURNING {RUN_COLUMNS}",
        id=id,
        day=day,
        by=by,
        now=now,
    )
    if begun is None:
        sql = f"SELECT {RUN_COLUMNS} FROM debit_runs WHERE status = 'running'"
        begun = await session.one(sql)
    assert begun is not None
    return begun


async def add_items(session: Session, run: str, rows: Sequence[Row]) -> None:
    """These invoices are to be debited in the run; those already in it stay as they are."""
    values = [(run, row["id"], "", "", row["amount"], row["currency"]) for row in rows]
    await session.write_many(_ITEMS, values)


async def waiting(session: Session, run: str, limit: int) -> list[Row]:
    """Invoices of the run that have had no outcome yet."""
    return await session.all(
        f"SELECT {ITEM_COLUMNS} FROM debit_run_items WHERE run = :run AND outcome = ''"
        " ORDER BY invoice LIMIT :limit",
        run=run,
        limit=limit,
    )


async def item_done(session: Session, run: str, invoice: str, outcome: str, detail: str) -> None:
    """What became of an invoice in a run; another instance may have said it already."""
    await session.run(
        "UPDATE debit_run_items SET outcome = :outcome, detail = :detail"
        " WHERE run = :run AND invoice = :invoice AND outcome IN ('', 'outcome_unknown')",
        run=run,
        invoice=invoice,
        outcome=outcome,
        detail=detail[:500],
    )


async def items_settled(session: Session, invoice: str, outcome: str) -> None:
    """What runs did not know of an invoice when they were done with it."""
    await session.run(
        "UPDATE debit_run_items SET outcome = :outcome, detail = ''"
        " WHERE invoice = :invoice AND outcome IN ('outcome_unknown', 'processing')",
        invoice=invoice,
        outcome=outcome,
    )


async def finish_run(session: Session, id: str, now: int) -> bool:
    row = await session.one(
        "UPDATE debit_runs SET status = 'finished', finished_at = :now"
        " WHERE id = :id AND status = 'running' RETURNING id",
        id=id,
        now=now,
    )
    return row is not None


async def run(session: Session, id: str) -> Row | None:
    """One run; `latest` names the newest."""
    if id == "latest":
        rows = await runs(session, 1, None)
        return rows[0] if rows else None
    return await session.one(f"SELECT {RUN_COLUMNS} FROM debit_runs WHERE id = :id", id=id)


async def runs(session: Session, limit: int, before: tuple[int, str] | None) -> list[Row]:
    """Runs, newest first, older than the cursor `(started_at, id)`."""
    at, id = before or (2**62, "")
    return await session.all(
        f"SELECT {RUN_COLUMNS} FROM debit_runs WHERE started_at < :at"
        " OR (started_at = :at AND id < :id) ORDER BY started_at DESC, id DESC LIMIT :limit",
        at=at,
        id=id,
        limit=limit,
    )


async def sums(session: Session, ids: Sequence[str]) -> list[Row]:
    """Per run, outcome and currency: how many invoices, and their sum."""
    return await session.all(
        "SELECT run, outcome, currency, COUNT(*) AS invoices,"
        " CAST(SUM(amount) AS BIGINT) AS amount FROM debit_run_items WHERE run IN {each:ids}"
        " GROUP BY run, outcome, currency ORDER BY run, outcome, currency",
        ids=sorted(ids),
    )


async def items(session: Session, run: str, limit: int, after: str, outcome: str) -> list[Row]:
    """A run's invoices in order, from behind the cursor."""
    return await session.all(
        f"SELECT {ITEM_COLUMNS} FROM debit_run_items WHERE run = :run AND invoice > :after"
        " AND (:outcome = '' OR outcome = :outcome) ORDER BY invoice LIMIT :limit",
        run=run,
        after=after,
        outcome=outcome,
        limit=limit,
    )
