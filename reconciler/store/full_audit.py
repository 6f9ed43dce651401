"""What Stripe's objects should have moved beside what was moved for them, recomputed whole.

Reads the records and the movements, never the ledger: no clearing account, no entry, no position.
Each statement is one pass over what there is, and returns only what differs. What a record should
have moved is said here a second time, apart from `domain.books`, so that one can prove the other.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence

from reconciler.store.database import Row, Session
from reconciler.store.dialect import Dialect

MOVING = "('charge', 'refund', 'transfer', 'bank_payout', 'dispute')"
"""Kinds of objects that move money by themselves; the others tell about one of these."""

# A movement clears in the currency that its object was made in, by the object's own figure.
_CURRENCY = "CASE WHEN b.source_currency = '' THEN b.currency ELSE b.source_currency END"
_AMOUNT = (
    "CASE WHEN b.source_currency = '' OR b.source_currency = b.currency THEN b.amount"
    " WHEN b.amount >= 0 THEN b.source_amount ELSE -b.source_amount END"
)
_CLEARING = "b.clears <> '' AND b.balance_type = 'payments' AND b.stripe_account = :account"


def _number(dialect: Dialect, record: str, name: str) -> str:
    """A whole number in a record's detail; NULL where it is null or not there."""
    if dialect == "sqlite":
        return f"json_extract({record}.detail, '$.{name}')"
    return f"CAST(CAST({record}.detail AS json) ->> '{name}' AS BIGINT)"


def _text(dialect: Dialect, record: str, name: str) -> str:
    if dialect == "sqlite":
        return f"json_extract({record}.detail, '$.{name}')"
    return f"(CAST({record}.detail AS json) ->> '{name}')"


def _larger(dialect: Dialect, one: str, other: str) -> str:
    return f"{'MAX' if dialect == 'sqlite' else 'GREATEST'}({one}, {other})"


def _captured(dialect: Dialect, record: str) -> str:
    amount = _number(dialect, record, "amount_captured")
    return f"CASE WHEN {record}.status = 'succeeded' THEN {amount} ELSE 0 END"


def _refunded(dialect: Dialect) -> str:
    failed = (
        "EXISTS (SELECT 1 FROM objects c WHERE c.kind = 'charge' AND c.status = 'failed'"
        f" AND c.id = {_text(dialect, 'o', 'charge')})"
    )
    return (
        "CASE WHEN o.status IN ('failed', 'canceled')"
        f" OR {_text(dialect, 'o', 'reason')} = 'expired_uncaptured_charge' OR {failed}"
        " THEN 0 ELSE -o.amount END"
    )


def _disputed(dialect: Dialect) -> str:
    withdrawn = _number(dialect, "o", "withdrawn")
    by_status = (
        "CASE WHEN o.status IN ('needs_response', 'under_review', 'appeal_needs_response',"
        " 'appeal_under_review', 'lost') THEN o.amount ELSE 0 END"
    )
    return f"-COALESCE({withdrawn}, {by_status})"


_PAYOUT = "FROM payouts p WHERE p.transfer_id = o.id AND p.transfer_id <> ''"


def _transferred(dialect: Dialect) -> str:
    """As its payout was decided, less what came back of it; what it sent beyond that comes back
    first. One of another application at its own figures; one that nobody asked for not at all."""
    reversals = (
        "(SELECT COALESCE(SUM(r.amount), 0) FROM objects r"
        " WHERE r.family = o.id AND r.kind = 'reversal')"
    )
    back = _larger(dialect, _number(dialect, "o", "amount_reversed"), reversals)
    beyond = _larger(dialect, "o.amount - p.amount", "0")
    came_back = _larger(dialect, f"{back} - {beyond}", "0")
    decided = f"(SELECT {came_back} - p.amount {_PAYOUT} AND p.currency = o.currency)"
    elsewhere = f"(SELECT {back} {_PAYOUT})"
    foreign = f"CASE WHEN {_text(dialect, 'o', 'foreign')} <> '' THEN {back} - o.amount END"
    return f"COALESCE({decided}, {elsewhere}, {foreign}, 0)"


def _expected(dialect: Dialect) -> str:
    """What a record by itself says that its object moved, in the object's own currency."""
    return (
        f"CASE o.kind WHEN 'charge' THEN {_captured(dialect, 'o')}"
        f" WHEN 'refund' THEN {_refunded(dialect)} WHEN 'dispute' THEN {_disputed(dialect)}"
        f" WHEN 'transfer' THEN {_transferred(dialect)}"
        " ELSE CASE WHEN o.status IN ('failed', 'canceled') THEN 0 ELSE -o.amount END END"
    )


_RECORDS = f"o.kind IN {MOVING} AND o.stripe_account = :account"


def _told_by_transfers(dialect: Dialect) -> str:
    """Whether a record in a connected account may be the other end of a transfer or reversal: what
    it moved follows from those."""
    arrived = _text(dialect, "o", "source_transfer")
    returned = _text(dialect, "o", "source_transfer_reversal")
    return (
        f"((o.kind = 'charge' AND COALESCE({arrived}, '?') <> '')"
        f" OR (o.kind = 'refund' AND COALESCE({returned}, '?') <> ''))"
    )


def _beside_records(dialect: Dialect) -> Sequence[str]:
    """What is expected of an object beside its own record: what its PaymentIntent has received and
    its charge does not tell yet; what a payout decided in another currency than its transfer's;
    what a person adjusted."""
    received = _number(dialect, "p", "amount_received")
    latest = _text(dialect, "p", "latest_charge")
    captured = f"COALESCE({_captured(dialect, 'c')}, 0)"
    return (
        f"SELECT p.latest, p.currency, p.received - {captured}, 0"
        f" FROM (SELECT currency, {latest} AS latest, {received} AS received FROM objects p"
        " WHERE p.kind = 'payment_intent' AND p.stripe_account = :account) AS p"
        " LEFT JOIN objects c ON c.id = p.latest AND c.kind = 'charge'"
        f" WHERE p.latest <> '' AND p.received > {captured}"
        " AND (c.status IS NULL OR c.status <> 'failed')",
        "SELECT o.id, p.currency, -p.amount, 0 FROM payouts p JOIN objects o"
        " ON o.id = p.transfer_id WHERE p.transfer_id <> '' AND p.currency <> o.currency"
        " AND o.kind = 'transfer' AND o.stripe_account = :account",
        "SELECT reference, currency, amount, 0 FROM adjustments"
        " WHERE status = 'posted' AND in_suspense = 0 AND stripe_account = :account",
    )


def _from_transfers(dialect: Dialect) -> Sequence[str]:
    """What transfers brought to a connected account, and their reversals took back."""
    destination = _text(dialect, "t", "destination")
    arrived = _text(dialect, "t", "destination_payment")
    returned = _text(dialect, "r", "destination_payment_refund")
    ours = f"t.stripe_account = 'platform' AND t.kind = 'transfer' AND {destination} = :account"
    return (
        f"SELECT {arrived}, t.currency, t.amount, 0 FROM objects t WHERE {ours}"
        f" AND {arrived} <> ''",
        f"SELECT {returned}, r.currency, -r.amount, 0 FROM objects r JOIN objects t"
        f" ON t.id = r.family AND {ours} WHERE r.kind = 'reversal' AND {returned} <> ''",
    )


async def differences(session: Session, account: str) -> AsyncIterator[Sequence[Row]]:
    """Objects whose records expect another movement than Stripe made: `id`, `currency`, `expected`
    and `moved`, some at a time. In a snapshot only.

    Everything expected and everything moved stands in one list, which is summed by object: neither
    side has to look anything up in the other, and what has only one side is there like the rest.
    """
    dialect = session.dialect
    connected = account != "platform"
    own = f" AND NOT {_told_by_transfers(dialect)}" if connected else ""
    parts = (
        f"SELECT o.id AS id, o.currency AS currency, {_expected(dialect)} AS expected, 0 AS moved"
        f" FROM objects o WHERE {_RECORDS}{own}",
        f"SELECT b.clears, {_CURRENCY}, 0, {_AMOUNT} FROM balance_transactions b WHERE {_CLEARING}",
        *_beside_records(dialect),
        *(_from_transfers(dialect) if connected else ()),
    )
    async for rows in session.stream(
        "SELECT id, currency, CAST(SUM(expected) AS BIGINT) AS expected,"
        f" CAST(SUM(moved) AS BIGINT) AS moved FROM ({' UNION ALL '.join(parts)}) AS told"
        " GROUP BY id, currency HAVING SUM(expected) <> SUM(moved)",
        account=account,
    ):
        yield rows


async def by_category(session: Session, account: str) -> list[Row]:
    """The movements of the balance by what Stripe says they are, in one pass: how many, and their
    sums; `own` is the sum in the currency of their objects, where that is another one."""
    return await session.all(
        "SELECT b.reporting_category, b.currency, b.source_currency, b.clears <> '' AS clears,"
        " COUNT(*) AS movements, CAST(SUM(b.amount) AS BIGINT) AS amount,"
        " CAST(SUM(b.fee) AS BIGINT) AS fee, CAST(SUM(b.net) AS BIGINT) AS net,"
        f" CAST(SUM({_AMOUNT}) AS BIGINT) AS own FROM balance_transactions b"
        " WHERE b.balance_type = 'payments' AND b.stripe_account = :account GROUP BY 1, 2, 3, 4",
        account=account,
    )


async def records(session: Session, account: str) -> int:
    """How many records of objects that move money there are."""
    row = await session.one(
        f"SELECT COUNT(*) AS records FROM objects o WHERE {_RECORDS}", account=account
    )
    return int(row["records"]) if row else 0


async def open_clearings(session: Session, account: str) -> AsyncIterator[Sequence[Row]]:
    """Clearing accounts that are not zero, some at a time; named as in `differences`."""
    async for rows in session.stream(
        "SELECT SUBSTR(account, 10) AS id, currency, books AS expected, -facts AS moved"
        " FROM balances WHERE stripe_account = :account AND kind = 'clearing'"
        " AND books + facts <> 0 ORDER BY account, currency",
        account=account,
    ):
        yield rows


async def posted(session: Session, account: str, names: Collection[str]) -> list[Row]:
    """What facts have posted to each of these ledger accounts, per currency."""
    return await session.all(
        "SELECT account AS name, currency, facts FROM balances WHERE account IN {each:names}"
        " AND stripe_account = :account AND facts <> 0",
        account=account,
        names=sorted(names),
    )
