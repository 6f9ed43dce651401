"""The pages about onboarding: the console's, and the one that a merchant sees."""

from __future__ import annotations

import re

from tests.front.onboarding import browse, known, link, onboarded, text_of, walk
from tests.harness import ADMIN_KEY, Service, run, service


async def console(it: Service, path: str) -> str:
    answer = await it.http.get(path, auth=("me", ADMIN_KEY))
    assert answer.status_code == 200, answer.text
    assert not re.search(r"<script|\sstyle=|\son\w+=|(src|href)=\"https?:", answer.text)
    return answer.text


def test_the_console_lists_merchants_with_their_standing(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            assert "No merchant yet" in await console(it, "/console/merchants")
            await onboarded(it)
            await known(it, "cafe")
            await known(it, "<b>&")
            text = await console(it, "/console/merchants")
            for said in (
                "Bakery",
                "Cafe",
                "ready",
                "not started",
                "United States",
                "&lt;B&gt;&amp;",
            ):
                assert said in text
            assert "<b>&" not in text
            assert "Who can be paid" in await console(it, "/console/merchants?after=bakery")
            assert "Bakery" not in await console(it, "/console/merchants?after=bakery")
            await console(it, "/console/merchants?after=%00")
            assert (await it.http.get("/console/merchants")).status_code == 401

    run(story)


def test_a_merchants_page_says_what_is_missing_and_until_when(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            account = await onboarded(it)
            it.simulator.acts.require(account, ["individual.verification.document"], days=9)
            it.simulator.acts.pay(10_000, "usd", metadata={"merchant_id": "bakery"})
            await it.listen()
            text = await console(it, "/console/merchants/bakery")
            for said in ("A photo of an identity document", "in 8 days", "100.00", account):
                assert said in text
            await known(it, "cafe")
            assert "Nobody has sent this merchant to Stripe yet" in await console(
                it, "/console/merchants/cafe"
            )
            await walk(it, await link(it, id="cafe", country="US"), "leave")
            await link(it, id="cafe", country="DE")
            text = await console(it, "/console/merchants/cafe")
            assert "replaced by an account in another country" in text
            answer = await it.http.get("/console/merchants/nobody", auth=("me", ADMIN_KEY))
            assert answer.status_code == 404

    run(story)


def test_the_merchants_own_page_is_plain_and_safe(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await known(it, "a<i>b")
            back = await walk(it, await link(it, id="a%3Ci%3Eb", country="US"), "leave")
            page = await browse(it, back)
            assert "A&lt;I&gt;B" in page.text
            assert "default-src 'none'" in page.headers["content-security-policy"]
            assert page.headers["cache-control"] == "no-store"
            assert page.headers["referrer-policy"] == "no-referrer"
            assert "acct_" not in page.text
            assert "/console/merchants" not in page.text
            [way_on] = re.findall(r'href="(\?stripe=refresh[^"]+)"', page.text)
            onward = await browse(it, back.partition("?")[0] + way_on.replace("&amp;", "&"))
            assert onward.status_code == 303
            it.simulator.acts.reject(page_account(it), "terms_of_service")
            it.simulator.clock.advance(30)
            assert "Stripe has turned this account down" in text_of(await browse(it, back))

    run(story)


def test_a_page_of_an_account_that_is_no_longer_used_says_so(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await known(it)
            back = await walk(it, await link(it, country="US"), "leave")
            await link(it, country="DE")
            for address in (back, back.replace("stripe=return", "stripe=refresh")):
                page = await browse(it, address)
                assert page.status_code == 200
                assert "This account is no longer connected" in text_of(page)

    run(story)


def page_account(it: Service) -> str:
    [account] = (id for id in it.simulator.world.books if id != it.simulator.world.platform)
    return account
