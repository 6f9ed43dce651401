"""Products, prices, plans, coupons and promotion codes: what is sold, and for how much less."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from reconciler.simulator import Simulator
from tests.simulator.sdk import client, inside, run, types

DAY = 86_400


def refused(work: Any) -> stripe.InvalidRequestError:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        run(work)
    return caught.value


async def posted(sim: Simulator, path: str, form: str) -> dict[str, Any]:
    """What an older client sends, which the SDK of today has no words for."""
    headers = {"Authorization": f"Bearer {sim.secret_key}"}
    answer = await inside(sim, "POST", path, content=form, headers=headers)
    return dict(answer.json())


def last_event(sim: Simulator, type_: str) -> dict[str, Any]:
    made = sim.world.home.shelf("event").values()
    return [event for event in made if event["type"] == type_][-1]


# Products and prices.


def test_a_product_is_made_changed_and_deleted() -> None:
    sim = Simulator()
    sdk = client(sim).v1.products

    made = run(sdk.create_async({"name": "Massage", "metadata": {"a": "1"}}))
    sim.clock.advance(5)
    changed = run(sdk.update_async(made.id, {"name": "Swedish massage", "active": False}))

    assert (changed.name, changed.active, changed.updated) == (
        "Swedish massage",
        False,
        made.created + 5,
    )
    assert last_event(sim, "product.updated")["data"]["previous_attributes"] == {
        "active": True,
        "name": "Massage",
        "updated": made.created,
    }
    assert run(sdk.list_async({"active": True})).data == []
    assert run(sdk.delete_async(made.id)).deleted
    assert refused(sdk.retrieve_async(made.id)).code == "resource_missing"
    assert last_event(sim, "product.deleted")["data"]["object"]["name"] == "Swedish massage"


def test_a_product_with_a_price_cannot_be_deleted() -> None:
    sim = Simulator()
    sdk = client(sim).v1
    priced = {"currency": "usd", "unit_amount": 900}

    product = run(sdk.products.create_async({"name": "Oil", "default_price_data": priced}))

    price = run(sdk.prices.retrieve_async(str(product.default_price), {"expand": ["product"]}))
    assert (price.unit_amount, price.type, price.product.name) == (900, "one_time", "Oil")
    assert "user-created prices" in str(refused(sdk.products.delete_async(product.id)))


def test_a_recurring_price_is_a_plan_as_well() -> None:
    sim = Simulator()
    sdk = client(sim).v1
    terms: Any = {
        "currency": "eur",
        "product_data": {"name": "Membership"},
        "recurring": {"interval": "month", "interval_count": 3},
        "unit_amount_decimal": "1999.5",
    }

    price = run(sdk.prices.create_async(terms))
    plan = run(sdk.plans.retrieve_async(price.id))

    assert price.unit_amount is None
    assert (str(plan.amount_decimal), plan.interval_count, plan.currency) == ("1999.5", 3, "eur")
    assert types(sim) == ["product.created", "plan.created", "price.created"]
    run(sdk.prices.update_async(price.id, {"nickname": "quarterly"}))
    assert types(sim)[-2:] == ["plan.updated", "price.updated"]
    run(sdk.prices.update_async(price.id, {"lookup_key": "q"}))
    assert types(sim)[-2:] == ["price.updated", "price.updated"]


def test_a_plan_can_be_deleted() -> None:
    sim = Simulator()
    sdk = client(sim).v1.plans
    plan = run(
        sdk.create_async(
            {"amount": 2000, "currency": "usd", "interval": "year", "product": {"name": "Gold"}}
        )
    )

    assert run(sdk.delete_async(plan.id)).deleted

    assert refused(sdk.retrieve_async(plan.id)).code == "resource_missing"
    assert run(sdk.list_async()).data == []


def test_a_lookup_key_leads_to_one_price() -> None:
    sim = Simulator()
    sdk = client(sim).v1.prices
    terms: Any = {"currency": "usd", "product_data": {"name": "Oil"}, "lookup_key": "oil"}

    first = run(sdk.create_async({**terms, "unit_amount": 900}))
    assert first.id in str(refused(sdk.create_async({**terms, "unit_amount": 950})).user_message)
    second = run(sdk.create_async({**terms, "unit_amount": 950, "transfer_lookup_key": True}))

    assert [row.id for row in run(sdk.list_async({"lookup_keys": ["oil"]})).data] == [second.id]
    assert run(sdk.retrieve_async(first.id)).lookup_key is None


@pytest.mark.parametrize(
    ("terms", "param"),
    [
        ({"currency": "usd", "product": "prod_none", "unit_amount": 1}, "product"),
        ({"currency": "usd", "product_data": {"name": "Oil"}}, "unit_amount"),
        ({"product_data": {"name": "Oil"}, "unit_amount": 1}, "currency"),
        ({"currency": "usd", "product_data": {"name": "Oil"}, "unit_amount": -1}, "unit_amount"),
        (
            {
                "currency": "usd",
                "product_data": {"name": "Oil"},
                "unit_amount": 1,
                "unit_amount_decimal": "1",
            },
            "unit_amount",
        ),
        (
            {"currency": "usd", "product_data": {"name": "Oil"}, "tiers_mode": "graduated"},
            "tiers_mode",
        ),
    ],
)
def test_a_price_that_means_nothing_is_refused(terms: Any, param: str) -> None:
    sim = Simulator()

    assert refused(client(sim).v1.prices.create_async(terms)).param == param
    assert sim.world.home.shelf("product") == {}


# Coupons.


def test_a_customer_has_a_discount_until_it_is_taken_away() -> None:
    sim = Simulator()
    sdk = client(sim).v1
    first = run(sdk.coupons.create_async({"percent_off": 25.5, "duration": "forever"}))
    second = run(sdk.coupons.create_async({"amount_off": 500, "currency": "usd"}))

    customer = run(posted(sim, "/v1/customers", f"coupon={first.id}"))
    assert customer["discount"]["source"] == {"coupon": first.id, "type": "coupon"}
    run(posted(sim, f"/v1/customers/{customer['id']}", f"coupon={second.id}"))
    gone = run(sdk.customers.delete_discount_async(customer["id"]))

    assert gone.deleted
    assert run(sdk.customers.retrieve_async(customer["id"])).discount is None
    assert [type_ for type_ in types(sim) if "discount" in type_] == [
        "customer.discount.created",
        "customer.discount.updated",
        "customer.discount.deleted",
    ]
    assert run(sdk.coupons.retrieve_async(first.id)).times_redeemed == 1


def test_a_repeating_discount_ends_after_its_months() -> None:
    sim = Simulator()
    terms: Any = {"percent_off": 10, "duration": "repeating", "duration_in_months": 1}
    coupon = run(client(sim).v1.coupons.create_async(terms))
    customer = run(posted(sim, "/v1/customers", f"coupon={coupon.id}"))

    sim.clock.advance(customer["discount"]["end"] - sim.clock.now() - 1)
    assert "customer.discount.deleted" not in types(sim)
    sim.clock.advance(1)

    assert types(sim)[-1] == "customer.discount.deleted"


def test_a_coupon_is_given_only_as_often_and_as_long_as_it_says() -> None:
    sim = Simulator()
    sdk = client(sim).v1.coupons
    once = run(sdk.create_async({"percent_off": 10, "max_redemptions": 1}))
    soon = run(sdk.create_async({"percent_off": 10, "redeem_by": sim.clock.now() + DAY}))

    run(posted(sim, "/v1/customers", f"coupon={once.id}"))
    sim.clock.advance(DAY)

    for coupon in (once, soon):
        assert run(sdk.retrieve_async(coupon.id)).valid is False
        answer = run(posted(sim, "/v1/customers", f"coupon={coupon.id}"))
        assert answer["error"]["code"] == "coupon_expired"
    assert len(sim.world.home.shelf("customer")) == 1


@pytest.mark.parametrize(
    ("terms", "param"),
    [
        ({}, "percent_off"),
        ({"percent_off": 10, "amount_off": 5, "currency": "usd"}, "percent_off"),
        ({"percent_off": 101}, "percent_off"),
        ({"amount_off": 5}, "currency"),
        ({"percent_off": 10, "duration": "repeating"}, "duration_in_months"),
        ({"percent_off": 10, "redeem_by": 1}, "redeem_by"),
    ],
)
def test_a_coupon_that_means_nothing_is_refused(terms: Any, param: str) -> None:
    assert refused(client(Simulator()).v1.coupons.create_async(terms)).param == param


def test_a_promotion_code_gets_its_coupon_at_checkout() -> None:
    sim = Simulator()
    sdk = client(sim).v1
    coupon = run(sdk.coupons.create_async({"percent_off": 20}))
    code = run(
        sdk.promotion_codes.create_async(
            {
                "code": "AUTUMN",
                "max_redemptions": 1,
                "promotion": {"type": "coupon", "coupon": coupon.id},
            }
        )
    )
    described = {"currency": "usd", "product_data": {"name": "Oil"}, "unit_amount": 1000}
    asked: Any = {
        "discounts": [{"promotion_code": code.id}],
        "line_items": [{"price_data": described, "quantity": 1}],
        "mode": "payment",
        "success_url": "https://shop.example/",
    }

    assert run(sdk.checkout.sessions.create_async(asked)).amount_total == 800
    used = run(sdk.promotion_codes.retrieve_async(code.id))
    assert (used.active, used.times_redeemed) == (False, 1)
    assert refused(sdk.checkout.sessions.create_async(asked)).code == "promotion_code_inactive"


def test_an_older_client_names_the_coupon_directly_and_a_code_is_taken_once() -> None:
    sim = Simulator()
    coupon = run(client(sim).v1.coupons.create_async({"percent_off": 20}))

    made = run(posted(sim, "/v1/promotion_codes", f"coupon={coupon.id}&code=AUTUMN"))
    again = run(posted(sim, "/v1/promotion_codes", f"coupon={coupon.id}&code=autumn"))

    assert made["promotion"] == {"coupon": coupon.id, "type": "coupon"}
    assert again["error"]["param"] == "code"


def test_older_versions_have_the_coupon_in_what_it_became() -> None:
    sim = Simulator()
    coupon = run(client(sim).v1.coupons.create_async({"percent_off": 20}))
    headers = {"Authorization": f"Bearer {sim.secret_key}", "Stripe-Version": "2025-03-31.basil"}

    async def older(path: str, form: str) -> dict[str, Any]:
        return dict((await inside(sim, "POST", path, content=form, headers=headers)).json())

    customer = run(older("/v1/customers", f"coupon={coupon.id}"))
    code = run(older("/v1/promotion_codes", f"coupon={coupon.id}"))

    assert customer["discount"]["coupon"]["percent_off"] == 20
    assert "source" not in customer["discount"]
    assert code["coupon"]["id"] == coupon.id
