"""Onboarding when Stripe, the network or the webhooks fail: one account, and nothing is missed."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from jobs import refresh_accounts as job
from reconciler.gateway.client import Gateway
from reconciler.money_out.resolve import resolve_outcomes
from reconciler.onboarding.refresh_accounts import refresh_accounts
from reconciler.simulator import Simulator
from tests.front.onboarding import (
    accounts_at_stripe,
    ask,
    browse,
    known,
    link,
    onboarded,
    state,
    text_of,
    walk,
)
from tests.front.test_webhooks import is_problem
from tests.harness import ADMIN_KEY, Service, run, service

DAY = 86400


def stripe_of(it: Service) -> Gateway:
    assert it.context.stripe is not None
    return it.context.stripe


async def resolved(it: Service) -> None:
    """What is open is looked after until nothing is due, as the job does."""
    for _ in range(6):
        it.simulator.clock.advance(120)
        await resolve_outcomes(it.context, stripe_of(it))


# One account.


def test_many_clicks_at_once_open_one_account(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await known(it)
            answers = await asyncio.gather(*(ask(it, country="US") for _ in range(12)))
            assert {a.status_code for a in answers} == {200}, [a.text for a in answers]
            assert len({a.json()["url"] for a in answers}) == 12
            assert len(accounts_at_stripe(it)) == 1
            assert len(await it.query("SELECT id FROM merchant_accounts")) == 1

    run(story)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("effect", ["reset", "500", "broken_body", "429"])
def test_a_lost_answer_opens_no_second_account(database_url: str, when: str, effect: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await known(it)
            it.simulator.faults.add("POST", "/v1/accounts", when, effect)
            answer = await ask(it, country="US")
            assert is_problem(answer, 409, "account_opening"), answer.text
            waiting = await state(it)
            assert (waiting["state"], waiting["stripe_account"]) == ("onboarding", None)
            assert waiting["next_step"].startswith("Stripe has not confirmed")
            assert is_problem(await ask(it, country="FR"), 409, "account_opening")
            assert is_problem(await ask(it, "DELETE"), 409, "account_opening")
            await resolved(it)
            assert len(accounts_at_stripe(it)) == 1
            assert (await state(it))["stripe_account"] == accounts_at_stripe(it)[0]
            await browse(it, await walk(it, await link(it, country="US")))
            assert (await state(it))["state"] == "ready"
            assert len(accounts_at_stripe(it)) == 1

    run(story)


def test_asking_again_is_enough_after_a_lost_answer(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await known(it)
            it.simulator.faults.add("POST", "/v1/accounts", "after", "reset")
            assert (await ask(it, country="US")).status_code == 409
            it.simulator.clock.advance(60)
            assert (await ask(it, country="US")).status_code == 200
            assert len(accounts_at_stripe(it)) == 1

    run(story)


@pytest.mark.parametrize("when", ["before", "after"])
def test_after_a_day_only_stripes_list_can_tell(sqlite_url: str, when: str) -> None:
    """Stripe has forgotten the key by then: another request would open another account."""

    async def story() -> None:
        async with service(sqlite_url) as it:
            await known(it)
            it.simulator.faults.add("POST", "/v1/accounts", when, "reset")
            assert (await ask(it, country="US")).status_code == 409
            it.simulator.clock.advance(25 * 3600)
            await resolved(it)
            assert len(accounts_at_stripe(it)) == (1 if when == "after" else 0)
            assert (await ask(it, country="US")).status_code == 200
            assert len(accounts_at_stripe(it)) == 1

    run(story)


def test_a_link_that_fails_costs_nothing(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await known(it)
            it.simulator.faults.add("POST", "/v1/account_links", "before", "500")
            assert is_problem(await ask(it, country="US"), 502, "stripe_unavailable")
            assert (await ask(it)).status_code == 200
            assert len(accounts_at_stripe(it)) == 1

    run(story)


def test_a_visitor_is_told_when_stripe_cannot_be_asked(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await known(it)
            back = await walk(it, await link(it, country="US"))
            it.simulator.faults.add("GET", "/v1/accounts/*", "before", "500", times=None)
            for address in (back, back.replace("stripe=return", "stripe=refresh")):
                page = await browse(it, address)
                assert page.status_code == 200
                assert "Stripe cannot be asked just now" in text_of(page)
            assert (await state(it))["state"] == "onboarding"
            it.simulator.faults.clear()
            it.simulator.clock.advance(60)
            assert "You are set up" in text_of(await browse(it, back))

    run(story)


# With no webhook at all.


def test_the_daily_sweep_finds_what_no_webhook_said(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await known(it)
            await walk(it, await link(it, country="US"), "leave")
            [old] = accounts_at_stripe(it)
            await walk(it, await link(it, country="DE"))
            account = (await state(it))["stripe_account"]
            assert (await refresh_accounts(it.context, stripe_of(it))).complete
            assert (await state(it))["state"] == "ready"
            acts = it.simulator.acts
            acts.lose_capability(account, "transfers")
            acts.meet_requirements(old)
            again = await refresh_accounts(it.context, stripe_of(it))
            assert (again.pages, (await state(it))["state"]) == (0, "ready")  # not due
            it.simulator.clock.advance(DAY)
            assert "2 listed" in await job.run(it.context)
            found = await state(it)
            assert found["state"] == "restricted"
            assert found["earlier_accounts"][0]["details_submitted"] is True
            acts.require(account, ["company.tax_id"], days=2)
            it.simulator.clock.advance(DAY)
            await job.run(it.context)
            assert (await state(it))["requirements"]["current_deadline"] is not None

    run(story)


def test_the_sweep_goes_on_where_it_stopped(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url, Simulator(seed=5)) as it:
            for number in range(230):
                it.simulator.acts.connect_account()
                if number == 0:
                    await known(it)
            first = accounts_at_stripe(it)[0]  # the last one in Stripe's list
            assert (await ask(it, stripe_account=first)).status_code == 200
            it.simulator.acts.lose_capability(first, "transfers")
            stripe = stripe_of(it)
            one = await refresh_accounts(it.context, stripe, pages=1)
            assert (one.pages, one.accounts, one.complete) == (1, 100, False)
            it.simulator.faults.add("GET", "/v1/accounts", "before", "500", times=4)
            failed = await refresh_accounts(it.context, stripe, pages=1)
            assert failed.error
            assert not failed.complete
            it.simulator.faults.clear()
            it.simulator.clock.advance(60)
            two = await refresh_accounts(it.context, stripe, pages=1)
            assert (two.accounts, two.complete) == (100, False)
            assert (await state(it))["state"] == "ready"
            three = await refresh_accounts(it.context, stripe, pages=1)
            assert (three.accounts, three.complete) == (30, True)
            assert (await state(it))["state"] == "restricted"

    run(story)


@pytest.mark.parametrize("webhooks", [True, False])
def test_whoever_revokes_access_is_disconnected_and_may_come_back(
    database_url: str, webhooks: bool
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            account = await onboarded(it)
            await onboarded(it, "cafe")
            await it.listen()
            it.simulator.acts.deauthorize(account)
            if webhooks:
                await it.listen()
            else:
                swept = await refresh_accounts(it.context, stripe_of(it))
                assert (swept.read, swept.lost) == (1, 1)
            found = await state(it)
            assert (found["state"], found["disconnected_by"]) == ("disconnected", "merchant")
            assert found["receives_payouts"] is False
            [row] = await it.query("SELECT stripe_account FROM merchants WHERE id = 'bakery'")
            assert row["stripe_account"] == ""
            assert (await state(it, "cafe"))["state"] == "ready"
            assert await it.query("SELECT object_id FROM fetches") == []
            answer = await ask(it, country="US")
            assert answer.status_code == 200, answer.text
            again = await state(it)
            assert again["stripe_account"] not in (None, account)
            assert again["earlier_accounts"][0]["stripe_account"] == account
            for ours in ("started", "changed"):
                actions = await it.query("SELECT action FROM audit_log")
                assert any(row["action"].endswith(ours) for row in actions)

    run(story)


def test_an_account_that_is_shown_again_is_connected_again(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            account = await onboarded(it)
            it.simulator.acts.deauthorize(account)
            await it.listen()
            assert (await state(it))["state"] == "disconnected"
            it.simulator.world.books[account].deleted = False
            it.simulator.clock.advance(DAY)
            await refresh_accounts(it.context, stripe_of(it))
            assert (await state(it))["state"] == "ready"
            assert (await ask(it, "DELETE")).status_code == 200
            it.simulator.clock.advance(DAY)
            await refresh_accounts(it.context, stripe_of(it))
            assert (await state(it))["state"] == "disconnected"  # what we ended stays ended

    run(story)


def test_another_platforms_key_disconnects_nobody(sqlite_url: str) -> None:
    """A key that was swapped by mistake shows none of our accounts."""

    async def story() -> None:
        async with service(sqlite_url) as it:
            await onboarded(it)
            await onboarded(it, "cafe")
            for account in accounts_at_stripe(it):
                it.simulator.world.books[account].deleted = True
            swept = await refresh_accounts(it.context, stripe_of(it))
            assert "STRIPE_SECRET_KEY" in swept.error
            for id in ("bakery", "cafe"):
                assert (await state(it, id))["state"] == "ready"

    run(story)


def test_a_payout_is_refused_once_the_capability_is_lost(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            account = await onboarded(it)
            paid = {"card": "pm_card_bypassPending", "metadata": {"merchant_id": "bakery"}}
            it.simulator.acts.pay(10_000, "usd", **paid)
            await it.listen()
            asked = {"merchant": "bakery", "amount": 1_000, "currency": "usd"}

            async def pay(key: str) -> httpx.Response:
                headers = {"Authorization": f"Bearer {ADMIN_KEY}", "Idempotency-Key": key}
                return await it.http.post("/v1/payouts", headers=headers, json=asked)

            answer = await pay("one")
            assert answer.json()["status"] == "completed", answer.text
            it.simulator.acts.lose_capability(account, "transfers")  # and no webhook says so
            it.simulator.clock.advance(DAY)
            await refresh_accounts(it.context, stripe_of(it))
            refused = await pay("two")
            assert refused.status_code == 409, refused.text
            assert (await ask(it, "DELETE", force=True, reason="a test")).status_code == 200
            assert is_problem(await pay("three"), 409, "not_connected")

    run(story)
