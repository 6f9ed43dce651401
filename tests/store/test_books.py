"""What the schema itself refuses, on both engines: the ledger's promises as constraints."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from reconciler.domain.ledger import Line, Posting, Side
from reconciler.store import books
from reconciler.store.database import Database, Session
from tests.harness import run


def _posting(reference: str = "ch_1", version: int = 1, amount: int = 100) -> Posting:
    lines = (Line("clearing:ch_1", "usd", amount), Line("platform", "usd", -amount))
    return Posting(reference, Side.BOOKS, version, "payment", "platform", 1, lines)


def _refused(
    url: str, match: str, work: Callable[[Session], Awaitable[None]]
) -> list[tuple[int, int]]:
    """The work is refused; the numbers of ledger transactions and entries afterwards."""

    async def story() -> list[tuple[int, int]]:
        async with Database(url) as database:
            async with database.write_books() as session:
                await books.post(session, [(_posting(), "evt_1")], 1)
            with pytest.raises(Exception, match=match):
                async with database.write_books() as session:
                    await work(session)
            async with database.read() as session:
                counted = await session.all(
                    "SELECT (SELECT COUNT(*) FROM ledger_transactions) AS transactions,"
                    " (SELECT COUNT(*) FROM entries) AS entries"
                )
            return [(row["transactions"], row["entries"]) for row in counted]

    return run(story)


def test_lines_that_do_not_sum_to_zero_are_refused(database_url: str) -> None:
    async def unbalanced(session: Session) -> None:
        lines = (Line("clearing:ch_2", "usd", 100), Line("platform", "usd", -99))
        bad = Posting("ch_2", Side.BOOKS, 1, "payment", "platform", 1, lines)
        await books.post(session, [(bad, "evt_2")], 1)

    assert _refused(database_url, "sum to zero", unbalanced) == [(1, 2)]


def test_lines_that_sum_to_zero_only_across_currencies_are_refused(database_url: str) -> None:
    async def mixed(session: Session) -> None:
        lines = (Line("clearing:ch_2", "usd", 100), Line("platform", "eur", -100))
        bad = Posting("ch_2", Side.BOOKS, 1, "payment", "platform", 1, lines)
        await books.post(session, [(bad, "evt_2")], 1)

    assert _refused(database_url, "sum to zero", mixed) == [(1, 2)]


def test_the_same_change_cannot_be_posted_twice(database_url: str) -> None:
    async def again(session: Session) -> None:
        await books.post(session, [(_posting(), "evt_1")], 1)

    assert _refused(database_url, r"(?i)unique", again) == [(1, 2)]


def test_a_sealed_transaction_takes_no_further_line(database_url: str) -> None:
    async def late(session: Session) -> None:
        await session.run(
            "INSERT INTO entries (transaction_id, line, stripe_account, account, currency, amount)"
            " VALUES (1, 2, 'platform', 'platform', 'usd', 5)"
        )

    assert _refused(database_url, "sealed", late) == [(1, 2)]


def test_an_entry_without_its_transaction_is_refused(database_url: str) -> None:
    async def lonely(session: Session) -> None:
        await session.run(
            "INSERT INTO entries (transaction_id, line, stripe_account, account, currency, amount)"
            " VALUES (99, 0, 'platform', 'platform', 'usd', 5)"
        )

    assert _refused(database_url, r"(?i)foreign key", lonely) == [(1, 2)]


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE entries SET amount = 1",
        "DELETE FROM entries",
        "UPDATE ledger_transactions SET kind = 'x'",
        "DELETE FROM ledger_transactions",
    ],
)
def test_the_ledger_is_append_only(database_url: str, sql: str) -> None:
    async def change(session: Session) -> None:
        await session.run(sql)

    assert _refused(database_url, "append-only", change) == [(1, 2)]


def test_balances_are_what_entries_sum_to_by_side(database_url: str) -> None:
    async def story() -> None:
        async with Database(database_url) as database:
            fact = Posting(
                "txn_1", Side.FACTS, 1, "charge", "platform", 1,
                (Line("clearing:ch_1", "usd", -100), Line("stripe_balance", "usd", 100)),
            )  # fmt: skip
            async with database.write_books() as session:
                await books.post(session, [(_posting(), "evt_1"), (fact, "txn_1")], 1)
                await books.post(session, [(_posting(version=2, amount=-30), "evt_2")], 2)
            async with database.read() as session:
                opened = await books.open_clearings(session, "platform")
                assert [(r["account"], r["books"], r["facts"]) for r in opened] == [
                    ("clearing:ch_1", 70, -100)
                ]
                assert await books.balances_that_differ(session) == []
            async with database.write() as session:
                await session.run(
                    "UPDATE balances SET books = books + 1 WHERE account = 'platform'"
                )
            async with database.read() as session:
                differing = await books.balances_that_differ(session)
                assert [(d["account"], d["kept_books"], d["books"]) for d in differing] == [
                    ("platform", -69, -70)
                ]

    run(story)
