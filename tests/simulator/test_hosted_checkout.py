"""The checkout page, as a browser without JavaScript sees it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from reconciler.simulator import Simulator
from tests.simulator.sdk import client, inside, run, types

DONE = "https://shop.example/done?session={CHECKOUT_SESSION_ID}"
BACK = "https://shop.example/cart"


def opened(sim: Simulator, mode: str = "payment", name: str = "Massage", **more: Any) -> Any:
    described = {"currency": "usd", "product_data": {"name": name}, "unit_amount": 12_500}
    asked: Any = {"mode": mode, "success_url": DONE, "cancel_url": BACK, **more}
    if mode == "setup":
        asked["currency"] = "usd"
    else:
        asked["line_items"] = [{"price_data": described, "quantity": 2}]
    return run(client(sim).v1.checkout.sessions.create_async(asked))


def seen(sim: Simulator, session: Any) -> httpx.Response:
    return run(inside(sim, "GET", f"/c/pay/{session.id}"))


def pressed(sim: Simulator, session: Any, page: str = "", **chosen: str) -> httpx.Response:
    return run(inside(sim, "POST", f"/c/pay/{session.id}{page}", data=chosen))


def now(sim: Simulator, session: Any) -> Any:
    return run(client(sim).v1.checkout.sessions.retrieve_async(session.id))


def test_the_session_leads_to_the_page_where_it_was_asked_for() -> None:
    sim = Simulator()

    session = opened(sim)

    assert session.url == f"http://stripe.test/c/pay/{session.id}"
    page = seen(sim, session)
    assert page.status_code == 200
    assert "250.00 USD" in page.text
    assert "Massage" in page.text
    assert f'href="{BACK}"' in page.text


def test_a_customer_pays_and_is_led_back() -> None:
    sim = Simulator()
    session = opened(sim)

    answer = pressed(sim, session, card="pm_card_visa", email="a@shop.example", name="A Customer")

    assert answer.status_code == 303
    assert answer.headers["location"] == f"https://shop.example/done?session={session.id}"
    done = now(sim, session)
    assert (done.payment_status, done.customer_details.email) == ("paid", "a@shop.example")
    assert "All done" in seen(sim, session).text
    assert sim.audit() == []


def test_a_decline_is_shown_and_another_card_may_be_tried() -> None:
    sim = Simulator()
    session = opened(sim)

    answer = pressed(sim, session, card="pm_card_visa_chargeDeclinedInsufficientFunds")

    assert "Your card has insufficient funds." in answer.text
    assert "Your card has insufficient funds." in seen(sim, session).text
    assert pressed(sim, session, card="pm_card_visa").status_code == 303


@pytest.mark.parametrize(("outcome", "status"), [("passed", "complete"), ("failed", "open")])
@pytest.mark.parametrize("mode", ["payment", "setup"])
def test_the_bank_asks_its_customer(mode: str, outcome: str, status: str) -> None:
    sim = Simulator()
    session = opened(sim, mode)

    asked = pressed(sim, session, card="pm_card_authenticationRequired")
    assert "Confirm that it is you" in asked.text
    assert now(sim, session).status == "open"
    answer = pressed(sim, session, "/authentication", outcome=outcome)

    assert now(sim, session).status == status
    assert answer.status_code == (303 if outcome == "passed" else 200)
    if outcome == "failed":
        assert "authenticat" in answer.text.partition('role="alert"')[2]


def test_a_card_is_saved_for_its_customer() -> None:
    sim = Simulator()
    customer = run(client(sim).v1.customers.create_async({"email": "a@shop.example"}))
    session = opened(sim, "setup", customer=customer.id)

    assert "customer@example.com" not in seen(sim, session).text
    assert pressed(sim, session, card="pm_card_visa").status_code == 303

    kept = run(client(sim).v1.payment_methods.list_async({"customer": customer.id})).data
    assert [method.card.last4 for method in kept if method.card] == ["4242"]


def test_a_test_number_may_be_typed_and_no_other() -> None:
    sim = Simulator()
    session = opened(sim)

    answer = pressed(sim, session, card="number", number="4532 0151 1283 0366")
    assert answer.status_code == 402
    assert "4532" not in answer.text
    assert "4532" not in sim.dump().decode()
    assert now(sim, session).status == "open"

    typed = pressed(sim, session, card="pm_card_visa", number="5555 5555 5555 4444")
    assert typed.status_code == 303
    methods = list(sim.world.home.shelf("payment_method").values())
    assert [method["card"]["brand"] for method in methods] == ["mastercard"]


def test_a_typed_account_pays_by_debit() -> None:
    sim = Simulator()
    described = {"currency": "eur", "product_data": {"name": "Massage"}, "unit_amount": 900}
    asked: Any = {
        "allowed_payment_method_types": ["sepa_debit"],
        "line_items": [{"price_data": described, "quantity": 1}],
        "mode": "payment",
        "success_url": DONE,
    }
    session = run(client(sim).v1.checkout.sessions.create_async(asked))

    assert "SEPA account" in seen(sim, session).text
    assert "Visa" not in seen(sim, session).text
    assert pressed(sim, session, card="AT611904300234573201").status_code == 303
    assert now(sim, session).payment_status == "unpaid"


@pytest.mark.parametrize("chosen", [{}, {"card": "pm_1Somebody"}, {"card": "number"}])
def test_only_what_the_page_offers_can_be_chosen(chosen: dict[str, str]) -> None:
    sim = Simulator()
    session = opened(sim)

    answer = pressed(sim, session, **chosen)

    assert answer.status_code == 400
    assert "Choose a card" in answer.text
    assert sim.world.home.shelf("payment_method") == {}


def test_an_expired_session_cannot_be_paid_on_a_page_left_open() -> None:
    sim = Simulator()
    session = opened(sim)
    sim.clock.advance(86_400)

    assert seen(sim, session).status_code == 410
    assert pressed(sim, session, card="pm_card_visa").status_code == 410
    assert "payment_intent.created" not in types(sim)


def test_there_is_no_page_of_anything_else() -> None:
    sim = Simulator()
    customer = run(client(sim).v1.customers.create_async({}))

    for path in ("cs_test_none", customer.id):
        assert run(inside(sim, "GET", f"/c/pay/{path}")).status_code == 404
        assert run(inside(sim, "POST", f"/c/pay/{path}", data={})).status_code == 404


def test_the_page_escapes_what_it_shows_and_its_forms_lead_only_where_they_may() -> None:
    sim = Simulator()
    session = opened(sim, name="<script>alert(1)</script>")

    page = seen(sim, session)

    assert "<script>" not in page.text
    policy = page.headers["content-security-policy"]
    assert "form-action 'self' https://shop.example" in policy
    assert "default-src 'none'" in policy
