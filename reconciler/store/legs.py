"""The legs of transfers on connected accounts: which are to be read, what was read, what is wrong,
and the bank payouts that carried them on."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from reconciler.domain.legs import Arrived, Problem, Sent
from reconciler.store.database import Row, Session

COLUMNS = (
    "transfer_id, stripe_account, created, amount, amount_reversed, currency, destination_payment,"
    " arrived, arrived_currency, refunded, balance_transaction, settled, settled_fee,"
    " settled_currency, exchange_rate, available_on, problem, problem_since, error, read_at,"
    " attempts, next_read_at"
)
_OURS = ", ".join(f"l.{name.strip()}" for name in COLUMNS.split(","))


TRIES = 5
"""Within some hours."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A leg that is to be read: the transfer as it was compared, where it went, and how often it
    was tried in vain. `problem` is what was wrong with it when it was last read, since when."""

    sent: Sent
    stripe_account: str
    created: int
    payment: str
    attempts: int = 0
    problem: str = ""
    problem_since: int = 0


async def wanted(session: Session, since: int, now: int, limit: int) -> list[Wanted]:
    """Transfers of which the leg was never read, or that have come back further since; those with
    something wrong, whose turn it is again; the longest waiting first. Of those made from
    `since` on. Costs what is to be read."""
    rows = await session.all(
        "SELECT c.transfer_id, c.amount, c.amount_reversed, c.currency, c.destination,"
        " c.created, c.destination_payment, 0 AS attempts, '' AS problem, 0 AS problem_since,"
        " 0 AS due FROM transfer_comparisons c WHERE c.leg_read <> c.amount_reversed"
        " AND c.created > :since AND NOT EXISTS (SELECT 1 FROM transfer_legs l"
        "  WHERE l.transfer_id = c.transfer_id AND l.next_read_at > 0)"
        " UNION ALL SELECT l.transfer_id, COALESCE(c.amount, l.amount),"
        " COALESCE(c.amount_reversed, l.amount_reversed), COALESCE(c.currency, l.currency),"
        " l.stripe_account, l.created, COALESCE(c.destination_payment, l.destination_payment),"
        " l.attempts, l.problem, l.problem_since, l.next_read_at"
        " FROM transfer_legs l LEFT JOIN transfer_comparisons c ON c.transfer_id = l.transfer_id"
        " WHERE l.next_read_at > 0 AND l.next_read_at <= :now"
        " ORDER BY due, created, transfer_id LIMIT :limit",
        since=since,
        now=now,
        limit=limit,
    )
    return [
        Wanted(
            Sent(r["transfer_id"], r["amount"], r["amount_reversed"], r["currency"]),
            r["destination"],
            r["created"],
            r["destination_payment"],
            r["attempts"],
            r["problem"],
            r["problem_since"],
        )
        for r in rows
    ]


async def save(
    session: Session,
    leg: Wanted,
    arrived: Arrived | None,
    found: Problem | None,
    *,
    now: int,
    error: str = "",
    next_read_at: int = 0,
) -> None:
    """Keep what was read of a leg, or that it could not be (`error`), in place of what was kept."""
    same = found is not None and leg.problem == found.value
    there = arrived or Arrived(leg.payment, "", 0, 0, "")
    await session.run(
        f"INSERT INTO transfer_legs ({COLUMNS}) VALUES (:transfer, :account, :created, :amount,"
        " :reversed, :currency, :payment, :arrived, :arrived_currency, :refunded, :movement,"
        " :settled, :fee, :settled_currency, :rate, :available_on, :problem, :since, :error,"
        " :read_at, :attempts, :next) ON CONFLICT (transfer_id) DO UPDATE SET"
        " amount = excluded.amount, amount_reversed = excluded.amount_reversed,"
        " currency = excluded.currency, destination_payment = excluded.destination_payment,"
        " arrived = excluded.arrived, arrived_currency = excluded.arrived_currency,"
        " refunded = excluded.refunded, balance_transaction = excluded.balance_transaction,"
        " settled = excluded.settled, settled_fee = excluded.settled_fee,"
        " settled_currency = excluded.settled_currency, exchange_rate = excluded.exchange_rate,"
        " available_on = excluded.available_on, problem = excluded.problem,"
        " problem_since = excluded.problem_since, error = excluded.error,"
        " read_at = excluded.read_at, attempts = excluded.attempts,"
        " next_read_at = excluded.next_read_at, stripe_account = excluded.stripe_account",
        transfer=leg.sent.transfer,
        account=leg.stripe_account,
        created=leg.created,
        amount=leg.sent.amount,
        reversed=leg.sent.amount_reversed,
        currency=leg.sent.currency,
        payment=there.payment,
        arrived=there.amount,
        arrived_currency=there.currency,
        refunded=there.refunded,
        movement=there.movement,
        settled=there.settled,
        fee=there.fee,
        settled_currency=there.settled_currency,
        rate=there.rate,
        available_on=there.available_on,
        problem=found.value if found else "",
        since=(leg.problem_since if same else now) if found else 0,
        error=error[:500],
        read_at=now,
        attempts=leg.attempts + 1 if next_read_at else 0,
        next=next_read_at,
    )
    await session.run(
        "UPDATE transfer_comparisons SET leg_read = :reversed WHERE transfer_id = :transfer",
        transfer=leg.sent.transfer,
        reversed=leg.sent.amount_reversed,
    )


async def postponed(session: Session, leg: Wanted, error: str, next_read_at: int, now: int) -> None:
    """A leg that could not be read now: what was known of it stays, and it is tried again. One of
    which nothing is known after so many tries is one that cannot be read."""
    await session.run(
        f"INSERT INTO transfer_legs ({COLUMNS}) VALUES (:transfer, :account, :created, :amount,"
        " :reversed, :currency, :payment, 0, '', 0, '', 0, 0, '', '', 0, '', 0, :error, 0, 1,"
        " :next) ON CONFLICT (transfer_id) DO UPDATE SET error = excluded.error,"
        " attempts = transfer_legs.attempts + 1, next_read_at = excluded.next_read_at,"
        " problem = CASE WHEN transfer_legs.read_at = 0 AND transfer_legs.attempts >= :many"
        " THEN :unreadable ELSE transfer_legs.problem END,"
        " problem_since = CASE WHEN transfer_legs.read_at = 0 AND transfer_legs.problem = ''"
        " AND transfer_legs.attempts >= :many THEN :now ELSE transfer_legs.problem_since END",
        transfer=leg.sent.transfer,
        account=leg.stripe_account,
        created=leg.created,
        amount=leg.sent.amount,
        reversed=leg.sent.amount_reversed,
        currency=leg.sent.currency,
        payment=leg.payment,
        error=error[:500],
        next=next_read_at,
        many=TRIES,
        unreadable=Problem.NOT_READABLE.value,
        now=now,
    )


async def without_transfer(session: Session, since: int, limit: int) -> list[Row]:
    """Payments that say a transfer of ours made them, and no such transfer is known: as they came
    in events of the connected accounts."""
    return await session.all(
        "SELECT o.id, o.family AS transfer_id, o.stripe_account, o.created, o.currency"
        " FROM objects o WHERE o.kind = 'charge' AND o.stripe_account <> 'platform'"
        " AND o.created > :since AND SUBSTR(o.family, 1, 3) = 'tr_'"
        " AND NOT EXISTS (SELECT 1 FROM transfer_comparisons c WHERE c.transfer_id = o.family)"
        " AND NOT EXISTS (SELECT 1 FROM transfer_legs l WHERE l.transfer_id = o.family)"
        " ORDER BY o.created, o.id LIMIT :limit",
        since=since,
        limit=limit,
    )


async def wrong(session: Session, limit: int) -> list[Row]:
    """Legs with something wrong, each with whose account it is and the payout behind it."""
    return await session.all(
        f"SELECT {_OURS}, COALESCE(a.merchant, '') AS merchant, COALESCE(a.state, '') AS tenure,"
        " COALESCE(c.payout_id, '') AS payout FROM transfer_legs l"
        " LEFT JOIN merchant_accounts a ON a.id = (SELECT MAX(m.id) FROM merchant_accounts m"
        "  WHERE m.stripe_account = l.stripe_account)"
        " LEFT JOIN transfer_comparisons c ON c.transfer_id = l.transfer_id"
        " WHERE l.problem <> '' ORDER BY l.transfer_id LIMIT :limit",
        limit=limit,
    )


async def came_back_from_the_bank(session: Session, since: int, limit: int) -> list[Row]:
    """Bank payouts of merchants' accounts, current or not, that failed, and after which none from
    the same balance has reached the bank."""
    return await session.all(
        "SELECT o.id, o.stripe_account, o.currency, o.amount, o.created, o.as_of, o.detail,"
        " a.merchant, a.state AS tenure FROM objects o"
        " JOIN merchant_accounts a ON a.id = (SELECT MAX(m.id) FROM merchant_accounts m"
        "  WHERE m.stripe_account = o.stripe_account AND m.stripe_account <> '')"
        " WHERE o.kind = 'bank_payout' AND o.status = 'failed' AND o.created > :since"
        " AND NOT EXISTS (SELECT 1 FROM objects p WHERE p.kind = 'bank_payout'"
        "  AND p.stripe_account = o.stripe_account AND p.currency = o.currency"
        "  AND p.created > o.created AND p.status = 'paid')"
        " ORDER BY o.created, o.id LIMIT :limit",
        since=since,
        limit=limit,
    )


async def carried_by(session: Session, payouts: Collection[str], limit: int) -> list[Row]:
    """The legs that these bank payouts carried: `bank_payout`, and of each its transfer, payment,
    and the part of its movement."""
    return await session.all(
        "SELECT i.payout AS bank_payout, l.transfer_id, l.destination_payment, i.part"
        " FROM bank_payout_items i JOIN transfer_legs l"
        " ON l.balance_transaction = i.balance_transaction AND l.balance_transaction <> ''"
        " WHERE i.payout IN {each:payouts} ORDER BY i.payout, l.transfer_id LIMIT :limit",
        payouts=sorted(payouts),
        limit=limit,
    )


async def of_transfer(session: Session, transfer: str) -> Row | None:
    return await session.one(
        f"SELECT {COLUMNS} FROM transfer_legs WHERE transfer_id = :transfer", transfer=transfer
    )


async def of_merchant(session: Session, merchant: str, limit: int) -> list[Row]:
    """The newest legs on all accounts that a merchant ever had."""
    return await session.all(
        f"SELECT {COLUMNS} FROM transfer_legs l WHERE l.stripe_account IN"
        " (SELECT a.stripe_account FROM merchant_accounts a WHERE a.merchant = :merchant"
        "  AND a.stripe_account <> '') ORDER BY l.created DESC, l.transfer_id DESC LIMIT :limit",
        merchant=merchant,
        limit=limit,
    )


async def to_the_bank(session: Session, movements: Collection[str]) -> dict[str, list[Row]]:
    """By balance transaction: the bank payouts that carried it, each with the part it took."""
    rows = await session.all(
        "SELECT i.balance_transaction, i.part, i.payout, c.method, o.status, o.currency, o.detail,"
        " o.amount FROM bank_payout_items i JOIN bank_payout_compositions c ON c.payout = i.payout"
        " LEFT JOIN objects o ON o.id = i.payout"
        " WHERE i.balance_transaction IN {each:movements} ORDER BY i.payout",
        movements=sorted(movements),
    )
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["balance_transaction"], []).append(row)
    return found
