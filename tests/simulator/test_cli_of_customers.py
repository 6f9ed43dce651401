"""The call sequences of the official CLI for customers, their cards and setups, step by step."""

from __future__ import annotations

import re
from typing import Any

import pytest

from reconciler.simulator import Simulator

from .sdk import inside, run, types

MADE = "(created by Stripe CLI)"
CUSTOMER = ("customer", "POST", "/v1/customers", {"description": MADE}, 200)
SETUP = {"description": MADE, "payment_method_types[0]": "card"}
KEEP = (
    "kept",
    "POST",
    "/v1/payment_methods/pm_card_visa/attach",
    {"customer": "{customer.id}"},
    200,
)
SOURCE = ("source", "POST", "/v1/customers/{customer.id}/sources", {"source": "tok_visa"}, 200)

SEQUENCES: dict[str, tuple[tuple[str, str, str, dict[str, str], int], ...]] = {
    "customer.created": (CUSTOMER,),
    "customer.updated": (
        CUSTOMER,
        ("", "POST", "/v1/customers/{customer.id}", {"metadata[foo]": "bar"}, 200),
    ),
    "customer.deleted": (CUSTOMER, ("", "DELETE", "/v1/customers/{customer.id}", {}, 200)),
    "customer.source.created": (CUSTOMER, SOURCE),
    "customer.source.updated": (
        CUSTOMER,
        SOURCE,
        (
            "",
            "POST",
            "/v1/customers/{customer.id}/sources/{source.id}",
            {"metadata[foo]": "bar"},
            200,
        ),
    ),
    "payment_method.attached": (CUSTOMER, KEEP),
    "payment_method.detached": (
        CUSTOMER,
        KEEP,
        ("", "POST", "/v1/payment_methods/{kept.id}/detach", {}, 200),
    ),
    "payment_method.updated": (
        CUSTOMER,
        (
            "setup",
            "POST",
            "/v1/setup_intents",
            {
                "customer": "{customer.id}",
                "payment_method": "pm_card_visa",
                "confirm": "true",
                "description": MADE,
            },
            200,
        ),
        (
            "",
            "POST",
            "/v1/payment_methods/{setup.payment_method}",
            {"metadata[foo]": "bar"},
            200,
        ),
    ),
    "setup_intent.created": (("", "POST", "/v1/setup_intents", SETUP, 200),),
    "setup_intent.canceled": (
        ("setup", "POST", "/v1/setup_intents", SETUP, 200),
        (
            "",
            "POST",
            "/v1/setup_intents/{setup.id}/cancel",
            {"cancellation_reason": "requested_by_customer"},
            200,
        ),
    ),
    "setup_intent.requires_action": (
        (
            "",
            "POST",
            "/v1/setup_intents",
            {
                "confirm": "true",
                "description": MADE,
                "payment_method": "pm_card_authenticationRequired",
            },
            200,
        ),
    ),
    "setup_intent.setup_failed": (
        (
            "",
            "POST",
            "/v1/setup_intents",
            {**SETUP, "confirm": "true", "payment_method": "pm_card_chargeDeclined"},
            402,
        ),
    ),
    "setup_intent.succeeded": (
        (
            "",
            "POST",
            "/v1/setup_intents",
            {**SETUP, "confirm": "true", "payment_method": "pm_card_visa"},
            200,
        ),
    ),
}


def _filled(text: str, done: dict[str, Any]) -> str:
    return re.sub(r"\{(\w+)\.(\w+)\}", lambda hole: str(done[hole[1]][hole[2]]), text)


@pytest.mark.parametrize("event", SEQUENCES)
def test_the_sequence_succeeds_and_causes_its_event(event: str) -> None:
    sim = Simulator()

    async def story() -> None:
        done: dict[str, Any] = {}
        for name, method, path, params, status in SEQUENCES[event]:
            answer = await inside(
                sim,
                method,
                _filled(path, done),
                data={key: _filled(value, done) for key, value in params.items()} or None,
                headers={"authorization": f"Bearer {sim.secret_key}"},
            )
            assert answer.status_code == status, answer.text
            done[name] = answer.json()

    run(story())
    assert event in types(sim)
