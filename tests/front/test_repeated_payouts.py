"""The same payout asked for again: at once, elsewhere, and after a crash. There is one transfer."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from reconciler.money_out import claims, pay_out
from reconciler.money_out.claims import LEASE_SECONDS
from tests.engines import PgServer
from tests.front.reading import bearer
from tests.front.test_idempotency import Crash, two_instances
from tests.front.test_webhooks import is_problem
from tests.harness import ADMIN_KEY, Service, run, service

ASKED = {"merchant": "bakery", "amount": 10_000, "currency": "usd"}


async def funded(it: Service) -> None:
    """The bakery is owed 1,000.00 usd, and Stripe has it less its fee."""
    await it.merchant("bakery")
    it.simulator.acts.pay(
        100_000, "usd", card="pm_card_bypassPending", metadata={"merchant_id": "bakery"}
    )
    await it.listen()


async def ask(it: Service, key: str = "key-1", body: Any = None) -> httpx.Response:
    headers = bearer(ADMIN_KEY) | {"Idempotency-Key": key}
    return await it.http.post("/v1/payouts", headers=headers, json=body or ASKED)


async def paid_once(it: Service) -> str:
    """The id of the only payout, whose money left once."""
    rows = await it.query("SELECT id, request_key FROM payouts")
    assert len(rows) == 1
    assert len(it.simulator.world.home.shelf("transfer")) == 1
    assert (await it.balances())[("merchant:bakery", "usd")] == -90_000
    return str(rows[0]["id"])


def test_fifty_at_once_are_one_payout_and_fifty_equal_answers(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await funded(it)
            answers = await asyncio.gather(*(ask(it) for _ in range(50)))
            assert {a.status_code for a in answers} == {201}
            assert len({a.content for a in answers}) == 1
            assert answers[0].json()["id"] == await paid_once(it)
            assert answers[0].json()["status"] == "completed"

    run(story)


def test_fifty_at_once_on_two_instances_are_one_payout(pg_server: PgServer) -> None:
    url = pg_server.migrated()

    async def story() -> None:
        async with two_instances(url) as (one, other):
            await funded(one)
            answers = await asyncio.gather(*(ask((one, other)[n % 2]) for n in range(50)))
            good = [a for a in answers if a.status_code == 201]
            assert len({a.content for a in good}) == 1
            for answer in answers:
                if answer.status_code != 201:
                    assert is_problem(answer, 409, "idempotency_key_in_use")
            assert good[0].json()["id"] == await paid_once(one)
            late = await ask(other)
            assert late.content == good[0].content

    run(story)


def test_fifty_keys_on_two_instances_are_as_many_payouts_as_there_is_money(
    pg_server: PgServer,
) -> None:
    url = pg_server.migrated()

    async def story() -> None:
        async with two_instances(url) as (one, other):
            await funded(one)
            answers = await asyncio.gather(
                *(ask((one, other)[n % 2], f"key-{n // 2}") for n in range(50))
            )
            made = {a.json()["id"] for a in answers if a.status_code == 201}
            # Stripe's fee has left less than the bakery is owed.
            assert len(made) == len(one.simulator.world.home.shelf("transfer")) == 9
            by_key = [
                {a.content for a in answers[n : n + 2] if a.status_code in (201, 409)}
                for n in range(0, 50, 2)
            ]
            assert all(len(pair) == 1 for pair in by_key)

    run(story)


@pytest.fixture
def abrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: Any, **__: Any) -> None:
        raise Crash

    monkeypatch.setattr(claims, "let_go", nothing)


@pytest.mark.usefixtures("abrupt")
@pytest.mark.parametrize("where", ["before the transfer", "before the answer"])
def test_after_a_crash_a_repeat_finds_the_payout_that_was_decided(
    database_url: str, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await funded(it)

            async def dies(*_: Any, **__: Any) -> Any:
                raise Crash

            with monkeypatch.context() as crash:
                if where == "before the transfer":
                    crash.setattr(pay_out, "send_attempt", dies)
                else:
                    crash.setattr(claims, "answered", dies)
                with pytest.raises(Crash):
                    await ask(it)
            decided = await it.query("SELECT id FROM payouts")
            it.simulator.clock.advance(LEASE_SECONDS)
            answer = await ask(it)
            assert answer.status_code == 201
            assert answer.json()["id"] == decided[0]["id"]
            assert len(await it.query("SELECT id FROM payouts")) == 1
            assert len(it.simulator.world.home.shelf("transfer")) <= 1
            if where == "before the answer":
                assert await paid_once(it) == decided[0]["id"]

    run(story)


def test_a_request_that_another_amount_repeats_is_refused(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await funded(it)
            assert (await ask(it)).status_code == 201
            other = await ask(it, body={**ASKED, "amount": 10_001})
            assert is_problem(other, 409, "idempotency_key_reused")
            await paid_once(it)

    run(story)


def test_the_database_refuses_a_second_payout_of_one_request(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await funded(it)
            await ask(it)
            row = (await it.query("SELECT * FROM payouts"))[0]
            assert row["request_key"]

            async def again() -> None:
                columns = ", ".join(row)
                values = ", ".join(f":{name}" for name in row)
                twin = {**row, "id": "pyt_twin", "transfer_id": ""}
                async with it.context.write() as session:
                    await session.run(f"INSERT INTO payouts ({columns}) VALUES ({values})", **twin)

            with pytest.raises(Exception, match=r"(?i)unique"):
                await again()

    run(story)
