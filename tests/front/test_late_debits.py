"""Debits whose bank answers later: processing first, then paid, or failed after all."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.front.asking import sound
from tests.front.charging import (
    charged,
    customer,
    daily,
    debited,
    intents,
    invoice,
    next_day,
    read,
    slow_cards,
)
from tests.front.test_debit_runs import latest
from tests.harness import Service, run, service

BANK_SECONDS = 180


@pytest.fixture(autouse=True)
def slow() -> Iterator[None]:
    with slow_cards():
        yield


async def bank_answers(it: Service, *, heard: bool = True) -> None:
    """The bank has decided, and Stripe's webhooks have arrived, or were lost and are swept."""
    if not heard:
        it.simulator.webhooks.drop("*")
    it.simulator.clock.advance(BANK_SECONDS)
    await it.listen()
    if not heard:
        it.simulator.webhooks.calm()
        await it.sweep()


async def clean(it: Service) -> None:
    await sound(it)
    assert (await it.check())["status"] == "clean"


@pytest.mark.parametrize("heard", [True, False], ids=["heard", "swept"])
def test_a_debit_is_processing_until_the_bank_has_answered(database_url: str, heard: bool) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await it.merchant("bakery")
            await customer(it, card="pm_card_slow", merchant="bakery")
            await invoice(it)
            done = await debited(it)
            assert (done["status"], done["payments"][0]["status"]) == ("processing", "processing")
            assert ("merchant:bakery", "usd") not in await it.balances()
            refused = await debited(it, key="again")
            assert (refused["http"], refused["code"]) == (409, "debit_in_progress")
            await bank_answers(it, heard=heard)
            assert (await read(it))["status"] == "paid"
            assert (await it.balances())["merchant:bakery", "usd"] == -5_000
            assert (charged(it), len(intents(it))) == (5_000, 1)
            await clean(it)

    run(story)


@pytest.mark.parametrize("heard", [True, False], ids=["heard", "swept"])
def test_a_debit_that_fails_while_processing_is_tried_again_from_the_next_day_on(
    database_url: str, heard: bool
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await customer(it, card="pm_card_slow_fails")
            await invoice(it)
            assert (await debited(it))["status"] == "processing"
            await bank_answers(it, heard=heard)
            shown = await read(it)
            assert (shown["status"], shown["failure"]["code"]) == ("scheduled", "payment_failed")
            same_day = await debited(it, key="by hand")
            assert (same_day["http"], same_day["code"]) == (409, "card_tried_enough")
            assert charged(it) == 0
            await next_day(it)
            await daily(it)
            assert (await read(it))["status"] == "processing"
            assert len(intents(it)) == 1  # the same payment, confirmed again
            await bank_answers(it)
            assert (await read(it))["status"] == "scheduled"
            await clean(it)

    run(story)


def test_money_that_the_bank_takes_back_leaves_the_books_and_the_invoice_is_due_again(
    database_url: str,
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await it.merchant("bakery")
            await customer(it, card="pm_card_slow", merchant="bakery")
            await invoice(it)
            await debited(it)
            await bank_answers(it)
            (intent,) = intents(it)
            it.simulator.clock.advance(3 * 86_400)
            it.simulator.acts.fail_debit(intent["latest_charge"])
            await it.listen()
            shown = await read(it)
            assert (shown["status"], shown["failure"]["code"]) == ("scheduled", "payment_failed")
            assert ("merchant:bakery", "usd") not in await it.balances()
            assert charged(it) == 0
            await clean(it)

    run(story)


def test_a_lost_answer_of_a_slow_debit_is_not_asked_for_twice(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await customer(it, card="pm_card_slow")
            await invoice(it)
            it.simulator.faults.add("POST", "/v1/payment_intents", "after", "reset")
            assert (await debited(it))["status"] == "debiting"
            await bank_answers(it)
            assert (await read(it))["status"] == "paid"
            assert (charged(it), len(intents(it))) == (5_000, 1)
            await clean(it)

    run(story)


def test_a_run_says_processing_and_is_put_right_when_the_bank_has_answered(
    sqlite_url: str,
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await customer(it, card="pm_card_slow")
            await customer(it, "c2", card="pm_card_slow_fails")
            await invoice(it, "i1", "c1")
            await invoice(it, "i2", "c2")
            await daily(it)
            told = {each["outcome"]: each["invoices"] for each in (await latest(it))["outcomes"]}
            assert told == {"processing": 2}
            await bank_answers(it)
            told = {each["outcome"]: each["invoices"] for each in (await latest(it))["outcomes"]}
            assert told["paid"] == 1
            assert "processing" not in told, told

    run(story)
