"""The life of a subscription: it begins, is on trial, turns from period to period, and ends.

What the clock does to it is here; what people ask of it is in `subscriptions.py`. Nothing is
charged, see there.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from reconciler.simulator.kernel.clock import DAY
from reconciler.simulator.kernel.views import served
from reconciler.simulator.kernel.world import Call, Json, World
from reconciler.simulator.objects.notices import events
from reconciler.simulator.objects.selling import subscription_items as items

ENDED = ("canceled", "incomplete_expired")
_REMINDER = 3 * DAY


def blank(call: Call, customer: str, currency: str) -> Json:
    return {
        "id": call.world.ids.new("sub"),
        "object": "subscription",
        "application": None,
        "application_fee_percent": None,
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": call.now,
        "billing_cycle_anchor_config": None,
        "billing_mode": {"flexible": {"proration_discounts": "included"}, "type": "flexible"},
        "billing_schedules": [],
        "billing_thresholds": None,
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": None,
        "cancellation_details": {"comment": None, "feedback": None, "reason": None},
        "collection_method": "charge_automatically",
        "created": call.now,
        "currency": currency,
        "customer": customer,
        "customer_account": None,
        "days_until_due": None,
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": [],
        "ended_at": None,
        "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
        "latest_invoice": None,
        "livemode": False,
        "managed_payments": {"enabled": False},
        "metadata": {},
        "next_pending_invoice_item_invoice": None,
        "on_behalf_of": None,
        "pause_collection": None,
        "payment_settings": {
            "payment_method_options": None,
            "payment_method_types": None,
            "save_default_payment_method": "off",
        },
        "pending_invoice_item_interval": None,
        "pending_setup_intent": None,
        "pending_update": None,
        "schedule": None,
        "start_date": call.now,
        "status": "active",
        "test_clock": None,
        "transfer_data": None,
        "trial_end": None,
        "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
        "trial_start": None,
    }


def payable(call: Call, subscription: Json) -> bool:
    """Whether there would be something to charge."""
    if subscription["collection_method"] == "send_invoice":
        return True
    customer = call.book.shelf("customer").get(subscription["customer"]) or {}
    defaults = customer.get("invoice_settings") or {}
    return bool(
        subscription["default_payment_method"]
        or defaults.get("default_payment_method")
        or customer.get("default_source")
    )


def begin(call: Call, subscription: Json, trial_end: int | None) -> None:
    if trial_end is None:
        items.run(call, subscription, call.now)
        subscription["status"] = "active"
    else:
        put_on_trial(call, subscription, trial_end)
    events.emit(call, "customer.subscription.created", subscription)
    plan_ahead(call, subscription)


def put_on_trial(call: Call, subscription: Json, trial_end: int) -> None:
    subscription.update(
        status="trialing",
        trial_start=subscription["trial_start"] or call.now,
        trial_end=trial_end,
        billing_cycle_anchor=trial_end,
    )
    items.run(call, subscription, call.now, trial_end)
    reminder = max(call.now, trial_end - _REMINDER)
    about = {"account": call.book.id, "subscription": subscription["id"], "until": trial_end}
    call.world.clock.at(reminder, "trial_reminder", **about)


def plan_ahead(call: Call, subscription: Json) -> None:
    """What happens next by itself. Each task looks whether it is still meant."""
    at, about = call.world.clock.at, {"account": call.book.id, "subscription": subscription["id"]}
    end = items.of(call, subscription)[0]["current_period_end"]
    at(end, "subscription_turns", until=end, **about)
    if subscription["cancel_at"] is not None:
        at(
            subscription["cancel_at"],
            "subscription_turns",
            until=subscription["cancel_at"],
            **about,
        )


# By the clock.


def remind(world: World, account: str, subscription: str, until: int) -> None:
    """Three days before a trial ends, or at once when it is shorter."""
    call = Call(world, world.books[account])
    thing = call.book.get("subscription", subscription)
    if thing["status"] == "trialing" and thing["trial_end"] == until:
        events.emit(call, "customer.subscription.trial_will_end", thing)


def turn(world: World, account: str, subscription: str, until: int) -> None:
    """A period, a trial or the subscription itself has come to its end."""
    call = Call(world, world.books[account])
    thing = call.book.get("subscription", subscription)
    end = items.of(call, thing)[0]["current_period_end"]
    if thing["status"] in (*ENDED, "paused") or until not in (end, thing["cancel_at"]):
        return
    if thing["cancel_at"] == until or thing["cancel_at_period_end"]:
        cancel(call, thing)
    elif thing["status"] == "trialing":
        end_trial(call, thing)
    else:
        with told(call, thing):
            items.run(call, thing, end)
        plan_ahead(call, thing)


def end_trial(call: Call, subscription: Json) -> None:
    """It goes on in earnest, unless there is nothing to charge and it was told not to."""
    behavior = subscription["trial_settings"]["end_behavior"]["missing_payment_method"]
    if payable(call, subscription) or behavior == "create_invoice":
        with told(call, subscription):
            subscription.update(billing_cycle_anchor=call.now, status="active")
            subscription["trial_end"] = call.now
            items.run(call, subscription, call.now)
        plan_ahead(call, subscription)
    elif behavior == "cancel":
        cancel(call, subscription)
    else:
        with told(call, subscription):
            subscription.update(status="paused", trial_end=call.now)
        events.emit(call, "customer.subscription.paused", subscription)


def cancel(call: Call, subscription: Json) -> None:
    subscription.update(status="canceled", ended_at=call.now)
    subscription["canceled_at"] = subscription["canceled_at"] or call.now
    call.book.children[f"{subscription['customer']}/subscriptions"].remove(subscription["id"])
    events.emit(call, "customer.subscription.deleted", subscription)


def lose_customer(call: Call, customer: Json) -> None:
    """Nobody is left to collect from."""
    for subscription in call.book.shelf("subscription").values():
        if subscription["customer"] == customer["id"] and subscription["status"] not in ENDED:
            cancel(call, subscription)


def resume(call: Call, subscription: Json) -> None:
    with told(call, subscription):
        subscription.update(status="active", billing_cycle_anchor=call.now)
        items.run(call, subscription, call.now)
    events.emit(call, "customer.subscription.resumed", subscription)
    plan_ahead(call, subscription)


@contextmanager
def told(call: Call, subscription: Json) -> Iterator[None]:
    """Whatever is changed meanwhile, items included, is told in one `….updated`."""
    before = served(call.book, subscription)
    yield
    previous = events.difference(before, served(call.book, subscription))
    if previous:
        events.emit(call, "customer.subscription.updated", subscription, previous)
