"""Schemathesis drives every operation of the published schema: no answer is ever a 500.

The requests are drawn from the schema itself. Most of the ids in them are then replaced by ids of
objects that exist, so that more than the refusals is tried. An error that escapes the simulator
fails the test as well as an answer of 500 or above.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import cache
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
import stripe
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from reconciler.simulator import Simulator
from reconciler.simulator.wire.routes import OPERATIONS, Operation

from .drawing import Truer, drawn

EXAMPLES = 10


@cache
def peopled() -> bytes:
    """A world with something of everything in it."""
    sim = Simulator(seed=5)
    acts = sim.acts
    merchant = acts.connect_account()
    _asked(sim, "/v1/accounts", type="custom", country="US", **_requested("transfers"))
    acts.topup(500_000, "usd")
    customer = _asked(sim, "/v1/customers", email="a@example.com")["id"]
    acts.customer_card(customer)
    paid = [acts.pay(2_000 + n, "usd") for n in range(4)]
    for _ in range(3):
        acts.pay(900, "usd", capture_method="manual")
        _asked(sim, "/v1/payment_intents", amount="700", currency="usd")
        _asked(sim, "/v1/setup_intents", customer=customer)
    acts.pay(800, "usd", customer=customer, card="pm_card_authenticationRequired")
    acts.refund(paid[0]["id"], amount=300)
    acts.dispute(paid[1]["latest_charge"])
    acts.transfer(merchant, 700, "usd")
    acts.reverse_transfer(acts.transfer(merchant, 600, "usd")["id"], 100)
    acts.pay_out_bank("usd", 1_000)
    fee = {"amount": "900", "currency": "usd", "confirm": "true", "payment_method": "pm_card_visa"}
    fee |= {"application_fee_amount": "100", "transfer_data[destination]": merchant}
    _asked(sim, "/v1/payment_intents", **fee)
    price = {"currency": "usd", "unit_amount": "500", "product_data[name]": "Tea"}
    item = {"line_items[0][price]": _asked(sim, "/v1/prices", **price)["id"]}
    item["line_items[0][quantity]"] = "1"
    _asked(sim, "/v1/checkout/sessions", mode="payment", success_url="https://a.test", **item)
    day = sim.clock.midnight()
    report = {"parameters[interval_start]": str(day - 86_400)}
    report["parameters[interval_end]"] = str(day)
    _asked(sim, "/v1/reporting/report_runs", report_type="balance.summary.1", **report)
    _asked(sim, "/v1/files", purpose="dispute_evidence", file="x")
    _asked(sim, "/v1/webhook_endpoints", url="https://a.test", **{"enabled_events[]": "*"})
    sim.clock.advance(60)
    acts.pay_out_bank("usd", 900)
    return sim.dump()


def _requested(capability: str) -> dict[str, str]:
    return {f"capabilities[{capability}][requested]": "true"}


def _asked(sim: Simulator, path: str, **form: str) -> Any:
    answer = asyncio.run(_send(sim, "POST", path, form))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def _send(sim: Simulator, method: str, path: str, form: dict[str, Any]) -> httpx.Response:
    headers = {"Authorization": f"Bearer {sim.secret_key}", "Stripe-Version": stripe.api_version}
    encoded = urlencode(list(_flat(form)), errors="replace")
    transport = httpx.ASGITransport(app=sim.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://stripe.test") as http:
        if method in ("GET", "DELETE"):
            return await http.request(method, f"{path}?{encoded}", headers=headers)
        if path.startswith("/v2/"):
            return await http.request(method, path, json=form, headers=headers)
        if path == "/v1/files":
            files = {"file": ("a.png", str(form.pop("file", "")).encode(errors="replace"))}
            data = dict(_flat(form))
            return await http.request(method, path, data=data, files=files, headers=headers)
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        return await http.request(method, path, content=encoded, headers=headers)


def _flat(tree: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(tree, list):
        tree = {str(number): value for number, value in enumerate(tree)}
    if isinstance(tree, dict):
        for name, value in tree.items():
            yield from _flat(value, f"{prefix}[{name}]" if prefix else str(name))
    elif tree is not None:
        yield prefix, str(tree).lower() if isinstance(tree, bool) else str(tree)


@pytest.mark.parametrize("label", sorted(drawn()))
def test_no_request_is_answered_with_a_500(label: str) -> None:
    operation = drawn()[label]
    sim = Simulator()
    sim.load(peopled())
    truer = Truer(sim, operation.path)
    statuses: list[int] = []

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy())
    def drive(case: Any) -> None:
        path = truer.path(case.path_parameters or {})
        body = case.body if isinstance(case.body, dict) else {}
        form = truer.tree({**(case.query or {}), **body})
        answer = loop.run(_send(sim, case.method, path, form))
        statuses.append(answer.status_code)
        assert answer.status_code < 500, answer.text
        if answer.status_code >= 400:
            assert set(answer.json()["error"]) >= {"message", "type"}

    with asyncio.Runner() as loop:
        drive()
    assert statuses
    assert sim.audit() == []


UNPUBLISHED = [each for each in OPERATIONS if each.contract.answer is None]
LEAF = st.sampled_from(["", "x", "1", "-1", "1.5", "true", "https://a.test", "acct_1", "*", "usd"])
VALUE = st.recursive(
    LEAF | st.integers() | st.booleans() | st.none(),
    lambda below: (
        st.lists(below, max_size=3) | st.dictionaries(LEAF.filter(bool), below, max_size=3)
    ),
    max_leaves=6,
)


@pytest.mark.parametrize("operation", UNPUBLISHED, ids=lambda each: f"{each.method} {each.path}")
def test_operations_that_the_schema_does_not_have_do_not_fail_either(operation: Operation) -> None:
    sim = Simulator()
    sim.load(peopled())
    truer = Truer(sim, operation.path)
    names = st.sampled_from(sorted(operation.contract.named) or ["x"])

    @settings(max_examples=EXAMPLES, derandomize=True, database=None, deadline=None)
    @given(st.dictionaries(names, VALUE, max_size=8))
    def drive(form: dict[str, Any]) -> None:
        path = truer.path({})
        answer = loop.run(_send(sim, operation.method, path, truer.tree(form)))
        assert answer.status_code < 500, answer.text

    with asyncio.Runner() as loop:
        drive()
    assert sim.audit() == []
