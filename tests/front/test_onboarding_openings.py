"""What an account is opened as, and by which paths an unanswered opening is found out."""

from __future__ import annotations

import pytest

from reconciler.onboarding.refresh_accounts import refresh_accounts
from tests.front.onboarding import accounts_at_stripe, ask, known, link, state, walk
from tests.front.test_webhooks import is_problem
from tests.harness import ADMIN_KEY, Service, ask_stripe, run, service


async def lost_answer(it: Service) -> str:
    """An account that Stripe has opened without our hearing of it."""
    await known(it)
    it.simulator.faults.add("POST", "/v1/accounts", "after", "reset")
    assert is_problem(await ask(it, country="US"), 409, "account_opening")
    [account] = accounts_at_stripe(it)
    assert (await state(it))["stripe_account"] is None
    return account


async def something_happens(it: Service, account: str) -> None:
    """Stripe tells of the account in a webhook, which is all that we hear."""
    await ask_stripe(it, f"/v1/accounts/{account}", **{"metadata[colour]": "blue"})
    await it.listen()


# An opening whose outcome is not known.


@pytest.mark.parametrize("by", ["account.updated", "capability.updated", "the daily sweep"])
def test_an_account_settles_the_opening_that_it_names(database_url: str, by: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            account = await lost_answer(it)
            if by == "account.updated":
                await something_happens(it, account)
            elif by == "capability.updated":
                it.simulator.webhooks.drop("account.updated")
                it.simulator.acts.meet_requirements(account)
                await it.listen()
            else:
                assert it.context.stripe is not None
                assert (await refresh_accounts(it.context, it.context.stripe)).complete
            found = await state(it)
            assert found["stripe_account"] == account
            [sending] = await it.query("SELECT status, stripe_object FROM sendings")
            assert sending == {"status": "accepted", "stripe_object": account}
            changed = await it.query("SELECT seq FROM audit_log WHERE action = 'account.changed'")
            assert len(changed) == 1
            await walk(it, await link(it))
            assert accounts_at_stripe(it) == [account]

    run(story)


def test_an_account_that_names_another_merchant_settles_nothing(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            account = await lost_answer(it)
            await known(it, "cafe")
            form = {"metadata[reconciler_merchant]": "cafe"}
            await ask_stripe(it, f"/v1/accounts/{account}", **form)
            await it.listen()
            for merchant in ("bakery", "cafe"):
                assert (await state(it, merchant))["stripe_account"] is None

    run(story)


def test_an_account_of_ours_that_was_given_up_may_be_adopted(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            account = await lost_answer(it)
            async with it.context.write() as session:
                await session.run("UPDATE sendings SET status = 'refused'")
                await session.run("UPDATE merchant_accounts SET state = 'failed'")
            assert (await ask(it, stripe_account=account)).status_code == 200
            await something_happens(it, account)
            found = await state(it)
            assert (found["stripe_account"], found["earlier_accounts"]) == (account, [])

    run(story)


@pytest.mark.parametrize("gone_on", [False, True])
def test_an_account_that_appears_after_it_was_given_up(sqlite_url: str, gone_on: bool) -> None:
    """It is the merchant's, unless the merchant has another by now: then it is only watched."""

    async def story() -> None:
        async with service(sqlite_url) as it:
            account = await lost_answer(it)
            async with it.context.write() as session:
                await session.run("UPDATE sendings SET status = 'refused'")
                await session.run("UPDATE merchant_accounts SET state = 'failed'")
            if gone_on:
                assert (await ask(it, country="US")).status_code == 200
            await something_happens(it, account)
            found = await state(it)
            earlier = [each["stripe_account"] for each in found["earlier_accounts"]]
            if gone_on:
                assert (found["stripe_account"] != account, earlier) == (True, [account])
            else:
                assert (found["stripe_account"], earlier) == (account, [])

    run(story)


# What is opened.


def test_an_account_across_a_border_is_refused_before_it_is_opened(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await known(it)
            answer = await ask(it, country="AU")
            assert is_problem(answer, 409, "cross_border_unsupported")
            assert "United States cannot pay an account in Australia" in answer.json()["detail"]
            assert accounts_at_stripe(it) == []
            assert (await ask(it, country="FR")).status_code == 200

    run(story)


def test_a_platform_elsewhere_pays_at_home_only(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            it.simulator.world.home.account["country"] = "AU"
            await known(it)
            assert is_problem(await ask(it, country="US"), 409, "cross_border_unsupported")
            assert (await ask(it, country="AU")).status_code == 200

    run(story)


def test_a_recipient_is_opened_as_one_and_shown_as_one(sqlite_url: str) -> None:
    async def story() -> None:
        more = {"RECONCILER_CONNECT_CAPABILITIES": "transfers,card_payments"}
        async with service(sqlite_url, **more) as it:
            await known(it)
            answer = await ask(it, country="JM", service_agreement="recipient")
            assert answer.status_code == 200, answer.text
            found = await state(it)
            assert (found["service_agreement"], found["country"]) == ("recipient", "JM")
            assert [each["name"] for each in found["capabilities"]] == ["transfers"]
            page = await it.http.get("/console/merchants/bakery", auth=("me", ADMIN_KEY))
            assert "recipient agreement" in page.text

    run(story)


def test_what_a_platform_has_to_ask_for_besides_is_a_setting(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            it.simulator.settings.transfers_alone = False
            await known(it)
            answer = await ask(it, country="US")
            assert is_problem(answer, 409, "transfers_alone_refused")
            assert "RECONCILER_CONNECT_CAPABILITIES" in answer.json()["detail"]
            assert (await state(it))["last_failure"]["country"] == "US"

    run(story)


def test_cards_are_asked_for_where_the_setting_says_so(sqlite_url: str) -> None:
    async def story() -> None:
        more = {"RECONCILER_CONNECT_CAPABILITIES": "transfers,card_payments"}
        async with service(sqlite_url, **more) as it:
            it.simulator.settings.transfers_alone = False
            await known(it)
            assert (await ask(it, country="US")).status_code == 200
            names = [each["name"] for each in (await state(it))["capabilities"]]
            assert names == ["card_payments", "transfers"]

    run(story)
