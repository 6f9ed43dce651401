"""The pages behind links: onboarding, the Express Dashboard, and the bank's own question."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
import stripe

from reconciler.simulator import Simulator

from .sdk import client, inside, run, types

RETURN, REFRESH = "https://shop.example/return?a=1", "https://shop.example/refresh"
EXPRESS = {
    "type": "express",
    "country": "US",
    "email": "<b>merchant</b>@example.com",
    "capabilities": {"transfers": {"requested": True}},
}


async def link(sim, account, **more):
    asked = {
        "account": account,
        "type": "account_onboarding",
        "refresh_url": REFRESH,
        "return_url": RETURN,
    }
    return await client(sim).v1.account_links.create_async({**asked, **more})


async def opened(sim, url):
    """Follow a link into its session: the address of the page behind it."""
    answer = await inside(sim, "GET", url)
    assert answer.status_code == 303
    return answer.headers["location"]


async def chosen(sim, url, choice):
    return await inside(sim, "POST", url, data={"choice": choice})


async def merchant(sim):
    return (await client(sim).v1.accounts.create_async(EXPRESS)).id


def test_a_link_is_served_where_the_simulator_was_reached():
    async def story(sim):
        account = await merchant(sim)
        made = await link(sim, account)
        assert made.expires_at == made.created + 300
        assert made.url.startswith(f"http://stripe.test/_simulator/connect/setup/{account}/")
        auth = {"Authorization": f"Bearer {sim.secret_key}", "Host": "127.0.0.1:9999"}
        form = {"account": account, "type": "account_onboarding"}
        form.update(refresh_url=REFRESH, return_url=RETURN)
        answer = await inside(sim, "POST", "/v1/account_links", headers=auth, data=form)
        assert answer.json()["url"].startswith("http://127.0.0.1:9999/_simulator/")

    run(story(Simulator()))


def test_a_link_works_once_and_not_after_five_minutes():
    async def story(sim):
        account = await merchant(sim)
        first = (await link(sim, account)).url
        assert (await inside(sim, "HEAD", first)).status_code == 200
        assert "/onboarding/" in await opened(sim, first)
        assert await opened(sim, first) == REFRESH
        late = (await link(sim, account)).url
        sim.clock.advance(300)
        assert await opened(sim, late) == REFRESH
        forged = await inside(sim, "GET", f"/_simulator/connect/setup/{account}/nothing")
        assert forged.status_code == 410

    run(story(Simulator()))


def test_the_page_says_what_is_asked_and_shows_nothing_as_markup():
    async def story(sim):
        account = await merchant(sim)
        page = await opened(sim, (await link(sim, account)).url)
        shown = await inside(sim, "GET", page)
        assert shown.status_code == 200
        assert "Simulated Stripe" in shown.text
        assert "Simulated platform" in shown.text
        for field in ("external_account", "representative.dob", "tos_acceptance.date"):
            assert field in shown.text
        assert "&lt;b&gt;merchant" in shown.text
        assert "<b>merchant" not in shown.text
        policy = shown.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "form-action 'self' https://shop.example" in policy
        assert not re.search(r"<script|\sstyle=|\son\w+=|(src|href)=\"https?:", shown.text)
        sheet = await inside(sim, "GET", "/_simulator/style.css")
        assert sheet.headers["content-type"].startswith("text/css")
        assert "url(" not in sheet.text

    run(story(Simulator()))


@pytest.mark.parametrize(
    ("choice", "submitted", "status", "due"),
    [
        ("complete", True, "active", []),
        ("check", True, "pending", []),
        ("unreadable", True, "inactive", ["individual.verification.document"]),
    ],
)
def test_what_the_merchant_does_there_shows_in_the_account(choice, submitted, status, due):
    async def story(sim):
        account = await merchant(sim)
        page = await opened(sim, (await link(sim, account)).url)
        left = await chosen(sim, page, choice)
        assert (left.status_code, left.headers["location"]) == (303, RETURN)
        now = await client(sim).v1.accounts.retrieve_async(account)
        assert (now.details_submitted, now.capabilities.transfers) == (submitted, status)
        assert now.requirements.currently_due == due
        assert await opened(sim, page) == REFRESH
        if choice == "check":
            assert now.requirements.disabled_reason == "requirements.pending_verification"
            assert (now.payouts_enabled, bool(now.requirements.pending_verification)) == (
                False,
                True,
            )
            sim.clock.advance(sim.settings.verification_seconds)
            now = await client(sim).v1.accounts.retrieve_async(account)
            assert (now.capabilities.transfers, now.payouts_enabled) == ("active", True)
        return account

    sim = Simulator()
    account = run(story(sim))
    assert {"account.updated", "account.external_account.created"} <= set(types(sim, account))
    events = sim.world.books[account].shelf("event").values()
    assert all(event["request"]["id"] is None for event in events)


def test_who_leaves_has_said_nothing_and_can_come_back():
    async def story(sim):
        account = await merchant(sim)
        page = await opened(sim, (await link(sim, account)).url)
        assert (await chosen(sim, page, "dance")).status_code == 400
        assert (await chosen(sim, page, "leave")).headers["location"] == RETURN
        assert types(sim, account) == []
        again = await opened(sim, (await link(sim, account)).url)
        sim.clock.advance(3_600)
        assert await opened(sim, again) == REFRESH

    run(story(Simulator()))


def test_a_link_is_refused_where_stripe_refuses_it():
    async def story(sim):
        account = await merchant(sim)
        with pytest.raises(stripe.InvalidRequestError, match="Valid types for this account are"):
            await link(sim, account, type="account_update")
        custom = await client(sim).v1.accounts.create_async({"type": "custom", "country": "CH"})
        assert (await link(sim, custom.id, type="account_update")).url
        with pytest.raises(stripe.InvalidRequestError) as refused:
            await link(sim, account, return_url="javascript:alert(1)")
        assert (refused.value.code, refused.value.param) == ("url_invalid", "return_url")
        with pytest.raises(stripe.InvalidRequestError, match="No such account"):
            await link(sim, "acct_nobody")

    run(story(Simulator()))


# The Express Dashboard.


def test_a_login_link_shows_the_merchant_balance_and_payouts():
    async def story(sim):
        sdk = client(sim)
        account = await merchant(sim)
        with pytest.raises(stripe.InvalidRequestError, match="has not completed onboarding"):
            await sdk.v1.accounts.login_links.create_async(account)
        sim.acts.meet_requirements(account)
        sim.acts.transfer(account, 12_345, "usd")
        sim.acts.pay_out_bank("usd", 2_345, account=account)
        url = (await sdk.v1.accounts.login_links.create_async(account)).url
        page = await opened(sim, url)
        shown = await inside(sim, "GET", page)
        assert "100.00 USD" in shown.text
        assert "23.45 USD" in shown.text
        assert "•••• 6789" in shown.text
        assert (await inside(sim, "GET", url)).status_code == 410
        assert (await chosen(sim, page, "leave")).status_code == 200
        assert (await inside(sim, "GET", page)).status_code == 410

    sim = Simulator()
    sim.acts.topup(20_000, "usd")
    run(story(sim))
    assert sim.audit() == []


def test_what_is_missing_can_be_handed_in_from_the_dashboard():
    async def story(sim):
        account = sim.acts.connect_account()
        sim.acts.require(account, ["individual.verification.document"], days=0)
        url = (await client(sim).v1.accounts.login_links.create_async(account)).url
        page = await opened(sim, url)
        assert "More information is needed" in (await inside(sim, "GET", page)).text
        await chosen(sim, page, "complete")
        assert "More information is needed" not in (await inside(sim, "GET", page)).text
        assert sim.world.books[account].account["payouts_enabled"]

    run(story(Simulator()))


def test_only_express_accounts_have_that_dashboard():
    async def story(sim):
        made = await client(sim).v1.accounts.create_async({"type": "standard"})
        with pytest.raises(stripe.InvalidRequestError, match="is not an Express account"):
            await client(sim).v1.accounts.login_links.create_async(made.id)

    run(story(Simulator()))


# The bank.


@pytest.mark.parametrize(
    ("choice", "status"), [("approve", "succeeded"), ("fail", "requires_payment_method")]
)
def test_the_bank_asks_the_customer_of_a_payment(choice, status):
    async def story(sim):
        sdk = client(sim)
        intent = await sdk.v1.payment_intents.create_async(
            {
                "amount": 4_599,
                "currency": "eur",
                "payment_method": "pm_card_authenticationRequired",
                "confirm": True,
                "return_url": RETURN,
            }
        )
        page = intent.next_action.redirect_to_url.url
        shown = await inside(sim, "GET", page)
        assert "45.99 EUR" in shown.text
        assert (await chosen(sim, page, "perhaps")).status_code == 400
        back = urlsplit((await chosen(sim, page, choice)).headers["location"])
        assert (back.netloc, parse_qs(back.query)["a"]) == ("shop.example", ["1"])
        assert parse_qs(back.query)["payment_intent"] == [intent.id]
        assert (await sdk.v1.payment_intents.retrieve_async(intent.id)).status == status
        assert "Nothing to confirm" in (await inside(sim, "GET", page)).text or choice == "approve"

    sim = Simulator()
    run(story(sim))
    assert sim.audit() == []


@pytest.mark.parametrize(
    ("choice", "status"), [("approve", "succeeded"), ("fail", "requires_payment_method")]
)
def test_the_bank_asks_the_customer_of_a_card_to_be_kept(choice, status):
    async def story(sim):
        sdk = client(sim)
        intent = await sdk.v1.setup_intents.create_async(
            {
                "payment_method": "pm_card_authenticationRequired",
                "confirm": True,
                "return_url": RETURN,
            }
        )
        page = intent.next_action.redirect_to_url.url
        assert "keep this card" in (await inside(sim, "GET", page)).text
        back = urlsplit((await chosen(sim, page, choice)).headers["location"])
        assert parse_qs(back.query)["setup_intent"] == [intent.id]
        assert (await sdk.v1.setup_intents.retrieve_async(intent.id)).status == status
        none = await inside(sim, "GET", "/_simulator/authenticate/pi_nothing")
        assert none.status_code == 404

    run(story(Simulator()))
