"""The append-only ledger, and the balance of every ledger account.

Everything that posts does so here, inside `Database.write_books`, so one writer at a time gives
transactions their numbers and keeps balances equal to entries.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from reconciler.domain.ledger import Line, Posting, Side, account_kind
from reconciler.store.database import Batch, Row, Session

_ENTRIES = Batch(
    "entries",
    (
        ("transaction_id", "bigint"),
        ("line", "bigint"),
        ("stripe_account", "text"),
        ("account", "text"),
        ("currency", "text"),
        ("amount", "bigint"),
    ),
)

_TRANSACTIONS = Batch(
    "ledger_transactions",
    (
        ("id", "bigint"),
        ("reference", "text"),
        ("side", "text"),
        ("version", "bigint"),
        ("kind", "text"),
        ("stripe_account", "text"),
        ("occurred_at", "bigint"),
        ("posted_at", "bigint"),
        ("cause", "text"),
    ),
)

_BALANCES = Batch(
    "balances",
    (
        ("stripe_account", "text"),
        ("account", "text"),
        ("currency", "text"),
        ("kind", "text"),
        ("books", "bigint"),
        ("facts", "bigint"),
        ("changed_at", "bigint"),
    ),
    tail=(
        "ON CONFLICT (account, currency, stripe_account) DO UPDATE SET"
        " books = balances.books + excluded.books, facts = balances.facts + excluded.facts,"
        " changed_at = excluded.changed_at"
    ),
)


async def post(session: Session, postings: Sequence[tuple[Posting, str]], now: int) -> None:
    """Append ledger transactions, each with its cause, and move the balances with them.

    Raises the database's unique violation if one of them was posted before.
    """
    if not postings:
        return
    last = await newest(session)
    entries: list[tuple[object, ...]] = []
    transactions: list[tuple[object, ...]] = []
    moved: dict[tuple[str, str, str], list[int]] = {}
    for id, (posting, cause) in enumerate(postings, last + 1):
        account_of = posting.stripe_account
        for number, line in enumerate(posting.lines):
            entries.append((id, number, account_of, line.account, line.currency, line.amount))
            sums = moved.setdefault((line.account, line.currency, account_of), [0, 0])
            sums[posting.side is Side.FACTS] += line.amount
        transactions.append(
            (
                id,
                posting.reference,
                posting.side.value,
                posting.version,
                posting.kind,
                account_of,
                posting.occurred_at,
                now,
                cause,
            )
        )
    balances = [
        (stripe_account, account, currency, account_kind(account), books, facts, now)
        for (account, currency, stripe_account), (books, facts) in sorted(moved.items())
    ]
    await session.write_many(_ENTRIES, entries)
    await session.write_many(_TRANSACTIONS, transactions)
    await session.write_many(_BALANCES, balances)


async def newest(session: Session) -> int:
    """The number of the newest ledger transaction; 0 before the first."""
    row = await session.one("SELECT COALESCE(MAX(id), 0) AS newest FROM ledger_transactions")
    assert row is not None
    return int(row["newest"])


async def open_clearings(session: Session, stripe_account: str) -> list[Row]:
    """Every clearing account that is not zero, with both sides. Costs what is open."""
    return await session.all(
        "SELECT stripe_account, account, currency, books, facts, changed_at FROM balances"
        " WHERE stripe_account = :stripe_account AND kind = 'clearing' AND books + facts <> 0"
        " ORDER BY account, currency",
        stripe_account=stripe_account,
    )


async def totals(session: Session, stripe_account: str) -> list[Row]:
    """What each kind of account other than clearing holds, per currency and side.

    Accounts whose sides cancel are left out of both. Costs what is held, not what ever was.
    """
    return await session.all(
        "SELECT kind, currency, CAST(SUM(books) AS BIGINT) AS books,"
        " CAST(SUM(facts) AS BIGINT) AS facts FROM balances"
        " WHERE stripe_account = :stripe_account AND kind <> 'clearing' AND books + facts <> 0"
        " GROUP BY kind, currency ORDER BY kind, currency",
        stripe_account=stripe_account,
    )


async def by_kind(session: Session, stripe_account: str) -> dict[str, dict[str, int]]:
    """`totals`, both sides together: for each currency, the sum of each kind (debit positive)."""
    sums: dict[str, dict[str, int]] = {}
    for row in await totals(session, stripe_account):
        sums.setdefault(row["currency"], {})[row["kind"]] = row["books"] + row["facts"]
    return sums


async def posted_since(session: Session, transaction_id: int) -> list[Row]:
    """The entries of every ledger transaction after this one, in order."""
    return await session.all(
        "SELECT t.reference, t.side, t.kind, e.account, e.currency, e.amount"
        " FROM ledger_transactions t JOIN entries e ON e.transaction_id = t.id"
        " WHERE t.id > :after ORDER BY t.id, e.line",
        after=transaction_id,
    )


async def balance(session: Session, account: str) -> list[Row]:
    """The balance of one ledger account, per currency (debit positive)."""
    return await session.all(
        "SELECT currency, books + facts AS amount FROM balances"
        " WHERE account = :account ORDER BY currency",
        account=account,
    )


async def activity(session: Session, account: str) -> list[Row]:
    """What moved one ledger account, by kind and currency (debit positive)."""
    return await session.all(
        "SELECT e.currency, t.kind, CAST(SUM(e.amount) AS BIGINT) AS amount FROM entries e"
        " JOIN ledger_transactions t ON t.id = e.transaction_id WHERE e.account = :account"
        " GROUP BY e.currency, t.kind ORDER BY e.currency, t.kind",
        account=account,
    )


async def entries(session: Session, accounts: Collection[str], limit: int = 5000) -> list[Row]:
    """The entries of these ledger accounts, newest first."""
    return await session.all(
        "SELECT e.account, e.currency, e.amount, t.id, t.reference, t.side, t.kind, t.cause,"
        " t.occurred_at, t.posted_at FROM entries e"
        " JOIN ledger_transactions t ON t.id = e.transaction_id"
        " WHERE e.account IN {each:accounts} ORDER BY t.id DESC, e.line LIMIT :limit",
        accounts=sorted(accounts),
        limit=limit,
    )


async def entries_page(
    session: Session, account: str, limit: int, before: tuple[int, int]
) -> list[Row]:
    """The entries of one ledger account, newest first, older than the cursor (ledger transaction
    and line)."""
    return await session.all(
        "SELECT e.line, e.currency, e.amount, t.id, t.reference, t.kind, t.cause, t.occurred_at,"
        " t.posted_at FROM entries e JOIN ledger_transactions t ON t.id = e.transaction_id"
        " WHERE e.account = :account"
        " AND (t.id < :transaction OR (t.id = :transaction AND e.line < :line))"
        " ORDER BY t.id DESC, e.line DESC LIMIT :limit",
        account=account,
        transaction=before[0],
        line=before[1],
        limit=limit,
    )


async def balances_that_differ(session: Session) -> list[dict[str, Any]]:
    """Ledger accounts whose kept balance is not the sum of their entries, by side."""
    rows = await session.all(
        "SELECT COALESCE(k.account, d.account) AS account,"
        " COALESCE(k.currency, d.currency) AS currency,"
        " COALESCE(k.stripe_account, d.stripe_account) AS stripe_account,"
        " COALESCE(k.books, 0) AS kept_books, COALESCE(d.books, 0) AS books,"
        " COALESCE(k.facts, 0) AS kept_facts, COALESCE(d.facts, 0) AS facts"
        " FROM balances k FULL JOIN ("
        "  SELECT e.account, e.currency, e.stripe_account,"
        "  CAST(SUM(CASE WHEN t.side = 'books' THEN e.amount ELSE 0 END) AS BIGINT) AS books,"
        "  CAST(SUM(CASE WHEN t.side = 'facts' THEN e.amount ELSE 0 END) AS BIGINT) AS facts"
        "  FROM entries e JOIN ledger_transactions t ON t.id = e.transaction_id"
        "  GROUP BY e.account, e.currency, e.stripe_account"
        " ) d ON d.account = k.account AND d.currency = k.currency"
        " AND d.stripe_account = k.stripe_account"
        " WHERE COALESCE(k.books, 0) <> COALESCE(d.books, 0)"
        " OR COALESCE(k.facts, 0) <> COALESCE(d.facts, 0) ORDER BY 1, 2 LIMIT 100"
    )
    return [dict(row) for row in rows]


async def references_without_position(session: Session, limit: int) -> list[str]:
    """What the books have posted for, and hold no position of."""
    rows = await session.all(
        "SELECT DISTINCT reference FROM ledger_transactions WHERE side = 'books' AND NOT EXISTS"
        " (SELECT 1 FROM positions WHERE positions.reference = ledger_transactions.reference)"
        " ORDER BY reference LIMIT :limit",
        limit=limit,
    )
    return [row["reference"] for row in rows]


async def versions(session: Session, references: Collection[str]) -> dict[str, int]:
    """The version that the books posted last of each reference."""
    rows = await session.many(
        "SELECT reference, MAX(version) AS version FROM ledger_transactions"
        " WHERE side = 'books' AND reference IN {each:references} GROUP BY reference",
        references=sorted(references),
    )
    return {row["reference"]: row["version"] for row in rows}


async def posted_lines(session: Session, references: Collection[str]) -> dict[str, list[Line]]:
    """What the books' entries of each reference sum to."""
    rows = await session.all(
        "SELECT t.reference, e.account, e.currency, CAST(SUM(e.amount) AS BIGINT) AS amount"
        " FROM ledger_transactions t JOIN entries e ON e.transaction_id = t.id"
        " WHERE t.side = 'books' AND t.reference IN {each:references}"
        " GROUP BY t.reference, e.account, e.currency",
        references=sorted(references),
    )
    found: dict[str, list[Line]] = {}
    for row in rows:
        found.setdefault(row["reference"], []).append(
            Line(row["account"], row["currency"], row["amount"])
        )
    return found


async def clearing_sums(session: Session, accounts: Collection[str]) -> list[Row]:
    """What the entries of these ledger accounts sum to, by currency and reference: `books` and
    `facts`, from the entries themselves and not from the balances kept beside them."""
    return await session.all(
        "SELECT e.account, e.currency, t.reference,"
        " CAST(SUM(CASE WHEN t.side = 'books' THEN e.amount ELSE 0 END) AS BIGINT) AS books,"
        " CAST(SUM(CASE WHEN t.side = 'facts' THEN e.amount ELSE 0 END) AS BIGINT) AS facts"
        " FROM entries e JOIN ledger_transactions t ON t.id = e.transaction_id"
        " WHERE e.account IN {each:accounts} GROUP BY e.account, e.currency, t.reference"
        " ORDER BY e.account, e.currency, t.reference",
        accounts=sorted(accounts),
    )


async def in_the_ledger(session: Session, movements: Collection[str]) -> set[str]:
    """Those of these balance transactions that have been posted."""
    rows = await session.many(
        "SELECT reference FROM ledger_transactions"
        " WHERE side = 'facts' AND version = 1 AND reference IN {each:movements}",
        movements=sorted(movements),
    )
    return {row["reference"] for row in rows}


async def out_of_balance(session: Session, stripe_account: str) -> dict[str, int]:
    """What the balances kept sum to in each currency where that is not zero, as it is of all
    entries. Costs what is open and held."""
    rows = await session.all(
        "SELECT currency, CAST(SUM(amount) AS BIGINT) AS amount FROM ("
        " SELECT currency, books + facts AS amount FROM balances"
        " WHERE stripe_account = :account AND kind = 'clearing' AND books + facts <> 0"
        " UNION ALL SELECT currency, books + facts AS amount FROM balances"
        " WHERE stripe_account = :account AND kind <> 'clearing' AND books + facts <> 0"
        ") AS kept GROUP BY currency HAVING SUM(amount) <> 0",
        account=stripe_account,
    )
    return {row["currency"]: row["amount"] for row in rows}
