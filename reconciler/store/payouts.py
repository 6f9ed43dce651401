"""Payouts: our instructions to pay merchants."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from reconciler.domain.books import Instruction
from reconciler.store.database import Row, Session
from reconciler.store.instructions import UNDER_WAY, Table

COLUMNS = (
    "id, merchant, destination, amount, currency, status, transfer_id, amount_reversed,"
    " failure_code, failure_message, request_key, created_at, updated_at"
)
TABLE = Table("payouts", COLUMNS, "transfer_id")
EXECUTED = "('completed', 'partially_reversed', 'reversed')"


async def instructions(session: Session, ids: Collection[str]) -> dict[str, Instruction]:
    """The payouts with these ids, as a transfer needs to know them."""
    rows = await session.all(
        "SELECT id, merchant, amount, currency, transfer_id FROM payouts WHERE id IN {each:ids}",
        ids=sorted(ids),
    )
    return {
        r["id"]: Instruction(r["id"], r["merchant"], r["amount"], r["currency"], r["transfer_id"])
        for r in rows
    }


async def of_transfers(session: Session, named: Mapping[str, str]) -> dict[str, Instruction]:
    """For each of these transfers, with the payout that it names (or nothing): the payout that it
    executes, whether it names it or was adopted as it; or else the one that it names."""
    if not named:
        return {}
    rows = await session.all(
        "SELECT id, merchant, amount, currency, transfer_id FROM payouts WHERE id IN {each:ids}"
        " UNION SELECT id, merchant, amount, currency, transfer_id FROM payouts"
        " WHERE transfer_id <> '' AND transfer_id IN {each:transfers}",
        ids=sorted(set(named.values()) - {""}),
        transfers=sorted(named),
    )
    known = {
        r["id"]: Instruction(r["id"], r["merchant"], r["amount"], r["currency"], r["transfer_id"])
        for r in rows
    }
    executed = {payout.transfer_id: payout for payout in known.values()}
    found = {id: executed.get(id) or known.get(name) for id, name in named.items()}
    return {id: payout for id, payout in found.items() if payout is not None}


async def unadopt(session: Session, id: str, now: int) -> Row | None:
    """The payout, cancelled and without its transfer, which is nobody's again."""
    return await session.one(
        "UPDATE payouts SET status = 'cancelled', transfer_id = '', amount_reversed = 0,"
        " failure_code = 'unadopted', failure_message = 'its adoption was undone',"
        f" updated_at = :now WHERE id = :id AND status IN {EXECUTED} RETURNING {COLUMNS}",
        id=id,
        now=now,
    )


async def complete(session: Session, id: str, transfer_id: str, now: int) -> bool:
    """Whether the payout is now completed by this transfer; False if another one did it, or if the
    payout had already failed."""
    row = await session.one(
        "UPDATE payouts SET status = 'completed', transfer_id = :transfer, failure_code = '',"
        " failure_message = '', updated_at = :now"
        f" WHERE id = :id AND transfer_id = '' AND status IN {UNDER_WAY} RETURNING id",
        id=id,
        transfer=transfer_id,
        now=now,
    )
    return row is not None


async def came_back(session: Session, transfer_id: str, reversed_: int, now: int) -> None:
    """So much of the payout that this transfer executes has come back in all."""
    await session.run(
        "UPDATE payouts SET amount_reversed = :back, updated_at = :now,"
        " status = CASE WHEN :back = 0 THEN 'completed' WHEN :back < amount"
        " THEN 'partially_reversed' ELSE 'reversed' END"
        " WHERE transfer_id <> '' AND transfer_id = :transfer"
        f" AND status IN {EXECUTED} AND amount_reversed <> :back",
        transfer=transfer_id,
        back=reversed_,
        now=now,
    )


async def completed_between(session: Session, start: int, end: int) -> list[Row]:
    """Payouts that count as executed and were made in this window."""
    return await session.all(
        f"SELECT {COLUMNS} FROM payouts WHERE status IN {EXECUTED}"
        " AND created_at >= :start AND created_at < :end ORDER BY created_at, id",
        start=start,
        end=end,
    )


async def executed_by(session: Session, transfers: Collection[str]) -> list[Row]:
    """Payouts that count as executed, by these transfers."""
    return await session.all(
        f"SELECT {COLUMNS} FROM payouts WHERE status IN {EXECUTED} AND transfer_id <> ''"
        " AND transfer_id IN {each:transfers} ORDER BY created_at, id",
        transfers=sorted(transfers),
    )


async def page(
    session: Session, limit: int, before: tuple[int, str] | None, merchant: str, status: str
) -> list[Row]:
    """Payouts, newest first, older than the cursor; of one merchant or status where given."""
    created, id = before or (2**62, "")
    return await session.all(
        f"SELECT {COLUMNS} FROM payouts"
        " WHERE (created_at < :created OR (created_at = :created AND id < :id))"
        " AND (:merchant = '' OR merchant = :merchant) AND (:status = '' OR status = :status)"
        " ORDER BY created_at DESC, id DESC LIMIT :limit",
        created=created,
        id=id,
        merchant=merchant,
        status=status,
        limit=limit,
    )


async def to_recover_from(session: Session, merchant: str, currency: str) -> list[Row]:
    """A merchant's executed payouts of which something is left to take back, newest first."""
    return await session.all(
        f"SELECT {COLUMNS} FROM payouts WHERE merchant = :merchant AND currency = :currency"
        " AND status IN ('completed', 'partially_reversed') AND amount_reversed < amount"
        " ORDER BY created_at DESC, id DESC LIMIT 200",
        merchant=merchant,
        currency=currency,
    )
