"""Subscriptions: trials, periods, pauses and ends, as far as they go without invoices."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from reconciler.simulator import Simulator
from tests.simulator.sdk import client, rows, run, types

DAY = 86_400


def priced(sim: Simulator, **more: Any) -> str:
    terms: Any = {
        "currency": "usd",
        "product_data": {"name": "Membership"},
        "recurring": {"interval": "month"},
        "unit_amount": 1500,
        **more,
    }
    return run(client(sim).v1.prices.create_async(terms)).id


def customer(sim: Simulator, card: str | None = "pm_card_visa") -> str:
    default = {"invoice_settings": {"default_payment_method": card}, "payment_method": card}
    return run(client(sim).v1.customers.create_async(default if card else {})).id  # type: ignore


def subscribed(sim: Simulator, card: str | None = "pm_card_visa", **more: Any) -> Any:
    asked: Any = {"customer": customer(sim, card), "items": [{"price": priced(sim)}], **more}
    return run(client(sim).v1.subscriptions.create_async(asked))


def now(sim: Simulator, subscription: Any) -> Any:
    return run(client(sim).v1.subscriptions.retrieve_async(subscription.id))


def told(sim: Simulator) -> list[str]:
    return [
        type_.removeprefix("customer.subscription.")
        for type_ in types(sim)
        if type_.startswith("customer.subscription.")
    ]


def test_a_subscription_turns_from_month_to_month() -> None:
    sim = Simulator(now=1_769_846_400)  # 31 January 2026

    made = subscribed(sim)
    item = made["items"].data[0]
    assert (made.status, item.quantity, item.price.unit_amount) == ("active", 1, 1500)
    assert item.current_period_end == 1_772_265_600  # 28 February

    sim.clock.advance(29 * DAY)
    item = now(sim, made)["items"].data[0]

    assert item.current_period_start == 1_772_265_600
    assert item.current_period_end == 1_774_944_000  # 31 March
    assert told(sim) == ["created", "updated"]
    assert rows(sim) == []


def test_without_anything_to_charge_only_a_trial_can_begin() -> None:
    sim = Simulator()

    with pytest.raises(stripe.InvalidRequestError, match="no attached payment source"):
        subscribed(sim, card=None)

    assert subscribed(sim, card=None, trial_period_days=7).status == "trialing"


@pytest.mark.parametrize(
    ("behavior", "card", "status"),
    [
        ("pause", None, "paused"),
        ("cancel", None, "canceled"),
        ("pause", "pm_card_visa", "active"),
        ("create_invoice", None, "active"),
    ],
)
def test_a_trial_ends_as_was_agreed(behavior: str, card: str | None, status: str) -> None:
    sim = Simulator()
    settings = {"end_behavior": {"missing_payment_method": behavior}}
    made = subscribed(sim, card, trial_period_days=7, trial_settings=settings)

    sim.clock.advance(4 * DAY - 1)
    assert told(sim) == ["created"]
    sim.clock.advance(1)
    assert told(sim) == ["created", "trial_will_end"]
    sim.clock.advance(3 * DAY)

    assert now(sim, made).status == status
    last = {"active": "updated", "canceled": "deleted", "paused": "paused"}[status]
    assert told(sim)[-1] == last


def test_a_paused_subscription_goes_on_when_it_is_resumed() -> None:
    sim = Simulator()
    settings = {"end_behavior": {"missing_payment_method": "pause"}}
    made = subscribed(sim, None, trial_period_days=7, trial_settings=settings)
    sdk = client(sim).v1.subscriptions

    assert run(sdk.update_async(made.id, {"trial_end": "now"})).status == "paused"
    assert run(sdk.resume_async(made.id)).status == "active"
    assert told(sim)[-1] == "resumed"
    with pytest.raises(stripe.InvalidRequestError, match="not paused"):
        run(sdk.resume_async(made.id))


def test_it_ends_at_once_at_the_end_of_the_period_or_on_a_day() -> None:
    sim = Simulator()
    sdk = client(sim).v1.subscriptions
    at_once, later, on_a_day = (subscribed(sim) for _ in range(3))

    ended = run(sdk.cancel_async(at_once.id, {"cancellation_details": {"comment": "bye"}}))
    assert (ended.status, ended.ended_at) == ("canceled", sim.clock.now())
    assert ended.cancellation_details.comment == "bye"
    with pytest.raises(stripe.InvalidRequestError, match="No such subscription"):
        run(sdk.cancel_async(at_once.id))
    run(sdk.update_async(later.id, {"cancel_at_period_end": True}))
    run(sdk.update_async(on_a_day.id, {"cancel_at": sim.clock.now() + 3 * DAY}))
    sim.clock.advance(2 * DAY)
    assert (now(sim, later).status, now(sim, on_a_day).status) == ("active", "active")
    sim.clock.advance(DAY)
    assert (now(sim, later).status, now(sim, on_a_day).status) == ("active", "canceled")
    sim.clock.advance(31 * DAY)
    assert now(sim, later).status == "canceled"
    assert told(sim).count("deleted") == 3


def test_changes_say_what_was_there_before() -> None:
    sim = Simulator()
    made = subscribed(sim)
    item = made["items"].data[0]
    items: Any = [{"id": item.id, "quantity": 4}, {"price": priced(sim, unit_amount=100)}]

    changed = run(
        client(sim).v1.subscriptions.update_async(made.id, {"items": items, "metadata": {"a": "1"}})
    )

    assert sorted(row.quantity for row in changed["items"].data) == [1, 4]
    event = list(sim.world.home.shelf("event").values())[-1]
    assert event["type"] == "customer.subscription.updated"
    before = event["data"]["previous_attributes"]
    assert before["metadata"] == {"a": None}
    assert [row["quantity"] for row in before["items"]["data"]] == [1]


def test_those_that_ended_are_listed_only_when_asked_for() -> None:
    sim = Simulator()
    sdk = client(sim).v1.subscriptions
    ended, alive = subscribed(sim), subscribed(sim)
    run(sdk.cancel_async(ended.id))

    async def found(**params: Any) -> list[str]:
        return [row.id for row in (await sdk.list_async(params)).data]  # type: ignore

    assert run(found()) == [alive.id]
    assert run(found(status="canceled")) == [ended.id]
    assert run(found(status="all")) == [alive.id, ended.id]
    assert run(found(customer=alive.customer)) == [alive.id]
    assert run(found(price=alive["items"].data[0].price.id)) == [alive.id]


def test_a_deleted_customer_has_no_subscriptions() -> None:
    sim = Simulator()
    made = subscribed(sim)

    run(client(sim).v1.customers.delete_async(made.customer))
    sim.clock.advance(40 * DAY)

    assert now(sim, made).status == "canceled"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"payment_behavior": "default_incomplete"}, "makes no invoices"),
        ({"add_invoice_items": [{"price": "price_1"}]}, "makes no invoices"),
        ({"items": []}, "Missing required param: items"),
        ({"trial_end": 1}, "in the future"),
        ({"trial_end": 2_000_000_000, "trial_period_days": 3}, "only specify one"),
    ],
)
def test_what_needs_an_invoice_or_makes_no_sense_is_refused(more: Any, words: str) -> None:
    sim = Simulator()

    with pytest.raises(stripe.InvalidRequestError) as caught:
        subscribed(sim, **more)

    assert words in str(caught.value.user_message)
    assert sim.world.home.shelf("subscription") == {}


def test_all_items_come_again_together() -> None:
    sim = Simulator()
    yearly = priced(sim, recurring={"interval": "year"})
    once = priced(sim, recurring=None)

    for other, words in ((yearly, "same `recurring.interval`"), (once, "type=one_time")):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            subscribed(sim, items=[{"price": priced(sim)}, {"price": other}])
        assert words in str(caught.value.user_message)
