"""Onboarding through the front door: the whole way, half of it, and every way back."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
import structlog

from reconciler.app import configure_logging
from reconciler.oversight.keys import Role, create_key
from tests.front.onboarding import (
    accounts_at_stripe,
    ask,
    browse,
    known,
    link,
    onboarded,
    state,
    text_of,
    visit_of,
    walk,
)
from tests.front.test_webhooks import is_problem
from tests.harness import ADMIN_KEY, run, service


def test_a_merchant_goes_all_the_way(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await known(it)
            assert (await state(it))["state"] == "not_started"
            answer = await ask(it, country="US", email="baker@example.com")
            assert set(answer.json()) == {"url", "expires_at", "kind"}
            assert answer.json()["kind"] == "onboarding"
            [account] = accounts_at_stripe(it)
            opened = it.simulator.world.books[account].account
            assert (opened["type"], opened["country"]) == ("express", "US")
            assert opened["email"] == "baker@example.com"
            assert list(opened["capabilities"]) == ["transfers"]
            assert opened["metadata"]["reconciler_merchant"] == "bakery"
            before = await state(it)
            assert (before["state"], before["stripe_account"]) == ("onboarding", account)
            asked = [each["words"] for each in before["requirements"]["past_due"]]
            assert "a bank account" in asked
            assert "the date of birth of the representative" in asked
            back = await walk(it, answer.json()["url"])
            assert (await state(it))["state"] == "onboarding"  # nobody has told us yet
            page = await browse(it, back)
            assert "You are set up" in text_of(page)
            after = await state(it)
            assert (after["state"], after["receives_payouts"]) == ("ready", True)
            assert after["next_step"] == "Nothing to do."
            await it.listen()
            assert (await state(it))["state"] == "ready"

    run(story)


def test_who_leaves_half_way_comes_back_to_the_same_account(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await known(it)
            back = await walk(it, await link(it, country="US"), "leave")
            page = text_of(await browse(it, back))
            assert "You are not finished yet" in page
            assert "A bank account" in page
            assert (await state(it))["state"] == "onboarding"
            again = await link(it)  # the country is known by now
            back = await walk(it, again, "unreadable")
            page = text_of(await browse(it, back))
            assert "Stripe needs something from you" in page
            assert "A photo of an identity document" in page
            assert "not readable" in page
            found = await state(it)
            assert found["state"] == "restricted"
            [overdue] = found["requirements"]["past_due"]
            assert overdue["fields"] == ["individual.verification.document"]
            assert "not readable" in overdue["problem"]
            assert found["disabled_reason"]["words"].startswith("Something that Stripe asked for")
            await browse(it, await walk(it, await link(it)))
            assert (await state(it))["state"] == "ready"
            assert len(accounts_at_stripe(it)) == 1

    run(story)


def test_what_is_being_checked_is_said_to_be(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await known(it)
            page = text_of(await browse(it, await walk(it, await link(it, country="US"), "check")))
            assert "Stripe is checking your details" in page
            assert "Continue at Stripe" not in page
            found = await state(it)
            assert (found["state"], found["receives_payouts"]) == ("onboarding", False)
            assert found["next_step"].startswith("Wait")
            it.simulator.clock.advance(it.simulator.settings.verification_seconds)
            await it.listen()
            assert (await state(it))["state"] == "ready"

    run(story)


def test_a_used_or_expired_link_leads_to_a_fresh_one(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await known(it)
            for wear in ("expired", "used"):
                url = await link(it, country="US")
                if wear == "expired":
                    it.simulator.clock.advance(301)
                else:
                    await browse(it, url)
                back = await browse(it, url)
                assert "stripe=refresh" in back.headers["location"]
                onward = await browse(it, back.headers["location"])
                assert onward.status_code == 303, wear
                assert onward.headers["referrer-policy"] == "no-referrer"
                assert onward.headers["cache-control"] == "no-store"
                fresh = onward.headers["location"]
                assert fresh != url
                assert fresh.startswith("http://stripe.test/_simulator/connect/setup/")
            page = await browse(it, await walk(it, fresh))
            assert "You are set up" in text_of(page)
            done = await browse(it, back.headers["location"])  # nothing is left to do there
            assert (done.status_code, "You are set up" in text_of(done)) == (200, True)
            assert len(accounts_at_stripe(it)) == 1

    run(story)


def test_an_address_alone_proves_nothing(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await known(it)
            url = await link(it, country="US")
            back = await walk(it, url, "leave")
            forged = back.replace("stripe=return", "stripe=return&state=ready&transfers=active")
            it.simulator.clock.advance(30)
            assert "You are not finished yet" in text_of(await browse(it, forged))
            assert (await state(it))["state"] == "onboarding"
            for stranger in (
                "/connect/bakery?stripe=return",
                "/connect/bakery?stripe=refresh",
                "/connect/bakery?stripe=refresh&visit=",
                "/connect/bakery?stripe=refresh&visit=visit_9999",
                "/connect/bakery?stripe=return&visit=" + "x" * 5_000,
                "/connect/bakery?stripe=return&visit=%00%ff",
                f"/connect/nobody?stripe=return&visit={visit_of(back)}",
                "/connect/" + "x" * 300,
                "/connect/%00",
            ):
                answer = await it.http.get(stranger)
                assert answer.status_code == 404, stranger
                assert "This address does not work any more" in answer.text
                assert "Bakery" not in answer.text
                assert "bakery" not in answer.text
            other = "cafe"
            await known(it, other)
            moved = f"/connect/{other}?stripe=return&visit={visit_of(back)}"
            assert (await it.http.get(moved)).status_code == 404
            it.simulator.clock.advance(7 * 86400)
            assert (await browse(it, back)).status_code == 404

    run(story)


def test_a_browser_gets_only_so_many_links_a_minute(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await known(it)
            back = await walk(it, await link(it, country="US"), "leave")
            refresh = back.replace("stripe=return", "stripe=refresh")
            seen = [(await browse(it, refresh)).status_code for _ in range(14)]
            assert seen[:9] == [303] * 9
            assert seen[-1] == 429
            it.simulator.clock.advance(61)
            assert (await browse(it, refresh)).status_code == 303
            head = await it.http.head(refresh.removeprefix("http://service.test"))
            assert (head.status_code, head.headers.get("location")) == (200, None)

    run(story)


def test_who_is_done_is_sent_to_the_dashboard(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await onboarded(it)
            answer = await ask(it)
            assert answer.json()["kind"] == "login"
            assert answer.json()["expires_at"] is None
            entered = await browse(it, answer.json()["url"])
            assert "/connect/dashboard/" in entered.headers["location"]
            assert (await browse(it, answer.json()["url"])).status_code == 410  # single use
            [account] = accounts_at_stripe(it)
            it.simulator.acts.require(account, ["individual.verification.document"], days=14)
            assert (await ask(it)).json()["kind"] == "onboarding"

    run(story)


def test_links_and_tokens_are_kept_nowhere(
    sqlite_url: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    said: list[str] = []

    async def story() -> None:
        async with service(sqlite_url) as it:
            await known(it)
            url = await link(it, country="US")
            back = await walk(it, url)
            onward = await browse(it, back.replace("stripe=return", "stripe=refresh"))
            await browse(it, back)
            login = (await ask(it)).json()["url"]
            said.extend([url, url.rpartition("/")[2], login, login.rpartition("/")[2]])
            said.extend([visit_of(back), onward.headers.get("location", url)])
            audit = await it.query("SELECT action, after_json FROM audit_log ORDER BY seq")
            actions = [row["action"] for row in audit]
            assert "onboarding.started" in actions
            assert "onboarding.linked" in actions
            assert "onboarding.login_linked" in actions

    caplog.set_level("DEBUG")
    configure_logging("debug")
    try:
        run(story)
    finally:
        structlog.reset_defaults()
    folder = Path(sqlite_url.removeprefix("sqlite:///")).parent
    kept = b"".join(path.read_bytes() for path in folder.iterdir())
    printed = capsys.readouterr()
    for secret in said:
        assert secret.encode() not in kept
        assert len(secret) > 9
        assert secret not in printed.out + printed.err + caplog.text


# Changes.


def test_deadlines_and_a_lost_capability_arrive_by_webhook(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            account = await onboarded(it)
            await it.listen()
            acts = it.simulator.acts
            acts.require(account, ["individual.verification.document", "company.tax_id"], days=3)
            await it.listen()
            found = await state(it)
            assert found["state"] == "ready"
            assert [each["words"] for each in found["requirements"]["currently_due"]] == [
                "the company's tax number",
                "a photo of an identity document",
            ]
            assert found["requirements"]["current_deadline"].endswith("Z")
            assert found["next_step"].startswith("Send the merchant a fresh link")
            it.simulator.clock.advance(3 * 86400 + 60)
            await it.listen()
            late = await state(it)
            assert (late["state"], late["receives_payouts"]) == ("restricted", False)
            assert late["requirements"]["past_due"]
            acts.meet_requirements(account)
            await it.listen()
            assert (await state(it))["state"] == "ready"
            acts.lose_capability(account, "transfers")
            await it.listen()
            lost = await state(it)
            assert (lost["state"], lost["receives_payouts"]) == ("restricted", False)
            assert lost["capabilities"][0]["words"] == "receive money from the platform"

    run(story)


def test_a_rejected_account_is_said_to_be_and_gets_no_link(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            account = await onboarded(it)
            it.simulator.acts.reject(account, "fraud")
            answer = await ask(it)
            assert is_problem(answer, 409, "account_rejected")
            found = await state(it)
            assert found["state"] == "rejected"
            assert "fraud" in found["disabled_reason"]["words"]

    run(story)


def test_a_country_is_changed_by_a_new_account_and_the_old_one_stays_watched(
    database_url: str,
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await known(it)
            await walk(it, await link(it, country="US"), "leave")
            [old] = accounts_at_stripe(it)
            await walk(it, await link(it, country="DE"), "complete")
            found = await state(it)
            assert found["stripe_account"] != old
            assert found["country"] == "DE"
            [earlier] = found["earlier_accounts"]
            assert (earlier["stripe_account"], earlier["country"]) == (old, "US")
            assert earlier["valid_to"] is not None
            assert earlier["receives_payouts"] is False
            it.simulator.acts.meet_requirements(old)
            await it.listen()
            found = await state(it)
            assert found["state"] == "ready"
            assert found["earlier_accounts"][0]["details_submitted"] is True
            assert found["earlier_accounts"][0]["receives_payouts"] is False
            refused = await ask(it, country="FR")
            assert is_problem(refused, 409, "country_fixed")
            assert "Germany" in refused.json()["detail"]
            assert len(accounts_at_stripe(it)) == 2

    run(story)


def test_disconnecting_is_local_and_guarded(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            account = await onboarded(it)
            it.simulator.acts.pay(10_000, "usd", metadata={"merchant_id": "bakery"})
            await it.listen()
            refused = await ask(it, "DELETE")
            assert is_problem(refused, 409, "balance_not_zero")
            assert "100.00 usd" in refused.json()["detail"]
            _, operator = await create_key(it.context, "op", Role.OPERATOR)
            force = {"force": True, "reason": "moved to another platform"}
            assert (await ask(it, "DELETE", key=operator, **force)).status_code == 403
            assert is_problem(await ask(it, "DELETE", force=True), 400, "invalid_body")
            assert (await ask(it, "DELETE", **force)).status_code == 200
            found = await state(it)
            assert (found["state"], found["disconnected_by"]) == ("disconnected", "platform")
            assert not it.simulator.world.books[account].deleted  # Stripe was not told
            [row] = await it.query("SELECT stripe_account FROM merchants")
            assert row["stripe_account"] == ""
            [kept] = await it.query(
                "SELECT reason FROM audit_log WHERE action = 'onboarding.disconnected'"
            )
            assert kept["reason"] == "moved to another platform"
            assert is_problem(await ask(it, "DELETE"), 409, "not_connected")
            it.simulator.acts.lose_capability(account, "transfers")
            await it.listen()  # still watched
            assert (await state(it))["capabilities"][0]["status"] == "inactive"
            assert (await ask(it)).status_code == 200  # and connected again, to the same account
            assert (await state(it))["stripe_account"] == account
            assert len(accounts_at_stripe(it)) == 1

    run(story)


@pytest.mark.parametrize("status", ["awaiting_approval", "pending", "sending", "unknown"])
def test_nobody_is_disconnected_with_money_in_flight(sqlite_url: str, status: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            account = await onboarded(it)
            async with it.context.write() as session:
                await session.run(
                    "INSERT INTO payouts (id, merchant, destination, amount, currency, status,"
                    " transfer_id, amount_reversed, failure_code, failure_message, request_key,"
                    " created_at, updated_at) VALUES ('pyt_1', 'bakery', :account, 100, 'usd',"
                    " :status, '', 0, '', '', '', 1, 1)",
                    account=account,
                    status=status,
                )
            refused = await ask(it, "DELETE")
            assert is_problem(refused, 409, "money_in_flight")
            assert "pyt_1" in refused.json()["detail"]

    run(story)


# What is asked badly.


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        ({"country": "us"}, 400, "invalid_body", "country"),
        ({"country": "USA"}, 400, "invalid_body", "country"),
        ({"country": "XX"}, 400, "invalid_body", "country"),
        ({"country": ""}, 400, "invalid_body", "country"),
        ({"country": 49}, 400, "invalid_body", "country"),
        ({"country": ["US"]}, 400, "invalid_body", "country"),
        ({"country": "US", "email": "nobody"}, 400, "invalid_body", "email"),
        ({"country": "US", "email": "a@b\r\nBcc: c@d"}, 400, "invalid_body", "email"),
        ({"country": "US", "capabilities": {}}, 400, "invalid_body", "capabilities"),
        ({"stripe_account": "acct_1", "country": "US"}, 400, "invalid_body", "stripe_account"),
        ({"stripe_account": "../v1/balance"}, 400, "bad_account", "stripe_account"),
        ({"country": "US", "service_agreement": "none"}, 400, "invalid_body", "service_agreement"),
        ({"country": "KP"}, 409, "cross_border_unsupported", "country"),
        (
            {"country": "US", "service_agreement": "recipient"},
            409,
            "recipient_at_home",
            "service_agreement",
        ),
        (
            {"country": "KP", "service_agreement": "recipient"},
            409,
            "country_unsupported",
            "country",
        ),
        ({"country": "IS"}, 409, "account_refused", ""),
        ({}, 400, "country_needed", "country"),
    ],
)
def test_bad_input_opens_nothing(
    sqlite_url: str, body: dict[str, object], status: int, code: str, field: str
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await known(it)
            answer = await ask(it, **body)
            assert is_problem(answer, status, code), answer.text
            assert answer.json().get("field", "") == field
            assert answer.json()["detail"].endswith(".")
            assert accounts_at_stripe(it) == []
            found = await state(it)
            assert found["state"] == "not_started"
            if code in ("country_unsupported", "account_refused"):
                assert found["last_failure"]["country"] == body["country"]
                assert (await ask(it, country="US")).status_code == 200  # and another may be tried
                assert (await state(it))["last_failure"] is None

    run(story)


def test_an_unknown_merchant_has_nothing(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            assert is_problem(await ask(it, id="nobody", country="US"), 404, "unknown_merchant")
            assert is_problem(await ask(it, "DELETE", id="nobody"), 404, "unknown_merchant")
            assert (await it.get("/v1/merchants/nobody/connect")).status_code == 404
            text = {"Authorization": f"Bearer {ADMIN_KEY}"}
            raw = await it.http.post("/v1/merchants/a/connect", headers=text, content=b"{")
            assert is_problem(raw, 400, "body_not_json")

    run(story)


def test_an_account_that_exists_is_adopted_by_an_admin(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await known(it)
            await known(it, "cafe")
            account = it.simulator.acts.connect_account(country="FR")
            _, operator = await create_key(it.context, "op", Role.OPERATOR)
            assert (await ask(it, key=operator, stripe_account=account)).status_code == 403
            answer = await ask(it, stripe_account=account)
            assert answer.status_code == 200, answer.text
            assert (answer.json()["stripe_account"], answer.json()["country"]) == (account, "FR")
            again = await ask(it, stripe_account=account)
            assert is_problem(again, 409, "already_connected")
            assert is_problem(
                await ask(it, id="cafe", stripe_account=account), 409, "account_taken"
            )

    run(story)


def test_an_account_of_another_platform_is_refused(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await known(it)
            for foreign in ("acct_1OfSomebodyElse", it.simulator.world.platform):
                answer = await ask(it, stripe_account=foreign)
                assert is_problem(answer, 409, "account_not_ours"), answer.text
            assert (await state(it))["state"] == "not_started"

    run(story)


def test_ids_are_put_into_addresses_safely(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            id = "a b?&#é"
            await known(it, id)
            path = f"/v1/merchants/{quote(id, safe='')}/connect"
            headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
            answer = await it.http.post(path, headers=headers, json={"country": "US"})
            back = await walk(it, answer.json()["url"], "leave")
            page = await browse(it, back)
            assert (page.status_code, "not finished" in page.text) == (200, True)

    run(story)
