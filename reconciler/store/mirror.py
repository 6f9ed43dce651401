"""The mirror of Stripe's lists: balance transactions, transfers as listed, and how far each list
has been walked."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields

from reconciler.domain.facts import BalanceTransaction
from reconciler.store.database import Batch, ColumnType, Row, Session

_INTEGERS = {"amount", "fee", "net", "created", "available_on", "source_amount"}
_NAMES = tuple(f.name for f in fields(BalanceTransaction))


def _column(name: str) -> tuple[str, ColumnType]:
    return (name, "bigint" if name in _INTEGERS else "text")


_INSERT = Batch(
    "balance_transactions",
    (
        *(_column(name) for name in _NAMES),
        ("clears", "text"),
        ("suspended", "bigint"),
        ("mirrored_at", "bigint"),
    ),
    tail="ON CONFLICT (id) DO NOTHING RETURNING id",
)
_COLUMNS = ", ".join(_NAMES)


def _as_fact(row: Row) -> BalanceTransaction:
    return BalanceTransaction(**{name: row[name] for name in _NAMES})


async def insert(session: Session, rows: Sequence[BalanceTransaction], now: int) -> set[str]:
    """Keep these movements; the ids of those that were not known."""
    values = [
        (*(getattr(r, name) for name in _NAMES), r.clears, int(r.suspended), now) for r in rows
    ]
    return {row["id"] for row in await session.write_many_returning(_INSERT, values)}


async def forget(session: Session, ids: Collection[str]) -> None:
    """Drop these movements, to be kept again as Stripe has them."""
    await session.run("DELETE FROM balance_transactions WHERE id IN {each:ids}", ids=sorted(ids))


async def clearing(session: Session, object_ids: Collection[str]) -> list[BalanceTransaction]:
    """The movements that clear against these objects, oldest first."""
    rows = await session.all(
        f"SELECT {_COLUMNS} FROM balance_transactions WHERE clears IN {{each:ids}}"
        " AND clears <> '' ORDER BY created, id",
        ids=sorted(object_ids),
    )
    return [_as_fact(row) for row in rows]


async def in_suspense(
    session: Session, stripe_account: str, limit: int
) -> list[BalanceTransaction]:
    """Movements that were posted to suspense, oldest first."""
    rows = await session.all(
        f"SELECT {_COLUMNS} FROM balance_transactions WHERE suspended = 1"
        " AND NOT EXISTS (SELECT 1 FROM adjustments a WHERE a.in_suspense = 1"
        " AND a.status = 'posted' AND a.reference = balance_transactions.id)"
        " AND stripe_account = :account ORDER BY created, id LIMIT :limit",
        account=stripe_account,
        limit=limit,
    )
    return [_as_fact(row) for row in rows]


async def page(
    session: Session, stripe_account: str, limit: int, before: tuple[int, str] | None
) -> list[BalanceTransaction]:
    """Movements, newest first, older than the cursor `(created, id)`."""
    created, id = before or (2**62, "")
    rows = await session.all(
        f"SELECT {_COLUMNS} FROM balance_transactions WHERE stripe_account = :account"
        " AND (created < :created OR (created = :created AND id < :id))"
        " ORDER BY created DESC, id DESC LIMIT :limit",
        account=stripe_account,
        created=created,
        id=id,
        limit=limit,
    )
    return [_as_fact(row) for row in rows]


async def cursor(session: Session, id: str) -> tuple[int, str] | None:
    """The cursor of a listing that goes on after this movement."""
    row = await session.one("SELECT created FROM balance_transactions WHERE id = :id", id=id)
    return (row["created"], id) if row else None


@dataclass(frozen=True, slots=True)
class Walk:
    """How far one list has been walked. No window is open while `window_to` is 0."""

    stream: str
    stripe_account: str
    frontier: int = 0
    window_from: int = 0
    window_to: int = 0
    cursor: str = ""
    rows_seen: int = 0
    started_at: int = 0
    finished_at: int = 0


async def walk(session: Session, stream: str, stripe_account: str) -> Walk:
    """The state of one walk; a fresh one if it never began."""
    row = await session.one(
        "SELECT stream, stripe_account, frontier, window_from, window_to, cursor, rows_seen,"
        " started_at, finished_at FROM walks WHERE stream = :stream AND stripe_account = :account",
        stream=stream,
        account=stripe_account,
    )
    return Walk(**row) if row else Walk(stream, stripe_account)


async def save_walk(session: Session, walk: Walk) -> None:
    """Store the state of one walk, in the transaction that keeps what the walk found."""
    await session.run(
        "INSERT INTO walks (stream, stripe_account, frontier, window_from, window_to, cursor,"
        " rows_seen, started_at, finished_at) VALUES (:stream, :account, :frontier, :window_from,"
        " :window_to, :cursor, :rows_seen, :started_at, :finished_at)"
        " ON CONFLICT (stream, stripe_account) DO UPDATE SET frontier = excluded.frontier,"
        " window_from = excluded.window_from, window_to = excluded.window_to,"
        " cursor = excluded.cursor, rows_seen = excluded.rows_seen,"
        " started_at = excluded.started_at, finished_at = excluded.finished_at",
        stream=walk.stream,
        account=walk.stripe_account,
        frontier=walk.frontier,
        window_from=walk.window_from,
        window_to=walk.window_to,
        cursor=walk.cursor,
        rows_seen=walk.rows_seen,
        started_at=walk.started_at,
        finished_at=walk.finished_at,
    )


async def walks(session: Session) -> list[Walk]:
    """The state of every walk."""
    rows = await session.all(
        "SELECT stream, stripe_account, frontier, window_from, window_to, cursor, rows_seen,"
        " started_at, finished_at FROM walks ORDER BY stream, stripe_account"
    )
    return [Walk(**row) for row in rows]


LOOK_BACK_SECONDS = 90 * 86400
"""No movement is pending for longer."""


async def becoming_available(
    session: Session, currency: str, now: int, *, cards_only: bool
) -> list[tuple[int, int]]:
    """When pending movements on the platform's balance become available, and how much, in order.

    With `cards_only`, what arrives by other ways than a card is left out: Stripe keeps what came by
    bank debit apart. A movement does not say by which of the other ways it came, so all are.
    """
    rows = await session.all(
        "SELECT available_on, CAST(SUM(net) AS BIGINT) AS net FROM balance_transactions"
        " WHERE created > :since AND available_on > :now AND currency = :currency"
        " AND stripe_account = 'platform' AND balance_type = 'payments'"
        " AND (:every = 1 OR net < 0 OR type NOT IN ('payment', 'payment_failure_refund'))"
        " GROUP BY available_on ORDER BY available_on",
        every=0 if cards_only else 1,
        since=now - LOOK_BACK_SECONDS,
        now=now,
        currency=currency,
    )
    return [(row["available_on"], row["net"]) for row in rows]


_COMPARISONS = Batch(
    "transfer_comparisons",
    (
        ("transfer_id", "text"),
        ("payout_id", "text"),
        ("destination", "text"),
        ("amount", "bigint"),
        ("amount_reversed", "bigint"),
        ("currency", "text"),
        ("created", "bigint"),
        ("seen_at", "bigint"),
        ("verdict", "text"),
        ("destination_payment", "text"),
    ),
    tail=(
        "ON CONFLICT (transfer_id) DO UPDATE SET payout_id = excluded.payout_id,"
        " amount_reversed = excluded.amount_reversed, seen_at = excluded.seen_at,"
        " verdict = excluded.verdict, destination_payment = excluded.destination_payment"
    ),
)


async def save_comparisons(session: Session, rows: Sequence[Sequence[object]]) -> None:
    """Keep how Stripe's transfers compare with our payouts (columns as in the table)."""
    await session.write_many(_COMPARISONS, rows)


async def comparisons_open(session: Session) -> list[Row]:
    """Transfers that do not agree with a payout of ours, and of which nobody has posted the
    difference."""
    return await session.all(
        "SELECT transfer_id, payout_id, destination, amount, amount_reversed, currency, created,"
        " seen_at, verdict FROM transfer_comparisons WHERE verdict <> 'agrees'"
        " AND NOT EXISTS (SELECT 1 FROM adjustments a WHERE a.status = 'posted'"
        " AND a.reference = transfer_comparisons.transfer_id)"
        " ORDER BY transfer_id"
    )


async def transfers_seen(session: Session, ids: Collection[str]) -> set[str]:
    """Those of these transfers that Stripe has listed."""
    rows = await session.all(
        "SELECT transfer_id FROM transfer_comparisons WHERE transfer_id IN {each:ids}",
        ids=sorted(ids),
    )
    return {row["transfer_id"] for row in rows}


async def transfers_behind(session: Session, payments: Collection[str]) -> dict[str, str]:
    """For each of these payments on connected accounts that Stripe listed a transfer for: which."""
    rows = await session.all(
        "SELECT destination_payment, transfer_id FROM transfer_comparisons"
        " WHERE destination_payment IN {each:payments} AND destination_payment <> ''",
        payments=sorted(payments),
    )
    return {row["destination_payment"]: row["transfer_id"] for row in rows}


async def payouts_listed(session: Session, transfer_ids: Collection[str]) -> dict[str, str]:
    """For each of these transfers that Stripe listed as one of ours: the payout that it names."""
    rows = await session.all(
        "SELECT transfer_id, payout_id FROM transfer_comparisons"
        " WHERE transfer_id IN {each:ids} AND payout_id <> ''",
        ids=sorted(transfer_ids),
    )
    return {row["transfer_id"]: row["payout_id"] for row in rows}
