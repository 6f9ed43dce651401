"""Refusals that no other story comes past, each by its name and through its own door."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest

from reconciler.simulator import Simulator
from reconciler.simulator.wire.permissions import NAMES
from tests.front import onboarding
from tests.front.asking import ask
from tests.front.charging import customer, debited, intents, invoice, next_day, ours, post, read
from tests.front.test_webhooks import is_problem
from tests.harness import Service, run, service


@pytest.mark.parametrize("command", ["debit", "cancel", "pay-link"])
def test_an_invoice_that_is_not_there_is_not_found(sqlite_url: str, command: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            answer = await ask(it, f"/v1/invoices/nowhere/{command}")
            assert is_problem(answer, 404, "unknown_invoice"), answer.text

    run(story)


def test_an_invoice_is_not_debited_before_its_day(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await customer(it)
            await invoice(it, due_on="2030-01-01")
            refused = await debited(it)
            assert (refused["http"], refused["code"]) == (409, "not_due")
            assert "2030-01-01" in refused["detail"]
            assert intents(it) == []

    run(story)


def test_a_payment_that_stripe_does_not_show_is_not_made_a_second_time(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await customer(it, card="pm_card_chargeCustomerFail")
            await invoice(it)
            await debited(it)
            (first,) = intents(it)
            await next_day(it, 30)
            del it.simulator.world.home.shelf("payment_intent")[first["id"]]
            refused = await debited(it, key="again")
            assert (refused["http"], refused["code"]) == (409, "payment_not_readable")
            assert first["id"] in refused["detail"]
            assert intents(it) == []

    run(story)


def test_an_account_that_is_taken_away_while_its_link_is_made_gets_none(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            account = await onboarding.onboarded(it)
            stripe = it.context.stripe
            assert stripe is not None
            true = stripe._request

            async def too_late(method: str, path: str, **more: Any) -> Any:
                if path.endswith("links"):
                    it.simulator.acts.deauthorize(account)
                return await true(method, path, **more)

            with mock.patch.object(stripe, "_request", too_late):
                answer = await onboarding.ask(it, country="US")
            assert is_problem(answer, 409, "access_ended"), answer.text
            assert (await onboarding.state(it))["state"] == "disconnected"
            again = await onboarding.ask(it, country="US")
            assert again.status_code == 200, again.text

    run(story)


async def _page(it: Service) -> str:
    return ours((await post(it, "/v1/invoices/i1/pay-link")).json()["url"])


@pytest.mark.parametrize(
    ("code", "words"), [("no_usable_card", "cannot be charged. Please use another one")]
)
def test_a_customer_without_a_card_is_asked_for_one(sqlite_url: str, code: str, words: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await customer(it, card="")
            await invoice(it)
            answer = await it.http.post(await _page(it))
            assert answer.status_code == 409, code
            assert words in answer.text
            assert intents(it) == []
            assert (await read(it))["status"] == "open"

    run(story)


@pytest.mark.parametrize("code", ["unknown_link"])
@pytest.mark.parametrize("path", ["", "/card"])
def test_a_pay_link_that_is_none_leads_nowhere(sqlite_url: str, code: str, path: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            answer = await it.http.post(f"/pay/made-up{path}")
            assert answer.status_code == 404, code

    run(story)


def _narrow(stripe: Simulator, *lacking: str) -> str:
    """A restricted key that may do everything but these."""
    granted = dict.fromkeys(set(NAMES) - set(lacking), "write")
    return str(stripe.keys.create("narrow", permissions=granted)["secret"])


def test_what_stripe_refuses_to_open_is_said_in_its_words(sqlite_url: str) -> None:
    async def story() -> None:
        stripe = Simulator(seed=3)
        key = _narrow(stripe, "account_link", "checkout_session")
        async with service(sqlite_url, stripe, STRIPE_SECRET_KEY=key) as it:
            await onboarding.known(it)
            answer = await onboarding.ask(it, country="US")
            assert is_problem(answer, 409, "link_refused"), answer.text
            assert "rak_account_link_write" in answer.json()["detail"]
            await customer(it, card="")
            answer = await post(it, "/v1/customers/c1/card-setup", {"currency": "usd"})
            assert is_problem(answer, 409, "card_setup_failed"), answer.text
            assert "rak_checkout_session_write" in answer.json()["detail"]

    run(story)
