"""What the simulator serves, beside Stripe's own example of each resource.

Every field of the example is served, of the same kind; and where the example shows a default, so
does a fresh object here. What differs on purpose is named with its reason.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reconciler.simulator import Simulator
from tests.simulator.sdk import inside, run

EXAMPLES = json.loads((Path(__file__).parent / "fixtures3.json").read_text())["resources"]

FRESH: dict[str, tuple[str, str]] = {
    "account": ("/v1/accounts", "type=standard&email=site@stripe.com"),
    "balance_settings": ("/v1/balance_settings", ""),
    "checkout.session": (
        "/v1/checkout/sessions",
        "mode=setup&currency=usd&success_url=https://example.com/success"
        "&cancel_url=https://example.com/cancel",
    ),
    "coupon": (
        "/v1/coupons",
        "percent_off=25.5&duration=repeating&duration_in_months=3&name=25.5% off",
    ),
    "customer": ("/v1/customers", ""),
    "payment_intent": ("/v1/payment_intents", "amount=1099&currency=usd"),
    "payment_method": ("/v1/payment_methods", "type=card&card[token]=tok_visa"),
    "payout": ("/v1/payouts", "amount=1100&currency=usd"),
    "product": (
        "/v1/products",
        "name=T-shirt&description=Comfortable gray cotton t-shirt",
    ),
    "reporting.report_run": (
        "/v1/reporting/report_runs",
        "report_type=balance.summary.1&parameters[interval_start]=1789900000"
        "&parameters[interval_end]=1789910000",
    ),
    "setup_intent": ("/v1/setup_intents", ""),
    "topup": ("/v1/topups", "amount=1000&currency=usd&description=Top-up description"),
    "webhook_endpoint": (
        "/v1/webhook_endpoints",
        "url=https://example.com/my/webhook/endpoint&enabled_events[]=*"
        "&description=This is my webhook, I like it a lot",
    ),
}
"""How the object of the example is asked for, with as little as possible."""

DIFFERS: dict[str, dict[str, str]] = {
    "account": {
        "settings.payments.statement_descriptor_prefix_kana": "not in the published schema there",
        "settings.payments.statement_descriptor_prefix_kanji": "not in the published schema there",
    },
    "checkout.session": {
        "currency": "the example has none, though its line items have",
        "mode": "the example is of payment mode",
        "payment_intent": "the example is of payment mode",
        "payment_method_collection": "the schema says always for what is not a subscription",
        "payment_status": "the example is of payment mode",
        "setup_intent": "the example is of payment mode",
        "ui_mode": "hosted when nothing else was asked for",
        "url": "served by the simulator itself",
    },
    "coupon": {
        "currency": "of an amount off, and this is a percentage",
        "duration": "forever cannot have a number of months; the example has both",
        "id": "drawn by Stripe",
        "redeem_by": "not asked for",
    },
    "customer": {
        "currency": "until a first payment or discount there is none",
        "invoice_prefix": "drawn by Stripe",
    },
    "payment_intent": {
        "canceled_at": "a fresh one is not canceled, the example is both",
        "capture_method": "automatic_async by default since 2024-04-10",
    },
    "payment_method": {"metadata.order_id": "not asked for"},
    "payout": {
        "automatic": "one made by a request is not",
        "description": "of automatic ones",
        "reconciliation_status": "of automatic ones",
        "status": "a fresh one has not left yet",
    },
    "product": {
        "default_price": "not asked for",
        "type": "goods were for orders, which are gone",
    },
    "reporting.report_run": {
        "livemode": "nothing is live here",
        "status": "a fresh one is pending",
        "succeeded_at": "a fresh one is pending",
    },
    "topup": {
        "initiated_by": "a request of the user's",
        "metadata.order_id": "not asked for",
    },
}
"""Fields whose fresh value is not the example's, and why."""

_MOMENT = 100_000_000


def fresh(kind: str) -> dict[str, Any]:
    async def ask(sim: Simulator) -> dict[str, Any]:
        sim.acts.pay(50_000, "usd", card="pm_card_bypassPending")
        path, form = FRESH[kind]
        headers = {
            "Authorization": f"Bearer {sim.secret_key}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        method = "GET" if kind == "balance_settings" else "POST"
        answer = await inside(sim, method, path, content=form, headers=headers)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    return run(ask(Simulator(seed=1)))


def kinds(example: Any, served: Any, path: str) -> list[str]:
    """Fields of the example that are not served, or are of another kind."""
    if example is None or served is None:
        return []
    if isinstance(example, dict) and isinstance(served, dict):
        missing = [f"{path}.{name}" for name in example if name not in served]
        shared = [
            kinds(example[name], served[name], f"{path}.{name}")
            for name in example
            if name in served
        ]
        return missing + [found for below in shared for found in below]
    if type(example) is not type(served):
        return [f"{path} is {type(served).__name__}, not {type(example).__name__}"]
    return []


def same(example: Any, served: Any) -> bool:
    """Equal, or two ids or secrets of one kind, or two moments."""
    if isinstance(example, str) and isinstance(served, str) and "_" in example[:8]:
        return example.partition("_")[0] == served.partition("_")[0]
    numbers = type(example) is type(served) is int
    return example == served or (numbers and min(example, served) > _MOMENT)


@pytest.mark.parametrize("kind", FRESH)
def test_every_field_of_stripes_example_is_served(kind: str) -> None:
    found = kinds(EXAMPLES[kind], fresh(kind), "")
    assert [name for name in found if name[1:] not in DIFFERS.get(kind, {})] == []


@pytest.mark.parametrize("kind", FRESH)
def test_defaults_are_those_of_stripes_example(kind: str) -> None:
    example, served = EXAMPLES[kind], fresh(kind)
    differing = {
        name
        for name, value in example.items()
        if not isinstance(value, (dict, list)) and name in served and not same(value, served[name])
    }
    assert differing - set(DIFFERS.get(kind, {})) == set()
    named = {name for name in DIFFERS.get(kind, {}) if name in served}
    assert named == differing, "an exception that is none any more"
