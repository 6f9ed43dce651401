"""The audit log on a real database: what is written with what, and what tampering it shows."""

from __future__ import annotations

import asyncio
import contextvars
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from reconciler.context import Context, Policy
from reconciler.domain.audit import CONTENT, GENESIS, chained
from reconciler.oversight.audit import (
    Action,
    Actor,
    Anchor,
    Audit,
    Verified,
    head,
    listed,
    record,
    verify,
)
from reconciler.store import audit as stored
from reconciler.store.database import Database, Session, SessionMisuse
from tests.harness import run

NOW = 1_790_000_000
ACTOR = Actor("key_1", "ops", "operator", "192.0.2.7", "req_1")


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Context]:
    numbers = itertools.count(1)
    async with Database(url) as database:
        yield Context(database, lambda: NOW, lambda prefix: f"{prefix}_{next(numbers)}", Policy())


async def add(context: Context, *subjects: str, **more: Any) -> None:
    for subject in subjects:
        async with context.write() as session:
            record(session, Audit(ACTOR, Action.KEY_CREATED, subject, **more), context.now())


# Written with what it tells.


def test_a_row_is_written_with_what_it_tells_or_not_at_all(database_url: str) -> None:
    async def story() -> None:
        async with opened(database_url) as context:

            async def told(subject: str, *, fails: bool) -> None:
                async with context.write() as session:
                    entry = Audit(ACTOR, Action.MERCHANT_CREATED, subject, None, {"a": 1}, "why")
                    record(session, entry, context.now())
                    await session.run(
                        "INSERT INTO merchants (id, name, country, stripe_account, created_at)"
                        " VALUES (:id, 'x', 'US', '', 0)",
                        id=subject,
                    )
                    if fails:
                        raise RuntimeError("on the way")

            await told("m1", fails=False)
            with pytest.raises(RuntimeError, match="on the way"):
                await told("m2", fails=True)
            await told("m3", fails=False)
            rows, more = await listed(context, 10)
            assert [(row["seq"], row["subject"]) for row in rows] == [(2, "m3"), (1, "m1")]
            assert not more
            assert rows[1] == {
                "seq": 1, "at": NOW, "key_id": "key_1", "actor": "ops", "role": "operator",
                "address": "192.0.2.7", "request_id": "req_1", "action": "merchant.created",
                "subject": "m1", "reason": "why", "before": None, "after": {"a": 1},
                "previous_hash": GENESIS, "hash": rows[0]["previous_hash"],
            }  # fmt: skip
            async with context.database.read() as session:
                assert len(await session.all("SELECT id FROM merchants")) == 2
            assert (await verify(context)).unbroken

    run(story)


def test_several_rows_of_one_transaction_come_in_their_order(database_url: str) -> None:
    async def story() -> None:
        async with opened(database_url) as context:
            async with context.write_books() as session:
                for subject in "abc":
                    record(session, Audit(ACTOR, Action.KEY_CREATED, subject), NOW)
            rows, _ = await listed(context, 10)
            assert [row["subject"] for row in rows] == ["c", "b", "a"]
            assert (await verify(context)).rows == 3

    run(story)


def test_what_cannot_be_written_is_refused_where_it_is_said(database_url: str) -> None:
    async def story() -> None:
        async with opened(database_url) as context:
            entry = Audit(ACTOR, Action.KEY_CREATED, "x")
            async with context.database.read() as session:
                with pytest.raises(SessionMisuse):
                    record(session, entry, NOW)
            async with context.write() as session:
                pass
            with pytest.raises(SessionMisuse):
                record(session, entry, NOW)
            with pytest.raises(TypeError):
                await add(context, "x", after={"amount": 1.5})
            assert await head(context) == Anchor(0, GENESIS)

    run(story)


def test_fifty_writers_at_once_on_two_instances_leave_one_chain(database_url: str) -> None:
    async def story() -> None:
        async with AsyncExitStack() as stack:
            instances = [await stack.enter_async_context(opened(database_url)) for _ in range(2)]

            async def write(number: int) -> None:
                context = instances[number % 2]
                opening = context.write_books if number % 3 else context.write
                async with opening() as session:
                    record(session, Audit(ACTOR, Action.KEY_CREATED, f"s{number}"), NOW)
                    await session.one("SELECT seq FROM audit_head")
                    if number % 10 == 9:
                        raise RuntimeError("rolled back")

            results = await asyncio.gather(*map(write, range(50)), return_exceptions=True)
            assert sum(isinstance(result, RuntimeError) for result in results) == 5
            assert sum(result is None for result in results) == 45
            found = await verify(instances[0])
            assert (found.rows, found.head.seq, found.faults) == (45, 45, ())
            rows, _ = await listed(instances[0], 100)
            assert {row["subject"] for row in rows} == {f"s{n}" for n in range(50) if n % 10 != 9}

    run(story)


def test_writers_that_lock_other_rows_in_any_order_do_not_wait_in_a_circle(
    database_url: str,
) -> None:
    async def story() -> None:
        async with AsyncExitStack() as stack:
            instances = [await stack.enter_async_context(opened(database_url)) for _ in range(2)]
            async with instances[0].write() as session:
                await session.run(
                    "INSERT INTO merchants (id, name, country, stripe_account, created_at)"
                    " VALUES ('m', 'x', 'US', '', 0)"
                )

            async def write(number: int) -> None:
                async with instances[number % 2].write() as session:
                    entry = Audit(ACTOR, Action.MERCHANT_CREATED, "m")
                    if number % 4 < 2:  # told before the row is locked, or after
                        record(session, entry, NOW)
                    await session.run("UPDATE merchants SET name = 'y' WHERE id = 'm'")
                    if number % 4 >= 2:
                        record(session, entry, NOW)

            await asyncio.gather(*map(write, range(24)))
            assert (await verify(instances[1])).rows == 24

    run(story)


def test_reading_does_not_wait_for_whoever_writes_a_row(database_url: str) -> None:
    async def story() -> None:
        async with opened(database_url) as context:
            await add(context, "a")
            async with context.write() as session:
                await stored.locked_head(session)
                elsewhere = contextvars.Context()  # another caller, who holds no session

                async def others() -> Verified:
                    assert (await head(context)) is not None
                    assert len((await listed(context, 5))[0]) == 1
                    return await verify(context)

                assert (await asyncio.create_task(others(), context=elsewhere)).unbroken

    run(story)


# Append-only.


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE audit_log SET reason = 'x'",
        "DELETE FROM audit_log",
        "DELETE FROM audit_log WHERE seq = 2",
        "UPDATE audit_head SET seq = 1",
        "UPDATE audit_head SET hash = 'x'",
        "DELETE FROM audit_head",
        "INSERT INTO audit_head (one, seq, hash) VALUES (2, 0, '')",
        "INSERT INTO audit_log SELECT 7, at, key_id, actor, role, address, request_id, action,"
        " subject, reason, before_json, after_json, hash, hash FROM audit_log WHERE seq = 3",
        "INSERT INTO audit_log SELECT 4, at, key_id, actor, role, address, request_id, action,"
        " subject, reason, before_json, after_json, previous_hash, hash FROM audit_log"
        " WHERE seq = 3",
        "TRUNCATE audit_log",
        "TRUNCATE audit_head",
    ],
)
def test_the_database_itself_refuses_to_change_what_is_written(database_url: str, sql: str) -> None:
    if sql.startswith("TRUNCATE") and database_url.startswith("sqlite"):
        sql = "DELETE FROM audit_log"

    async def story() -> None:
        async with opened(database_url) as context:
            await add(context, "a", "b", "c")
            with pytest.raises(Exception, match=r"append-only|follows|moves on|stays|one"):
                async with context.database.write() as session:
                    await session.run(sql)
            assert (await verify(context)).rows == 3

    run(story)


# Tampering by somebody who may do anything to the database.


async def disarm(session: Session) -> None:
    """The triggers of both tables no longer fire."""
    if session.dialect == "postgresql":
        for table in ("audit_log", "audit_head"):
            await session.run(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        return
    found = await session.all(
        "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        " AND tbl_name IN ('audit_log', 'audit_head')"
    )
    for trigger in found:
        await session.run(f"DROP TRIGGER {trigger['name']}")


async def fill(context: Context, subjects: list[str]) -> list[dict[str, Any]]:
    """A chain of these, and no other row; no trigger watches it."""
    async with context.write() as session:
        await disarm(session)
        await session.run("DELETE FROM audit_log")
        await session.run("DELETE FROM audit_head")
        last = Anchor(0, GENESIS)
        for subject in subjects:
            what = {name: "" if kind is str else 0 for name, kind in CONTENT.items()}
            what |= {"actor": "a", "action": "key.created", "subject": subject}
            what |= {"before_json": "null", "after_json": "{}"}
            row = chained(what, last.seq + 1, last.hash)
            await stored.append(session, row)
            last = Anchor(last.seq + 1, str(row["hash"]))
        await set_head(session, last, insert=True)
    async with context.database.read() as session:
        return [dict(row) for row in await stored.after(session, None, 100)]


async def set_head(session: Session, to: Anchor, *, insert: bool = False) -> None:
    sql = "UPDATE audit_head SET seq = :seq, hash = :hash"
    if insert:
        sql = "INSERT INTO audit_head (one, seq, hash) VALUES (1, :seq, :hash)"
    await session.run(sql, seq=to.seq, hash=to.hash)


Tampering = Callable[[Session, list[dict[str, Any]], int, int], Awaitable[None]]
TEXTS = [name for name, kind in [*CONTENT.items(), ("hash", str)] if kind is str]


async def edit(session: Session, rows: list[dict[str, Any]], one: int, other: int) -> None:
    column = TEXTS[other % len(TEXTS)]
    value = rows[one][column]
    changed = ("0" if value[0] != "0" else "1") + value[1:] if value else "x"
    await session.run(
        f"UPDATE audit_log SET {column} = :value WHERE seq = :seq",
        value=changed,
        seq=rows[one]["seq"],
    )


async def postdate(session: Session, rows: list[dict[str, Any]], one: int, other: int) -> None:
    await session.run(
        "UPDATE audit_log SET at = at + :more WHERE seq = :seq", more=other + 1, seq=one + 1
    )


async def delete(session: Session, rows: list[dict[str, Any]], one: int, other: int) -> None:
    await session.run("DELETE FROM audit_log WHERE seq = :seq", seq=one + 1)


async def delete_and_close_the_gap(
    session: Session, rows: list[dict[str, Any]], one: int, other: int
) -> None:
    await delete(session, rows, one, other)
    for seq in range(one + 2, len(rows) + 1):
        await session.run("UPDATE audit_log SET seq = seq - 1 WHERE seq = :seq", seq=seq)
    last = rows[-1]
    await set_head(session, Anchor(len(rows) - 1, last["hash"] if len(rows) > 1 else GENESIS))


async def swap(session: Session, rows: list[dict[str, Any]], one: int, other: int) -> None:
    other = (one + 1 + other % (len(rows) - 1)) % len(rows)
    for from_, to in ((one + 1, 1000), (other + 1, one + 1), (1000, other + 1)):
        await session.run(
            "UPDATE audit_log SET seq = :to WHERE seq = :from", **{"from": from_, "to": to}
        )


async def truncate(session: Session, rows: list[dict[str, Any]], one: int, other: int) -> None:
    await session.run("DELETE FROM audit_log WHERE seq > :seq", seq=one)


async def insert(session: Session, rows: list[dict[str, Any]], one: int, other: int) -> None:
    for seq in range(len(rows), one, -1):
        await session.run("UPDATE audit_log SET seq = seq + 1 WHERE seq = :seq", seq=seq)
    before = rows[one - 1]["hash"] if one else GENESIS
    await stored.append(session, chained({**rows[0], "subject": "never"}, one + 1, before))


async def append(session: Session, rows: list[dict[str, Any]], one: int, other: int) -> None:
    words = {name: rows[-1][name] for name in CONTENT}
    await stored.append(session, chained(words, len(rows) + 1, rows[-1]["hash"]))


async def prepend(session: Session, rows: list[dict[str, Any]], one: int, other: int) -> None:
    words = {name: rows[0][name] for name in CONTENT}
    await stored.append(session, chained(words, -one, GENESIS))


async def move_head(session: Session, rows: list[dict[str, Any]], one: int, other: int) -> None:
    await set_head(session, Anchor(one, rows[one - 1]["hash"] if one else GENESIS))


async def remove_head(session: Session, rows: list[dict[str, Any]], one: int, other: int) -> None:
    await session.run("DELETE FROM audit_head")


async def truncate_with_head(
    session: Session, rows: list[dict[str, Any]], one: int, other: int
) -> None:
    await truncate(session, rows, one, other)
    await set_head(session, Anchor(one, rows[one - 1]["hash"] if one else GENESIS))


async def rewrite(session: Session, rows: list[dict[str, Any]], one: int, other: int) -> None:
    await session.run("DELETE FROM audit_log WHERE seq > :seq", seq=one)
    last = Anchor(one, rows[one - 1]["hash"] if one else GENESIS)
    for row in rows[one:]:
        words = {**{name: row[name] for name in CONTENT}, "reason": "it was somebody else"}
        forged = chained(words, last.seq + 1, last.hash)
        await stored.append(session, forged)
        last = Anchor(last.seq + 1, str(forged["hash"]))
    await set_head(session, last)


TAMPERINGS: list[Tampering] = [
    edit, postdate, delete, delete_and_close_the_gap, swap, truncate, insert, append, prepend,
    move_head, remove_head,
]  # fmt: skip
ONLY_WITH_AN_ANCHOR: list[Tampering] = [truncate_with_head, rewrite]
PLACES = st.integers(2, 7).flatmap(
    lambda n: st.tuples(st.just(n), st.integers(0, n - 1), st.integers(0, 50))
)
CASES = hypothesis_settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.mark.parametrize("tamper", TAMPERINGS, ids=lambda tamper: tamper.__name__)
def test_tampering_is_found(database_url: str, tamper: Tampering) -> None:
    @CASES
    @given(PLACES)
    def found(places: tuple[int, int, int]) -> None:
        size, one, other = places

        async def story() -> None:
            async with opened(database_url) as context:
                rows = await fill(context, [f"s{number}" for number in range(size)])
                assert (await verify(context)).unbroken
                async with context.write() as session:
                    await tamper(session, rows, one, other)
                result = await verify(context)
                assert not result.unbroken
                assert all(fault.sentence for fault in result.faults)

        run(story)

    found()


@pytest.mark.parametrize("tamper", ONLY_WITH_AN_ANCHOR, ids=lambda tamper: tamper.__name__)
def test_what_leaves_a_whole_chain_is_found_with_an_anchor(
    database_url: str, tamper: Tampering
) -> None:
    @CASES
    @given(PLACES)
    def found(places: tuple[int, int, int]) -> None:
        size, one, other = places

        async def story() -> None:
            async with opened(database_url) as context:
                rows = await fill(context, [f"s{number}" for number in range(size)])
                seq = one + 1 + other % (size - one)  # any row from the first that is touched on
                known = Anchor(seq, rows[seq - 1]["hash"])
                assert (await verify(context, [known])).unbroken
                async with context.write() as session:
                    await tamper(session, rows, one, other)
                assert (await verify(context)).unbroken  # docs/audit.md says so
                result = await verify(context, [known])
                assert [fault.seq for fault in result.faults] == [seq]

        run(story)

    found()


def test_a_chain_longer_than_a_batch_is_verified_with_progress(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.oversight.audit.BATCH", 3)

    async def story() -> None:
        async with opened(database_url) as context:
            await add(context, *(f"s{number}" for number in range(10)))
            seen: list[tuple[int, int]] = []
            found = await verify(context, progress=lambda done, total: seen.append((done, total)))
            assert found.unbroken
            assert found.rows == 10
            assert seen == [(3, 10), (6, 10), (9, 10), (10, 10)]

    run(story)


def test_the_same_words_give_the_same_chain_on_both_engines(database_url: str) -> None:
    async def story() -> str:
        async with opened(database_url) as context:
            await add(context, "ünï", "a'b", "c\x00d", after={"a": [1, None, True, "é"]})
            last = await head(context)
            assert last is not None
            return last.hash

    assert run(story) == "844b155cc66d352e89b0fb1fc16577e225dfe74f0def6b761212156d707472ae"
