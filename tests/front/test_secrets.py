"""No page and no answer shows a secret, whatever state the service and Stripe are in."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

import pytest

from handlers.console import PAGES
from handlers.table import TABLE
from reconciler.simulator import Simulator
from tests.front.reading import bearer, month
from tests.harness import ADMIN_KEY, CONNECT_SECRET, SECRET, Service, run, service

SCRAPER = "scrape_key_of_sixteen_or_more"

LOOKS_LIKE_ONE = re.compile(
    r"\b(?:sk|rk)_(?:test|live)_[^\s…]{5,}|\bwhsec_[^\s…]{5,}|\brec_[A-Za-z0-9_-]{16,}"
)
"""Stripe's secret keys, signing secrets and our own keys, beyond what a masked one shows."""


async def everything(it: Service) -> dict[str, str]:
    """What every GET and every page answers, by its path."""
    paths = {entry.path for entry in TABLE if entry.method == "GET"} | set(PAGES)
    found = {}
    for path in sorted(paths):
        if path.endswith("style.css"):
            continue
        asked = re.sub(r"\{\w+\}", "latest", path)
        program = await it.http.get(asked, headers=bearer(ADMIN_KEY))
        browser = await it.http.get(asked, auth=("me", ADMIN_KEY))
        found[path] = f"{program.headers}{program.text}{browser.headers}{browser.text}"
    return found


def scan(found: dict[str, str], *secrets: str) -> None:
    known = (SECRET, CONNECT_SECRET, ADMIN_KEY, SCRAPER, Simulator.secret_key, *secrets)
    for path, text in found.items():
        for secret in known:
            assert secret not in text, path
        for secret in secrets:
            assert secret[-5:] not in text, path  # four are shown of a masked key
        assert not LOOKS_LIKE_ONE.search(text), (path, LOOKS_LIKE_ONE.search(text))


async def well(it: Service) -> None:
    await month(it)


async def away(it: Service) -> None:
    it.simulator.faults.add("*", "*", "before", "reset", times=None)
    for _ in range(6):
        await it.check()


async def overrun(it: Service) -> None:
    it.simulator.faults.add("*", "*", "before", "429", times=None)
    await it.check()


@pytest.mark.parametrize("state", [well, away, overrun])
def test_no_page_or_answer_shows_a_secret(
    sqlite_url: str, state: Callable[[Service], Awaitable[None]]
) -> None:
    async def story() -> None:
        async with service(sqlite_url, RECONCILER_METRICS_KEY=SCRAPER) as it:
            await state(it)
            found = await everything(it)
            scan(found)
            assert "sk_test_…0000" in found["/v1/payment-systems"]
            assert "sk_test_…0000" in found["/console/payment-systems"]

    run(story)


@pytest.mark.parametrize("revoked", [True, False])
def test_what_stripe_quotes_of_a_key_goes_no_further(sqlite_url: str, revoked: bool) -> None:
    """Refusing a restricted key, Stripe repeats its last six characters."""

    async def story() -> None:
        stripe = Simulator(seed=3)
        secret = stripe.keys.create("narrow", permissions={"event": "read"})["secret"]
        if revoked:
            stripe.keys.revoke(secret)
        async with service(
            sqlite_url, stripe, STRIPE_SECRET_KEY=secret, RECONCILER_METRICS_KEY=SCRAPER
        ) as it:
            checked = await it.check()
            assert checked["status"] == "incomplete"
            assert secret[-4:] in str(checked["coverage"])
            scan({"run": str(checked), **(await everything(it))}, secret)

    run(story)
