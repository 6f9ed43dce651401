"""What customers do by themselves: leave a card, confirm with their bank, pay with another card."""

from __future__ import annotations

import pytest

from tests.front.charging import (
    at_stripe,
    charged,
    customer,
    daily,
    debited,
    intents,
    invoice,
    leave_card,
    link_in,
    next_day,
    ours,
    post,
    read,
    resolved,
)
from tests.harness import BASE, Service, ask_stripe, run, service

THREE_D_SECURE = "pm_card_authenticationRequired"


async def page_of(it: Service, id: str = "i1") -> str:
    answer = await post(it, f"/v1/invoices/{id}/pay-link")
    assert answer.status_code == 200, answer.text
    return ours(answer.json()["url"])


def test_a_customer_confirms_with_the_bank_and_the_same_payment_goes_through(
    database_url: str,
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await customer(it, card=THREE_D_SECURE)
            await invoice(it, description="November")
            assert (await debited(it))["attention"] == "authenticate"
            refused = await debited(it, key="again")
            assert (refused["http"], refused["code"]) == (409, "customer_must_authenticate")
            page = await page_of(it)
            seen = await it.http.get(page)
            assert "Your bank wants you to confirm" in seen.text
            assert "November" in seen.text
            assert "ending in 3184" in seen.text
            assert intents(it)[0]["status"] == "requires_payment_method"  # looking changes nothing
            bank = link_in(await it.http.post(page))
            assert (await read(it))["status"] == "requires_customer"
            assert link_in(await it.http.post(page)) == bank  # pressed twice: the same payment
            back = await at_stripe(it, bank, outcome="approve")
            assert back.startswith(f"{BASE}{page}?stripe=return")
            after = await it.http.get(ours(back))
            assert "Paid, thank you" in after.text
            assert (await read(it))["status"] == "paid"
            assert len(intents(it)) == 1
            assert charged(it) == 5_000
            await it.listen()
            assert (await it.check())["status"] == "clean"

    run(story)


def test_coming_back_proves_nothing(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await customer(it, card=THREE_D_SECURE)
            await invoice(it)
            await debited(it)
            page = await page_of(it)
            for lie in ("return", "success", "card&session=cs_test_made_up"):
                answer = await it.http.get(f"{page}?stripe={lie}")
                assert "Your bank wants you to confirm" in answer.text
            assert (await read(it))["status"] == "requires_customer"
            answer = await it.http.get("/cards/return?session=cs_test_made_up&stripe=success")
            assert answer.status_code == 404

    run(story)


def test_a_customer_who_fails_at_the_bank_may_leave_another_card(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await customer(it, card=THREE_D_SECURE)
            await invoice(it)
            await debited(it)
            page = await page_of(it)
            bank = link_in(await it.http.post(page))
            back = await at_stripe(it, bank, outcome="fail")
            assert "Pay with this card" in (await it.http.get(ours(back))).text
            checkout = link_in(await it.http.post(f"{page}/card"))
            back = await at_stripe(it, checkout, "pm_card_visa")
            assert back.startswith(f"{BASE}{page}?session=cs_")
            seen = await it.http.get(ours(back))  # before any webhook: the page is read
            assert "ending in 4242" in seen.text
            answer = await it.http.post(page)
            assert answer.status_code == 303
            assert "Paid, thank you" in (await it.http.get(page)).text
            assert len(intents(it)) == 1
            former = (await it.get("/v1/customers/c1")).json()["former_cards"]
            assert [(card["last4"], card["status"]) for card in former] == [("3184", "replaced")]

    run(story)


def test_a_new_card_brings_waiting_invoices_into_the_next_run(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await customer(it, card="pm_card_visa_chargeCustomerFailLostCard")
            await invoice(it)
            await daily(it)
            shown = await read(it)
            assert (shown["status"], shown["attention"]) == ("requires_customer", "other_card")
            page = await page_of(it)
            assert "Pay with this card" not in (await it.http.get(page)).text
            checkout = link_in(await it.http.post(f"{page}/card"))
            await at_stripe(it, checkout)
            await it.listen()
            assert (await read(it))["status"] == "scheduled"
            await next_day(it)
            await daily(it)
            assert (await read(it))["status"] == "paid"
            assert charged(it) == 5_000

    run(story)


def test_a_pay_link_ends_and_cannot_be_guessed_or_made_for_what_is_paid(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await customer(it)
            await invoice(it)
            page = await page_of(it)
            token = page.rpartition("/")[2]
            rows = await it.query("SELECT * FROM pay_links")
            assert token not in str(rows)  # only its digest is kept
            for wrong in ("/pay/x", "/pay/" + "y" * 500, "/pay/%00", page + "0"):
                for answer in (await it.http.get(wrong), await it.http.post(wrong)):
                    assert answer.status_code in (404, 409), answer.text
                    assert "i1" not in answer.text
            for headers in ((await it.http.get(page)).headers,):
                assert headers["referrer-policy"] == "no-referrer"
                assert headers["cache-control"] == "no-store"
            it.simulator.clock.advance(7 * 86400 + 1)
            assert (await it.http.get(page)).status_code == 404
            await debited(it)
            refused = await post(it, "/v1/invoices/i1/pay-link")
            assert refused.json()["code"] == "invoice_paid"

    run(story)


@pytest.mark.parametrize("told", ["webhook", "return"])
def test_a_card_is_saved_by_whichever_comes_first(database_url: str, told: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await customer(it, card="")
            asked = {"return_url": "https://shop.example/thanks"}
            begun = await post(it, "/v1/customers/c1/card-setup", asked)
            back = await at_stripe(it, begun.json()["url"])
            assert back.startswith(f"{BASE}/cards/return?session=cs_")
            assert back.endswith("&stripe=success")
            if told == "webhook":
                await it.listen()
            answer = await it.http.get(ours(back))
            assert answer.status_code == 303
            assert answer.headers["location"] == "https://shop.example/thanks"
            card = (await it.get("/v1/customers/c1")).json()["card"]
            assert (card["last4"], card["status"]) == ("4242", "current")
            await it.listen()
            assert (await it.get("/v1/customers/c1")).json()["card"] == card

    run(story)


def test_events_about_cards_end_in_the_same_state_in_any_order(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await customer(it, card="")
            for card in ("pm_card_visa", "pm_card_mastercard"):
                begun = await post(it, "/v1/customers/c1/card-setup")
                await at_stripe(it, begun.json()["url"], card)
                it.simulator.clock.advance(10)
            saved = it.simulator.world.home.shelf("payment_method").values()
            newest = next(m["id"] for m in saved if m["customer"] and m["card"]["last4"] == "4444")
            it.simulator.acts.update_card(newest, 11, 2044, "5454")
            it.simulator.webhooks.reorder(7)
            await it.listen()
            shown = (await it.get("/v1/customers/c1")).json()
            assert (shown["card"]["last4"], shown["card"]["exp_year"]) == ("5454", 2044)
            assert [card["last4"] for card in shown["former_cards"]] == ["4242"]

    run(story)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_payment_by_the_customer_that_is_not_answered_is_made_once(
    database_url: str, when: str
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await customer(it, card="pm_card_chargeCustomerFail")
            await invoice(it)
            await debited(it)
            await leave_card(it, "c1", "pm_card_visa")
            page = await page_of(it)
            it.simulator.faults.add("POST", "/v1/payment_intents/*/confirm", when, "reset")
            assert (await it.http.post(page)).status_code == 303
            assert "on its way" in (await it.http.get(page)).text
            again = await it.http.post(page)
            assert again.status_code == 409
            await resolved(it)
            assert "Paid, thank you" in (await it.http.get(page)).text
            assert charged(it) == 5_000

    run(story)


def test_a_card_that_is_declined_on_the_page_says_so_and_leaves_the_way_on(
    sqlite_url: str,
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await it.merchant("bakery")
            await customer(it, card="pm_card_chargeCustomerFail", merchant="bakery")
            await invoice(it)
            page = await page_of(it)
            answer = await it.http.post(page)
            assert answer.status_code == 303
            seen = await it.http.get(page)
            assert "<dt>To</dt><dd>Bakery</dd>" in seen.text
            assert "Your bank declined the last payment" in seen.text
            assert "Use another card" in seen.text
            shown = await read(it)
            assert shown["status"] == "scheduled"
            assert [each["step"] for each in shown["tries"]] == ["present"]
            assert charged(it) == 0

    run(story)


def test_a_customer_is_not_told_what_is_for_whoever_sent_the_link(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            stripe_customer = await customer(it)
            await invoice(it)
            page = await page_of(it)
            assert "or now if you like" in (await it.http.get(page)).text
            form = {
                "amount": "5000",
                "currency": "usd",
                "customer": stripe_customer,
                "metadata[reconciler_invoice]": "i1",
            }
            other = await ask_stripe(it, "/v1/payment_intents", **form)
            answer = await it.http.post(page)
            assert answer.status_code == 409
            assert "is being looked after" in answer.text
            assert other["id"] not in answer.text
            assert charged(it) == 0

    run(story)
