"""Checkout sessions: what the platform asks for, what the customer does, what becomes of both."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from reconciler.simulator import Simulator
from tests.simulator.sdk import client, inside, rows, run, types

DAY = 86_400
DONE = "https://shop.example/done?session={CHECKOUT_SESSION_ID}"


def sold(amount: int = 5000, currency: str = "usd", quantity: int = 1) -> dict[str, Any]:
    described = {"currency": currency, "unit_amount": amount, "product_data": {"name": "Massage"}}
    return {"price_data": described, "quantity": quantity}


def paying(**more: Any) -> Any:
    return {"mode": "payment", "success_url": DONE, "line_items": [sold()], **more}


def saving(**more: Any) -> Any:
    return {"mode": "setup", "success_url": DONE, "currency": "usd", **more}


def opened(sim: Simulator, params: Any, **options: Any) -> Any:
    return run(client(sim).v1.checkout.sessions.create_async(params, options))


def now(sim: Simulator, session: Any, **params: Any) -> Any:
    return run(client(sim).v1.checkout.sessions.retrieve_async(session.id, params))


def refused(sim: Simulator, params: Any) -> stripe.InvalidRequestError:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        opened(sim, params)
    return caught.value


def told(sim: Simulator) -> list[str]:
    """Events of the session and of what it caused, without those of what it sells."""
    return [type_ for type_ in types(sim) if not type_.startswith(("product", "price", "plan"))]


# Paying.


def test_a_customer_pays_and_the_session_completes() -> None:
    sim = Simulator()
    data = {"metadata": {"booking": "b_1"}, "description": "A booking", "transfer_group": "b_1"}
    session = opened(sim, paying(payment_intent_data=data, client_reference_id="b_1"))

    assert (session.status, session.payment_status) == ("open", "unpaid")
    assert (session.amount_total, session.currency) == (5000, "usd")
    assert session.payment_intent is None
    assert session.url.endswith(session.id)
    assert session.expires_at == session.created + DAY

    sim.acts.complete_checkout(session.id, email="someone@shop.example")

    done = now(sim, session, expand=["payment_intent", "line_items.data.price.product"])
    assert (done.status, done.payment_status, done.url) == ("complete", "paid", None)
    assert done.customer_details.email == "someone@shop.example"
    assert done.payment_intent.metadata["booking"] == "b_1"
    assert done.payment_intent.amount_received == 5000
    assert done.payment_intent.transfer_group == "b_1"
    assert done.line_items.data[0].description == "Massage"
    assert done.line_items.data[0].price.product.name == "Massage"
    assert told(sim)[0] == "payment_intent.created"
    assert told(sim).count("checkout.session.completed") == 1
    assert sim.audit() == []


def test_the_completed_event_carries_no_request() -> None:
    sim = Simulator()
    session = opened(sim, paying())

    sim.acts.complete_checkout(session.id)

    event = next(
        event
        for event in sim.world.home.shelf("event").values()
        if event["type"] == "checkout.session.completed"
    )
    assert event["request"] == {"id": None, "idempotency_key": None}
    assert event["data"]["object"]["payment_status"] == "paid"
    assert event["data"]["object"]["payment_intent"].startswith("pi_")


def test_a_decline_keeps_the_session_open_for_another_card() -> None:
    sim = Simulator()
    session = opened(sim, paying())

    sim.acts.complete_checkout(session.id, card="pm_card_visa_chargeDeclined")

    tried = now(sim, session, expand=["payment_intent"])
    assert (tried.status, tried.payment_status) == ("open", "unpaid")
    assert tried.payment_intent.last_payment_error.code == "card_declined"
    assert "checkout.session.completed" not in types(sim)

    sim.acts.complete_checkout(session.id)

    assert now(sim, session).payment_intent == tried.payment_intent.id
    assert now(sim, session).payment_status == "paid"
    sim.clock.advance(DAY)
    assert [row["amount"] for row in rows(sim)] == [5000]
    assert sim.audit() == []


def test_the_bank_asks_and_the_session_completes_when_it_is_answered() -> None:
    sim = Simulator()
    session = opened(sim, paying())

    sim.acts.complete_checkout(
        session.id, card="pm_card_authenticationRequired", authenticate=False
    )

    waiting = now(sim, session, expand=["payment_intent"])
    assert waiting.status == "open"
    assert waiting.payment_intent.status == "requires_action"

    sim.acts.authenticate(waiting.payment_intent.id)

    assert now(sim, session).payment_status == "paid"
    assert sim.audit() == []


def test_a_debit_completes_unpaid_and_is_paid_later() -> None:
    sim = Simulator()
    types_ = {"allowed_payment_method_types": ["sepa_debit"]}
    session = opened(sim, paying(line_items=[sold(currency="eur")], **types_))

    sim.acts.complete_checkout(session.id, card="AT611904300234573201")
    assert (now(sim, session).status, now(sim, session).payment_status) == ("complete", "unpaid")

    sim.clock.advance(14 * DAY)
    assert now(sim, session).payment_status == "paid"
    ends = [type_ for type_ in types(sim) if type_.startswith("checkout")]
    assert ends == ["checkout.session.completed", "checkout.session.async_payment_succeeded"]
    assert sim.audit() == []


def test_a_debit_that_fails_later_says_so() -> None:
    sim = Simulator()
    types_ = {"allowed_payment_method_types": ["card", "sepa_debit"]}
    session = opened(sim, paying(line_items=[sold(currency="eur")], **types_))

    sim.acts.complete_checkout(session.id, card="AT861904300235473202")
    sim.clock.advance(14 * DAY)

    done = now(sim, session)
    assert (done.status, done.payment_status) == ("complete", "unpaid")
    ends = [type_ for type_ in types(sim) if type_.startswith("checkout")]
    assert ends == ["checkout.session.completed", "checkout.session.async_payment_failed"]
    assert sim.audit() == []


@pytest.mark.parametrize(
    "asked",
    [
        {"payment_intent_data": {"capture_method": "manual"}},
        {"payment_method_options": {"card": {"capture_method": "manual"}}},
    ],
)
def test_money_that_is_only_held_is_paid_when_it_is_captured(asked: Any) -> None:
    sim = Simulator()
    session = opened(sim, paying(**asked))

    sim.acts.complete_checkout(session.id)
    held = now(sim, session)
    assert (held.status, held.payment_status) == ("complete", "unpaid")

    run(client(sim).v1.payment_intents.capture_async(str(held.payment_intent)))
    assert now(sim, session).payment_status == "paid"
    assert "checkout.session.async_payment_succeeded" not in types(sim)
    assert sim.audit() == []


def test_a_destination_charge_keeps_the_fee_and_sends_the_rest() -> None:
    sim = Simulator()
    account = sim.acts.connect_account()
    data = {"application_fee_amount": 500, "transfer_data": {"destination": account}}
    session = opened(sim, paying(payment_intent_data=data))

    sim.acts.complete_checkout(session.id)
    sim.clock.advance(DAY)

    done = now(sim, session, expand=["payment_intent.latest_charge"])
    charge = done.payment_intent.latest_charge
    assert (charge.application_fee_amount, charge.transfer_data.destination) == (500, account)
    assert sim.audit() == []


def test_a_customer_is_made_and_the_card_kept_when_asked_to() -> None:
    sim = Simulator()
    data = {"setup_future_usage": "off_session"}
    asked = {"customer_creation": "always", "payment_intent_data": data}
    session = opened(sim, paying(customer_email="a@shop.example", **asked))

    sim.acts.complete_checkout(session.id, name="A Customer")

    done = now(sim, session, expand=["customer", "payment_intent"])
    assert (done.customer.email, done.customer.name) == ("a@shop.example", "A Customer")
    kept = run(client(sim).v1.payment_methods.list_async({"customer": done.customer.id})).data
    assert [method.id for method in kept] == [done.payment_intent.payment_method]
    assert kept[0].allow_redisplay == "limited"
    assert sim.audit() == []


def test_the_bank_is_asked_whenever_the_platform_wants_it_to() -> None:
    sim = Simulator()
    session = opened(
        sim, paying(payment_method_options={"card": {"request_three_d_secure": "any"}})
    )

    sim.acts.complete_checkout(session.id, authenticate=False)

    intent = now(sim, session, expand=["payment_intent"]).payment_intent
    assert intent.payment_method_options.card.request_three_d_secure == "any"


def test_without_being_asked_no_customer_is_made() -> None:
    sim = Simulator()
    session = opened(sim, paying())

    sim.acts.complete_checkout(session.id)

    assert now(sim, session).customer is None
    assert session.customer_creation == "if_required"


def test_a_session_of_a_connected_account_pays_that_account() -> None:
    sim = Simulator()
    account = sim.acts.connect_account(country="US")
    session = opened(sim, paying(), stripe_account=account)

    sim.acts.complete_checkout(session.id)
    sim.clock.advance(DAY)

    assert [row["amount"] for row in rows(sim, account)] == [5000]
    assert rows(sim) == []
    assert "checkout.session.completed" in types(sim, account)
    assert sim.audit() == []


def test_older_versions_have_the_payment_from_the_start() -> None:
    sim = Simulator()
    older = {"stripe_version": "2020-08-27"}

    session = opened(sim, paying(), **older)

    assert str(session.payment_intent).startswith("pi_")
    sim.acts.complete_checkout(session.id)
    assert now(sim, session).payment_intent == session.payment_intent


def test_nobody_else_can_confirm_or_cancel_the_payment_behind_a_session() -> None:
    sim = Simulator()
    session = opened(sim, paying())
    sim.acts.complete_checkout(session.id, card="pm_card_visa_chargeDeclined")
    intent = str(now(sim, session).payment_intent)

    for forbidden in (
        client(sim).v1.payment_intents.cancel_async(intent),
        client(sim).v1.payment_intents.confirm_async(intent, {"payment_method": "pm_card_visa"}),
    ):
        with pytest.raises(stripe.InvalidRequestError, match="created by Checkout"):
            run(forbidden)


# Saving.


def test_a_card_is_left_for_later() -> None:
    sim = Simulator()
    customer = run(client(sim).v1.customers.create_async({"email": "a@shop.example"}))
    session = opened(sim, saving(customer=customer.id, setup_intent_data={"metadata": {"a": "1"}}))

    assert str(session.setup_intent).startswith("seti_")
    assert session.payment_status == "no_payment_required"
    assert session.amount_total is None

    sim.acts.complete_checkout(session.id)

    done = now(sim, session, expand=["setup_intent.payment_method"])
    method = done.setup_intent.payment_method
    assert (done.status, done.payment_status) == ("complete", "no_payment_required")
    assert (done.setup_intent.status, done.setup_intent.metadata["a"]) == ("succeeded", "1")
    assert (method.customer, method.allow_redisplay) == (customer.id, "limited")
    assert done.customer_details.email == "a@shop.example"
    assert "payment_method.attached" in types(sim)

    later = {"customer": customer.id, "payment_method": method.id, "off_session": True}
    paid = run(
        client(sim).v1.payment_intents.create_async(
            {"amount": 700, "currency": "usd", "confirm": True, **later}
        )
    )
    assert paid.status == "succeeded"
    assert sim.audit() == []


def test_a_card_that_needs_its_holder_is_saved_after_the_check() -> None:
    sim = Simulator()
    session = opened(sim, saving(customer_creation="always", customer_email="a@shop.example"))

    sim.acts.complete_checkout(session.id, card="pm_card_authenticationRequiredOnSetup")

    done = now(sim, session, expand=["setup_intent.payment_method"])
    assert done.status == "complete"
    assert done.setup_intent.payment_method.customer == done.customer
    assert done.setup_intent.customer == done.customer


def test_a_card_that_cannot_be_saved_keeps_the_session_open() -> None:
    sim = Simulator()
    session = opened(sim, saving())

    sim.acts.complete_checkout(session.id, card="pm_card_visa_chargeDeclined")

    assert now(sim, session).status == "open"
    sim.acts.complete_checkout(session.id)
    assert now(sim, session).status == "complete"


# Ending.


def test_a_session_expires_by_itself_and_its_payment_is_cancelled() -> None:
    sim = Simulator()
    session = opened(sim, paying())
    sim.acts.complete_checkout(session.id, card="pm_card_visa_chargeDeclined")

    sim.clock.advance(DAY - 1)
    assert now(sim, session).status == "open"
    sim.clock.advance(1)

    gone = now(sim, session, expand=["payment_intent"])
    assert (gone.status, gone.payment_status, gone.url) == ("expired", "unpaid", None)
    assert gone.payment_intent.status == "canceled"
    assert types(sim)[-1] == "checkout.session.expired"


def test_expiry_can_be_asked_for_sooner_and_only_once() -> None:
    sim = Simulator()
    session = opened(sim, paying(expires_at=sim.clock.now() + 1800))
    assert session.expires_at == session.created + 1800
    expiring = client(sim).v1.checkout.sessions

    assert run(expiring.expire_async(session.id)).status == "expired"
    with pytest.raises(stripe.InvalidRequestError) as caught:
        run(expiring.expire_async(session.id))

    assert str(caught.value.user_message) == (
        'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout Session '
        "has a status of `expired`."
    )
    sim.clock.advance(DAY)
    assert types(sim).count("checkout.session.expired") == 1


def test_what_has_ended_cannot_be_paid() -> None:
    sim = Simulator()
    session = opened(sim, paying())
    sim.acts.abandon_checkout(session.id)

    async def pay() -> dict[str, Any]:
        answer = await inside(
            sim,
            "POST",
            f"/v1/payment_pages/{session.id}/confirm",
            content="payment_method=pm_card_visa",
            headers={"Authorization": f"Bearer {sim.secret_key}"},
        )
        return dict(answer.json())

    assert run(pay())["error"]["code"] == "checkout_not_active_session"
    assert rows(sim) == []


def test_a_complete_session_does_not_expire() -> None:
    sim = Simulator()
    session = opened(sim, paying())
    sim.acts.complete_checkout(session.id)

    sim.clock.advance(2 * DAY)

    assert now(sim, session).status == "complete"
    assert "checkout.session.expired" not in types(sim)


# What is sold.


def test_line_items_are_listed_in_the_order_they_were_given() -> None:
    sim = Simulator()
    sdk = client(sim).v1
    product = run(sdk.products.create_async({"name": "Oil"}))
    price = run(
        sdk.prices.create_async({"product": product.id, "currency": "usd", "unit_amount": 900})
    )
    items = [sold(), {"price": price.id, "quantity": 3}, sold(100, quantity=2)]

    session = opened(sim, paying(line_items=items))

    assert session.amount_total == 5000 + 2700 + 200
    page = run(sdk.checkout.sessions.line_items.list_async(session.id, {"limit": 2}))
    assert [item.amount_total for item in page.data] == [5000, 2700]
    assert page.has_more
    rest = {"starting_after": page.data[-1].id}
    page = run(sdk.checkout.sessions.line_items.list_async(session.id, rest))
    assert [(item.amount_total, item.quantity) for item in page.data] == [(200, 2)]
    assert now(sim, session, expand=["line_items"]).line_items.data[1].description == "Oil"


def test_a_coupon_is_spread_over_the_items_to_the_last_cent() -> None:
    sim = Simulator()
    coupon = run(client(sim).v1.coupons.create_async({"amount_off": 100, "currency": "usd"}))
    items = [sold(333), sold(333), sold(334)]

    session = opened(sim, paying(line_items=items, discounts=[{"coupon": coupon.id}]))

    assert (session.amount_subtotal, session.amount_total) == (1000, 900)
    assert session.total_details.amount_discount == 100
    parts = now(sim, session, expand=["line_items"]).line_items.data
    assert sum(item.amount_discount for item in parts) == 100
    assert all(item.amount_total == item.amount_subtotal - item.amount_discount for item in parts)
    sim.acts.complete_checkout(session.id)
    paid = now(sim, session, expand=["payment_intent"]).payment_intent
    assert paid.amount_received == 900


def test_nothing_is_charged_when_nothing_is_due() -> None:
    sim = Simulator()
    coupon = run(client(sim).v1.coupons.create_async({"percent_off": 100}))
    session = opened(sim, paying(discounts=[{"coupon": coupon.id}]))

    sim.acts.complete_checkout(session.id)

    done = now(sim, session)
    assert (done.status, done.payment_status, done.payment_intent) == ("complete", "paid", None)
    assert rows(sim) == []


def test_a_price_made_for_a_session_is_not_on_sale() -> None:
    sim = Simulator()
    session = opened(sim, paying())

    item = now(sim, session, expand=["line_items"]).line_items.data[0]

    assert item.price.active is False
    assert refused(sim, paying(line_items=[{"price": item.price.id, "quantity": 1}])).code == (
        "price_inactive"
    )


def test_a_subscription_begins_with_the_card_that_was_left() -> None:
    sim = Simulator()
    item = sold(1500)
    item["price_data"]["recurring"] = {"interval": "month"}
    asked = {"mode": "subscription", "success_url": DONE, "line_items": [item]}
    session = opened(sim, {**asked, "subscription_data": {"metadata": {"plan": "gold"}}})

    sim.acts.complete_checkout(session.id, email="a@shop.example")

    done = now(sim, session, expand=["subscription", "customer"])
    assert (done.status, done.subscription.status) == ("complete", "active")
    assert done.subscription.metadata["plan"] == "gold"
    assert done.customer.email == "a@shop.example"
    assert done.subscription.customer == done.customer.id
    assert rows(sim) == []


def test_nobody_else_can_confirm_or_cancel_the_setup_behind_a_session() -> None:
    sim = Simulator()
    intent = str(opened(sim, saving()).setup_intent)

    for forbidden in (
        client(sim).v1.setup_intents.cancel_async(intent),
        client(sim).v1.setup_intents.confirm_async(intent, {"payment_method": "pm_card_visa"}),
    ):
        with pytest.raises(stripe.InvalidRequestError, match="created by Checkout"):
            run(forbidden)


# What is refused.


@pytest.mark.parametrize(
    ("params", "param", "words"),
    [
        (paying(success_url=None), "success_url", "Missing required param"),
        (paying(line_items=None), "line_items", "Missing required param"),
        (saving(line_items=[sold()]), "line_items", "in `setup` mode"),
        (saving(payment_intent_data={"description": "x"}), "payment_intent_data", "`setup` mode"),
        (paying(setup_intent_data={"description": "x"}), "setup_intent_data", "`payment` mode"),
        (saving(currency=None), "currency", "Missing required param"),
        (paying(customer="cus_none"), "customer", "No such customer"),
        (paying(line_items=[{"price": "price_none", "quantity": 1}]), None, "No such price"),
        (paying(line_items=[sold(), sold(currency="eur")]), "line_items", "same currency"),
        (paying(success_url="shop"), "success_url", "Not a valid URL"),
        (paying(line_items=[sold(49)]), None, "must add up to at least $0.50 usd"),
        (
            paying(payment_intent_data={"transfer_data": {"destination": "acct_none"}}),
            "payment_intent_data[transfer_data][destination]",
            "No such destination",
        ),
        (
            paying(allowed_payment_method_types=["sepa_debit"]),
            None,
            "No payment method types are left",
        ),
        (paying(invoice_creation={"enabled": True}), "invoice_creation", "makes no invoices"),
    ],
)
def test_what_does_not_go_together_is_refused(params: Any, param: str | None, words: str) -> None:
    sim = Simulator()

    refusal = refused(sim, {name: value for name, value in params.items() if value is not None})

    assert words in str(refusal.user_message)
    assert param is None or refusal.param == param
    assert sim.world.home.shelf("checkout.session") == {}
    assert sim.world.home.shelf("product") == {}


@pytest.mark.parametrize("seconds", [1799, DAY + 1])
def test_a_session_is_open_for_half_an_hour_to_a_day(seconds: int) -> None:
    sim = Simulator()

    assert refused(sim, paying(expires_at=sim.clock.now() + seconds)).param == "expires_at"


def test_since_endive_the_payment_methods_are_named_otherwise() -> None:
    sim = Simulator()

    refusal = refused(sim, paying(payment_method_types=["card"]))

    assert refusal.code == "payment_method_types_no_longer_supported"
    older = {"stripe_version": "2026-08-26.dahlia"}
    assert opened(sim, paying(payment_method_types=["card"]), **older).payment_method_types == [
        "card"
    ]


def test_the_amount_the_customer_saw_is_the_amount_that_is_paid() -> None:
    sim = Simulator()
    session = opened(sim, paying())

    async def confirm(amount: int) -> int:
        answer = await inside(
            sim,
            "POST",
            f"/v1/payment_pages/{session.id}/confirm",
            content=f"payment_method=pm_card_visa&expected_amount={amount}",
            headers={"Authorization": f"Bearer {sim.secret_key}"},
        )
        return answer.status_code

    assert run(confirm(4999)) == 400
    assert run(confirm(5000)) == 200
    assert now(sim, session).payment_status == "paid"


# Asking and changing.


def test_sessions_are_found_by_their_customer_payment_and_status() -> None:
    sim = Simulator()
    sdk = client(sim).v1.checkout.sessions
    first = opened(sim, paying(customer_email="a@shop.example"))
    second = opened(sim, paying())
    sim.acts.complete_checkout(second.id)
    paid = now(sim, second)

    async def found(**params: Any) -> list[str]:
        return [row.id for row in (await sdk.list_async(params)).data]

    assert run(found()) == [second.id, first.id]
    assert run(found(status="open")) == [first.id]
    assert run(found(payment_intent=paid.payment_intent)) == [second.id]
    assert run(found(customer_details={"email": "a@shop.example"})) == [first.id]


def test_metadata_can_be_changed() -> None:
    sim = Simulator()
    session = opened(sim, paying(metadata={"a": "1", "b": "2"}))

    changed = run(
        client(sim).v1.checkout.sessions.update_async(session.id, {"metadata": {"a": "", "c": "3"}})
    )

    assert changed.metadata.to_dict() == {"b": "2", "c": "3"}


def test_older_versions_have_shorter_names_for_where_the_page_is() -> None:
    sim = Simulator()
    older = {"stripe_version": "2025-09-30.clover"}

    assert opened(sim, paying(ui_mode="hosted"), **older).ui_mode == "hosted"
    assert opened(sim, paying(ui_mode="hosted_page")).ui_mode == "hosted_page"
    assert refused(sim, paying(ui_mode="hosted")).param == "ui_mode"
    embedded = {"ui_mode": "embedded_page", "mode": "payment", "line_items": [sold()]}
    session = opened(sim, {**embedded, "return_url": DONE})
    assert session.url is None
    assert session.client_secret.startswith(f"{session.id}_secret")
    assert refused(sim, embedded).param == "return_url"


def test_the_audit_notices_a_session_that_says_it_was_paid() -> None:
    sim = Simulator()
    session = opened(sim, paying())
    sim.acts.complete_checkout(session.id, card="pm_card_visa_chargeDeclined")
    assert sim.audit() == []

    sim.world.home.shelf("checkout.session")[session.id]["payment_status"] = "paid"

    assert f"{session.id} does not know whether it is paid" in sim.audit()[0]
