"""Invoices debited from saved cards: every outcome, through the front door."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tests.front.charging import (
    charged,
    customer,
    daily,
    debited,
    intents,
    invoice,
    leave_card,
    next_day,
    post,
    read,
    resolved,
)
from tests.harness import Service, ask_stripe, run, service

CREATE = "/v1/payment_intents"


def test_a_card_is_left_on_stripes_page_and_charged_on_the_day(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await it.merchant("bakery")
            stripe_customer = await customer(it, merchant="bakery")
            card = (await it.get("/v1/customers/c1")).json()["card"]
            assert (card["brand"], card["last4"], card["status"]) == ("visa", "4242", "current")
            await invoice(it)
            done = await debited(it)
            assert (done["http"], done["status"]) == (200, "paid")
            (intent,) = intents(it)
            assert intent["customer"] == stripe_customer
            assert intent["metadata"]["merchant_id"] == "bakery"
            assert (
                intent["payment_method_options"]["card"]["stored_credential_usage"] == "recurring"
            )
            await it.listen()
            assert (await read(it))["status"] == "paid"
            assert (await it.balances())["merchant:bakery", "usd"] == -5_000
            assert (await it.check())["status"] == "clean"

    run(story)


def test_a_paid_invoice_is_not_charged_again_and_a_request_only_once(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await customer(it)
            await invoice(it)
            first = await debited(it, key="one")
            again = await debited(it, key="one")
            assert first == again
            other = await debited(it, key="two")
            assert (other["http"], other["code"]) == (409, "invoice_paid")
            assert charged(it) == 5_000

    run(story)


DECLINES = [
    # the card; the invoice's status, what it waits for, whether the card is barred
    ("pm_card_chargeCustomerFail", "scheduled", None, False),
    ("pm_card_visa_chargeCustomerFailLostCard", "requires_customer", "other_card", True),
    ("pm_card_visa_chargeCustomerFailStolenCard", "requires_customer", "other_card", True),
    ("pm_card_radarBlock", "requires_customer", "other_card", True),
    (
        "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds",
        "scheduled",
        None,
        False,
    ),
    ("pm_card_authenticationRequired", "requires_customer", "authenticate", False),
    ("pm_card_threeDSecureRequiredChargeDeclined", "scheduled", None, False),
]


@pytest.mark.parametrize(("card", "status", "attention", "barred"), DECLINES)
def test_every_decline_has_its_consequence(
    sqlite_url: str, card: str, status: str, attention: str | None, barred: bool
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            stripe_customer = await customer(it, card="pm_card_visa")
            await use_card(it, stripe_customer, card)
            await invoice(it)
            done = await debited(it)
            assert (done["status"], done["attention"]) == (status, attention), done
            assert done["failure"]["code"]
            (tried,) = done["tries"]
            assert tried["status"] == "declined"
            (intent,) = intents(it)
            assert done["payments"][0]["payment_intent"] == intent["id"]
            saved = (await it.get("/v1/customers/c1")).json()["card"]
            assert bool(saved["barred"]) is barred
            await it.listen()
            assert (await read(it))["status"] == status
            assert charged(it) == 0
            assert (await it.check())["status"] == "clean"

    run(story)


async def use_card(it: Service, stripe_customer: str, card: str) -> None:
    """Another card of this kind is what the customer has left on Stripe's page."""
    await leave_card(it, "c1", card)
    shown = (await it.get("/v1/customers/c1")).json()
    assert shown["card"] is not None


def test_a_declined_card_is_tried_on_later_days_and_then_no_more(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await customer(it, card="pm_card_chargeCustomerFail")
            await invoice(it)
            tried: list[int] = []
            for day in range(12):
                await daily(it)
                await daily(it)  # the day's run is not begun twice
                shown = await read(it)
                if len(shown["tries"]) > len(tried):
                    tried.append(day)
                await next_day(it)
            assert tried == [0, 1, 3, 5, 7]
            shown = await read(it)
            assert shown["status"] == "uncollectible"
            assert {each["step"] for each in shown["tries"][1:]} == {"confirm"}
            assert len(intents(it)) == 1
            assert charged(it) == 0
            await leave_card(it, "c1", "pm_card_visa")
            assert (await read(it))["status"] == "scheduled"
            await daily(it)
            assert (await read(it))["status"] == "paid"
            assert len(intents(it)) == 1

    run(story)


def test_a_card_is_not_tried_twice_on_one_day_by_hand_either(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await customer(it, card="pm_card_chargeCustomerFail")
            await invoice(it)
            assert (await debited(it, key="a"))["status"] == "scheduled"
            again = await debited(it, key="b")
            assert (again["http"], again["code"]) == (409, "card_tried_enough")
            await leave_card(it, "c1", "pm_card_visa")
            done = await debited(it, key="c")
            assert done["status"] == "paid"
            assert len(intents(it)) == 1

    run(story)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("effect", ["reset", "500", "502", "broken_body"])
def test_a_lost_answer_is_unknown_until_it_is_proven_and_never_charges_twice(
    database_url: str, when: str, effect: str
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await customer(it)
            await invoice(it)
            it.simulator.faults.add("POST", CREATE, when, effect)
            done = await debited(it)
            assert done["status"] == "debiting", done
            again = await debited(it, key="again")
            assert (again["http"], again["code"]) == (409, "debit_in_progress")
            assert (await read(it))["tries"][0]["status"] == "under_way"
            await resolved(it)
            assert (await read(it))["status"] == "paid"
            assert charged(it) == 5_000
            assert len(intents(it)) == 1

    run(story)


def test_a_lost_decline_is_heard_when_it_is_asked_for_again(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await customer(it, card="pm_card_chargeCustomerFail")
            await invoice(it)
            it.simulator.faults.add("POST", CREATE, "after", "reset")
            assert (await debited(it))["status"] == "debiting"
            await it.listen()
            await resolved(it)
            shown = await read(it)
            assert (shown["status"], shown["tries"][0]["status"]) == ("scheduled", "declined")

    run(story)


def test_a_webhook_settles_what_was_not_answered(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await customer(it)
            await invoice(it)
            it.simulator.faults.add("POST", CREATE, "after", "reset")
            assert (await debited(it))["status"] == "debiting"
            await it.listen()
            shown = await read(it)
            assert (shown["status"], shown["tries"][0]["status"]) == ("paid", "taken")
            assert await it.query("SELECT id FROM sendings WHERE status = 'unknown'") == []

    run(story)


def test_what_a_person_did_at_stripe_meanwhile_is_seen_before_charging(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            stripe_customer = await customer(it)
            for id in ("paid", "open", "gone"):
                await invoice(it, id)
            pay: Any = it.simulator.acts.pay
            pay(5_000, "usd", customer=stripe_customer, metadata={"reconciler_invoice": "paid"})
            refused = await debited(it, "paid")
            assert (refused["http"], refused["code"]) == (409, "invoice_paid")
            card = "pm_card_chargeDeclined"
            mark = {"reconciler_invoice": "open"}
            pay(5_000, "usd", customer=stripe_customer, card=card, metadata=mark)
            refused = await debited(it, "open")
            assert (refused["http"], refused["code"]) == (409, "other_payment_open")
            assert charged(it, "open") == 0

    run(story)


def test_a_refund_shows_on_the_invoice_and_goes_when_it_fails(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await customer(it, card="pm_card_refundFail")
            await invoice(it)
            await debited(it)
            await it.listen()
            (intent,) = intents(it)
            refund = it.simulator.acts.refund(payment_intent=intent["id"])
            await it.listen()
            assert (await read(it))["status"] == "refunded"
            it.simulator.clock.advance(3 * 86400)
            if it.simulator.world.home.get("refund", refund["id"])["status"] != "failed":
                it.simulator.acts.fail_refund(refund["id"])
            await it.listen()
            assert (await read(it))["status"] == "paid"

    run(story)


def test_a_cancelled_invoice_cancels_its_open_payment_first(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await customer(it, card="pm_card_chargeCustomerFail")
            await invoice(it)
            await debited(it)
            cancelled = await post(it, "/v1/invoices/i1/cancel")
            assert cancelled.json()["status"] == "cancelled", cancelled.text
            (intent,) = intents(it)
            assert intent["status"] == "canceled"
            await it.listen()
            assert (await read(it))["status"] == "cancelled"
            refused = await debited(it, key="later")
            assert (refused["http"], refused["code"]) == (409, "invoice_cancelled")

    run(story)


def test_a_second_charge_for_an_invoice_is_found_with_its_refund_proposed(
    database_url: str,
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            stripe_customer = await customer(it)
            await invoice(it)
            await debited(it)
            await it.listen()
            it.simulator.clock.advance(60)
            mark = {"reconciler_invoice": "i1"}
            second = it.simulator.acts.pay(5_000, "usd", customer=stripe_customer, metadata=mark)
            await it.listen()
            assert (await read(it))["status"] == "paid"
            checked = await it.check()
            (found,) = checked["found"]
            assert (found["kind"], found["cause"]) == ("duplicate", "second_charge")
            assert "Paid twice" in (await it.get("/console/invoices/i1")).text
            assert (found["reference"], found["at_risk"]) == (second["id"], 5_000)
            assert found["proposed_repair"] == f"refund {second['id']}"
            assert charged(it) == 10_000  # nothing was refunded by itself
            it.simulator.acts.refund(payment_intent=second["id"])
            await it.listen()
            assert (await it.check())["found"] == []
            assert (await read(it))["status"] == "paid"
            assert "Paid twice" not in (await it.get("/console/invoices/i1")).text

    run(story)


def test_a_swept_second_charge_is_found_without_its_webhook(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            stripe_customer = await customer(it)
            await invoice(it)
            await debited(it)
            mark = {"reconciler_invoice": "i1"}
            it.simulator.acts.pay(5_000, "usd", customer=stripe_customer, metadata=mark)
            await it.sweep()
            causes = [f["cause"] for f in (await it.check())["found"]]
            assert "second_charge" in causes

    run(story)


@pytest.mark.parametrize("what", ["customer", "card", "expired"])
def test_the_last_look_sees_what_no_webhook_told(sqlite_url: str, what: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            stripe_customer = await customer(it)
            await invoice(it)
            card = (await it.get("/v1/customers/c1")).json()["card"]["payment_method"]
            if what == "expired":
                it.simulator.acts.update_card(card, 1, 2020)
            elif what == "card":
                await ask_stripe(it, f"/v1/payment_methods/{card}/detach")
            else:
                await delete_at_stripe(it, f"/v1/customers/{stripe_customer}")
            done = await debited(it)
            waits = "new_card" if what == "expired" else "no_card"
            assert (done["status"], done["attention"]) == ("requires_customer", waits), done
            assert intents(it) == []

    run(story)


async def delete_at_stripe(it: Service, path: str) -> None:
    transport = httpx.ASGITransport(app=it.simulator.app)
    headers = {"Authorization": f"Bearer {it.simulator.secret_key}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://stripe.test") as client:
        assert (await client.delete(path, headers=headers)).status_code == 200


def test_a_payment_that_waits_for_the_bank_is_put_away_before_another_is_opened(
    sqlite_url: str,
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await customer(it, card="pm_card_authenticationRequired")
            await invoice(it)
            assert (await debited(it))["attention"] == "authenticate"
            (first,) = intents(it)
            await ask_stripe(
                it,
                f"/v1/payment_intents/{first['id']}/confirm",
                return_url="https://shop.example/back",
                payment_method=first["last_payment_error"]["payment_method"]["id"],
            )
            assert intents(it)[0]["status"] == "requires_action"
            await leave_card(it, "c1", "pm_card_visa")
            done = await debited(it, key="with another card")
            assert done["status"] == "paid", done["tries"]
            states = sorted(intent["status"] for intent in intents(it))
            assert states == ["canceled", "succeeded"]
            assert charged(it) == 5_000

    run(story)


@pytest.mark.parametrize("when", ["before", "after"])
def test_after_a_day_only_stripes_list_proves_what_became_of_a_try(
    database_url: str, when: str
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await customer(it)
            await invoice(it)
            it.simulator.faults.add("POST", CREATE, when, "reset")
            assert (await debited(it))["status"] == "debiting"
            it.simulator.webhooks.drop("payment_intent.*")
            it.simulator.clock.advance(25 * 3600)
            await resolved(it, 0)
            shown = await read(it)
            if when == "after":
                assert shown["status"] == "paid"
            else:
                assert (shown["status"], shown["tries"][0]["status"]) == ("scheduled", "refused")
                await next_day(it)
                await daily(it)
            assert (await read(it))["status"] == "paid"
            assert charged(it) == 5_000

    run(story)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_second_confirmation_without_an_answer_is_proven_by_its_payment(
    database_url: str, when: str
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await customer(it, card="pm_card_chargeCustomerFail")
            await invoice(it)
            await debited(it)
            await leave_card(it, "c1", "pm_card_visa")
            it.simulator.faults.add("POST", f"{CREATE}/*/confirm", when, "reset")
            assert (await debited(it, key="second"))["status"] == "debiting"
            for type in ("payment_intent.*", "charge.*"):
                it.simulator.webhooks.drop(type)
            it.simulator.clock.advance(25 * 3600)
            await resolved(it, 0)
            shown = await read(it)
            if when == "before":
                assert (shown["status"], shown["tries"][1]["status"]) == ("scheduled", "refused")
                await next_day(it)
                await daily(it)
            assert (await read(it))["status"] == "paid"
            assert len(intents(it)) == 1
            assert charged(it) == 5_000

    run(story)


def test_many_debits_of_one_invoice_at_once_charge_it_once(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await customer(it)
            await invoice(it)
            answers = await asyncio.gather(*(debited(it, key=f"k{n}") for n in range(24)))
            codes = {answer.get("code") for answer in answers}
            assert codes <= {None, "debit_in_progress", "invoice_paid"}
            assert charged(it) == 5_000
            assert len(intents(it)) == 1
            assert (await read(it))["status"] == "paid"

    run(story)
