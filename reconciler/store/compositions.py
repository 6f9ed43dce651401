"""What each bank payout is made of, and the movements that no payout has taken yet."""

from __future__ import annotations

from reconciler.domain.compositions import Composition, Lot, Method, Part
from reconciler.store.database import Batch, Row, Session

COLUMNS = (
    "payout, stripe_account, currency, created, method, total, explained, items, pool_from,"
    " composed_at"
)

CARRIED_WITHIN_SECONDS = 60 * 86400
"""What arrived on a connected account goes to the bank within this time, as a rule."""

_ITEMS = Batch(
    "bank_payout_items",
    (("payout", "text"), ("balance_transaction", "text"), ("part", "bigint")),
)


async def uncomposed(session: Session, limit: int) -> list[Row]:
    """Bank payouts whose own movement is mirrored and that have no composition, the oldest first;
    `taken` is what each took from the balance (minor units, its fee included)."""
    return await session.all(
        "SELECT o.id, o.stripe_account, o.currency, o.created, o.amount, o.detail, t.id AS own,"
        " -t.net AS taken, t.currency AS unit, t.created AS moved_at"
        " FROM objects o JOIN balance_transactions t ON t.clears = o.id"
        " AND t.reporting_category = 'payout'"
        " WHERE o.kind = 'bank_payout' AND NOT EXISTS"
        " (SELECT 1 FROM bank_payout_compositions c WHERE c.payout = o.id)"
        " ORDER BY o.created, o.id LIMIT :limit",
        limit=limit,
    )


async def unmirrored(session: Session, since: int, limit: int) -> list[Row]:
    """Automatic bank payouts of accounts whose movements are not mirrored, made from `since` on,
    that Stripe has matched and that have no composition: those of accounts on which a transfer's
    payment has not gone to the bank yet, the newest first."""
    return await session.all(
        "SELECT o.id, o.stripe_account, o.currency AS unit, o.created AS moved_at FROM objects o"
        " WHERE o.kind = 'bank_payout' AND o.stripe_account <> 'platform' AND o.created > :since"
        " AND o.detail LIKE :automatic AND o.detail LIKE :matched"
        " AND NOT EXISTS (SELECT 1 FROM bank_payout_compositions c WHERE c.payout = o.id)"
        " AND NOT EXISTS (SELECT 1 FROM balance_transactions t WHERE t.clears = o.id"
        "  AND t.clears <> '')"
        " AND EXISTS (SELECT 1 FROM transfer_legs l WHERE l.stripe_account = o.stripe_account"
        "  AND l.created <= o.created AND l.created > o.created - :lately"
        "  AND l.balance_transaction <> '' AND NOT EXISTS"
        "  (SELECT 1 FROM bank_payout_items i"
        "   WHERE i.balance_transaction = l.balance_transaction))"
        " ORDER BY o.created DESC, o.id LIMIT :limit",
        since=since,
        lately=CARRIED_WITHIN_SECONDS,
        automatic='%"automatic":true%',
        matched='%"reconciliation_status":"completed"%',
        limit=limit,
    )


async def get(session: Session, payout: str) -> Row | None:
    return await session.one(
        f"SELECT {COLUMNS} FROM bank_payout_compositions WHERE payout = :payout", payout=payout
    )


async def save(session: Session, row: Row, found: Composition, now: int) -> None:
    """Keep the composition of a payout (`row` has its id, account, unit and moment), in place of
    what was kept before."""
    await forget(session, row["id"])
    await session.run(
        f"INSERT INTO bank_payout_compositions ({COLUMNS}) VALUES (:payout, :account, :currency,"
        " :created, :method, :total, :explained, :items, :pool_from, :now)",
        payout=row["id"],
        account=row["stripe_account"],
        currency=row["unit"],
        created=row["moved_at"],
        method=found.method.value,
        total=found.total,
        explained=found.explained,
        items=len(found.parts),
        pool_from=found.pool_from,
        now=now,
    )
    parts = [(row["id"], p.balance_transaction, p.amount) for p in found.parts if p.amount]
    await session.write_many(_ITEMS, parts)


async def forget(session: Session, payout: str) -> None:
    await session.run("DELETE FROM bank_payout_items WHERE payout = :payout", payout=payout)
    await session.run("DELETE FROM bank_payout_compositions WHERE payout = :payout", payout=payout)


async def parts(session: Session, payout: str) -> list[Part]:
    """The parts of a payout, in the order of their movements' ids."""
    rows = await session.all(
        "SELECT balance_transaction, part FROM bank_payout_items WHERE payout = :payout"
        " ORDER BY balance_transaction",
        payout=payout,
    )
    return [Part(row["balance_transaction"], row["part"]) for row in rows]


async def inferred_before(session: Session, row: Row) -> Row | None:
    """The last inferred composition of the same account and currency before this payout."""
    return await session.one(
        f"SELECT {COLUMNS} FROM bank_payout_compositions"
        " WHERE stripe_account = :account AND currency = :currency AND method = :method"
        " AND (created < :created OR (created = :created AND payout < :payout))"
        " ORDER BY created DESC, payout DESC LIMIT 1",
        account=row["stripe_account"],
        currency=row["unit"],
        method=Method.INFERRED.value,
        created=row["moved_at"],
        payout=row["id"],
    )


async def inferred_from(session: Session, row: Row, moment: int) -> list[str]:
    """The payouts of the same account and currency with inferred compositions that were made at
    this moment or later, the oldest first."""
    rows = await session.all(
        "SELECT payout FROM bank_payout_compositions"
        " WHERE stripe_account = :account AND currency = :currency AND method = :method"
        " AND created >= :moment ORDER BY created, payout",
        account=row["stripe_account"],
        currency=row["unit"],
        method=Method.INFERRED.value,
        moment=moment,
    )
    return [found["payout"] for found in rows]


async def late(session: Session, row: Row, since: int) -> int | None:
    """When the oldest movement became available that was mirrored from `since` on and yet was there
    when this payout was made; None if there is no such movement."""
    found = await session.one(
        "SELECT MIN(available_on) AS moment FROM balance_transactions"
        " WHERE mirrored_at >= :since AND stripe_account = :account AND currency = :currency"
        " AND balance_type = 'payments' AND reporting_category <> 'payout'"
        " AND created <= :moment AND available_on <= :moment",
        since=since,
        account=row["stripe_account"],
        currency=row["unit"],
        moment=row["moved_at"],
    )
    assert found is not None
    moment: int | None = found["moment"]
    return moment


async def latest_inferred(session: Session) -> list[str]:
    """The last payout with an inferred composition, of each account and currency."""
    rows = await session.all(
        "SELECT c.payout FROM bank_payout_compositions c WHERE c.method = 'inferred'"
        " AND NOT EXISTS (SELECT 1 FROM bank_payout_compositions l"
        " WHERE l.stripe_account = c.stripe_account AND l.currency = c.currency"
        " AND l.method = 'inferred' AND (l.created > c.created"
        " OR (l.created = c.created AND l.payout > c.payout))) ORDER BY c.payout"
    )
    return [row["payout"] for row in rows]


async def place(session: Session, payout: str) -> Row | None:
    """A payout with its own movement, as `uncomposed` gives them."""
    return await session.one(
        "SELECT o.id, o.stripe_account, o.currency, o.created, o.amount, o.detail, t.id AS own,"
        " -t.net AS taken, t.currency AS unit, t.created AS moved_at"
        " FROM objects o JOIN balance_transactions t ON t.clears = o.id"
        " AND t.reporting_category = 'payout' WHERE o.id = :payout",
        payout=payout,
    )


async def pool(session: Session, row: Row, since: int) -> list[Lot]:
    """The movements of an account and currency that became available from `since` on, each with
    what no payout before this one has taken of it. Payouts' own movements are not among them."""
    rows = await session.all(
        "SELECT t.id, t.net, t.available_on, t.created,"
        " t.net - COALESCE((SELECT CAST(SUM(i.part) AS BIGINT) FROM bank_payout_items i"
        " JOIN bank_payout_compositions c ON c.payout = i.payout"
        " WHERE i.balance_transaction = t.id AND (c.method = 'given' OR c.created < :moment"
        " OR (c.created = :moment AND c.payout < :payout))), 0) AS left_over"
        " FROM balance_transactions t WHERE t.stripe_account = :account"
        " AND t.currency = :currency AND t.balance_type = 'payments'"
        " AND t.reporting_category <> 'payout' AND t.available_on >= :since"
        " ORDER BY t.available_on, t.created, t.id",
        account=row["stripe_account"],
        currency=row["unit"],
        since=since,
        moment=row["moved_at"],
        payout=row["id"],
    )
    return [Lot(r["id"], r["net"], r["left_over"], r["available_on"], r["created"]) for r in rows]


async def unproven(session: Session, stripe_account: str, limit: int) -> list[Row]:
    """Compositions that do not add up to their payout."""
    return await session.all(
        f"SELECT {COLUMNS} FROM bank_payout_compositions WHERE total <> explained"
        " AND stripe_account = :account ORDER BY payout LIMIT :limit",
        account=stripe_account,
        limit=limit,
    )


async def by_category(session: Session, payout: str) -> list[Row]:
    """What a payout is made of, summed by reporting category."""
    return await session.all(
        "SELECT t.reporting_category, COUNT(*) AS movements, CAST(SUM(i.part) AS BIGINT) AS amount"
        " FROM bank_payout_items i JOIN balance_transactions t ON t.id = i.balance_transaction"
        " WHERE i.payout = :payout GROUP BY t.reporting_category ORDER BY t.reporting_category",
        payout=payout,
    )


async def items(session: Session, payout: str, limit: int, after: str) -> list[Row]:
    """The movements in a payout, by their ids, after one of them."""
    return await session.all(
        "SELECT i.balance_transaction, i.part, t.reporting_category, t.source, t.amount, t.fee,"
        " t.net, t.currency, t.created, t.available_on FROM bank_payout_items i"
        " LEFT JOIN balance_transactions t ON t.id = i.balance_transaction"
        " WHERE i.payout = :payout AND i.balance_transaction > :after"
        " ORDER BY i.balance_transaction LIMIT :limit",
        payout=payout,
        after=after,
        limit=limit,
    )


async def returned(session: Session, payout: str) -> list[Row]:
    """The movements by which a payout came back, when it failed or was cancelled."""
    return await session.all(
        "SELECT id AS balance_transaction, amount, currency, created FROM balance_transactions"
        " WHERE clears = :payout AND clears <> '' AND reporting_category = 'payout_reversal'"
        " ORDER BY created, id",
        payout=payout,
    )
