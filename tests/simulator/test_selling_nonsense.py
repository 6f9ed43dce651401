"""What is sold is asked for without a published schema: whatever comes in, no answer is a 500."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.simulator import Simulator
from reconciler.simulator.objects.selling import catalogue, coupons, plans, prices, promotion_codes
from reconciler.simulator.objects.selling import subscriptions as subs
from tests.simulator.sdk import run

ASKED = {
    "/v1/coupons": coupons.COUPON,
    "/v1/coupons/{coupon}": coupons.COUPON_CHANGES,
    "/v1/plans": plans.TERMS,
    "/v1/plans/{plan}": plans.CHANGES,
    "/v1/prices": catalogue.PRICE,
    "/v1/prices/{price}": prices.CHANGES,
    "/v1/products": catalogue.PRODUCT,
    "/v1/products/{product}": catalogue.PRODUCT_CHANGES,
    "/v1/promotion_codes": promotion_codes.TERMS,
    "/v1/promotion_codes/{code}": promotion_codes.CHANGES,
    "/v1/subscriptions": subs.TERMS,
    "/v1/subscriptions/{subscription}": subs.CHANGES,
    "/v1/subscriptions/{subscription}/resume": subs.RESUMPTION,
}
LISTED = {
    "/v1/coupons": coupons.COUPON_FILTERS,
    "/v1/plans": plans.FILTERS,
    "/v1/prices": prices.FILTERS,
    "/v1/products": catalogue.PRODUCT_FILTERS,
    "/v1/promotion_codes": promotion_codes.FILTERS,
    "/v1/subscriptions": subs.FILTERS,
}
SENSIBLE = {
    "/v1/coupons": {"percent_off": "10"},
    "/v1/plans": {"currency": "usd", "interval": "month", "product": "{product}", "amount": "5"},
    "/v1/prices": {"currency": "usd", "product": "{product}", "unit_amount": "500"},
    "/v1/products": {"name": "Tea"},
    "/v1/promotion_codes": {"promotion[coupon]": "{coupon}"},
    "/v1/subscriptions": {"customer": "{customer}", "items[0][price]": "{price}"},
}
INSIDE = (
    "0 1 amount behavior coupon currency deleted end_behavior id interval interval_count metadata "
    "missing_payment_method name price price_data product product_data promotion_code quantity "
    "recurring type unit_amount usage_type"
)
IDS = ("coupon", "code", "customer", "plan", "price", "product", "subscription")
WORDS = " -1 0 1 1.5 99999999999 1e5 NaN true false now 2000000000 usd EUR month day pause void x é"

values = st.sampled_from([*WORDS.split(" "), *(f"{{{name}}}" for name in IDS), "x" * 600])
deeper = st.lists(st.sampled_from(INSIDE.split()), max_size=3).map(
    lambda steps: "".join(f"[{step}]" for step in steps)
)


def peopled() -> tuple[Simulator, dict[str, str]]:
    sim = Simulator()
    made: dict[str, str] = {}
    card = {"payment_method": "pm_card_visa"}
    card["invoice_settings[default_payment_method]"] = "pm_card_visa"
    monthly = {**SENSIBLE["/v1/prices"], "recurring[interval]": "month"}
    for name, path, form in (
        ("product", "/v1/products", SENSIBLE["/v1/products"]),
        ("price", "/v1/prices", monthly),
        ("plan", "/v1/plans", SENSIBLE["/v1/plans"]),
        ("coupon", "/v1/coupons", SENSIBLE["/v1/coupons"]),
        ("code", "/v1/promotion_codes", SENSIBLE["/v1/promotion_codes"]),
        ("customer", "/v1/customers", card),
        ("subscription", "/v1/subscriptions", SENSIBLE["/v1/subscriptions"]),
    ):
        made[name] = str(run(send(sim, made, "POST", path, list(form.items()))).json()["id"])
    return sim, made


async def send(
    sim: Simulator, ids: dict[str, str], method: str, path: str, form: list[tuple[str, str]]
) -> httpx.Response:
    encoded = urlencode([(name, value.format(**ids)) for name, value in form])
    options: Any = {"headers": {"Authorization": f"Bearer {sim.secret_key}"}}
    address = path.format(**ids)
    if method == "POST":
        options["content"] = encoded
    else:
        address = f"{address}?{encoded}"
    transport = httpx.ASGITransport(app=sim.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://stripe.test") as http:
        return await http.request(method, address, **options)


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, str, list[tuple[str, str]]]:
    method = draw(st.sampled_from(["POST", "POST", "POST", "GET"]))
    path = draw(st.sampled_from(sorted(ASKED if method == "POST" else LISTED)))
    names = (ASKED if method == "POST" else LISTED)[path].split()
    form = list(SENSIBLE.get(path, {}).items()) if draw(st.booleans()) else []
    for name in draw(st.lists(st.sampled_from(names), max_size=4)):
        form.append((name + draw(deeper), draw(values)))
    return method, path, form


@settings(max_examples=40, deadline=None)
@given(st.lists(requests(), min_size=5, max_size=20))
def test_no_request_breaks_the_simulator(
    asked: list[tuple[str, str, list[tuple[str, str]]]],
) -> None:
    sim, ids = peopled()

    for method, path, form in asked:
        answer = run(send(sim, ids, method, path, form))
        assert answer.status_code < 500, (method, path, form, answer.text)
    sim.clock.advance(400 * 86_400)

    assert sim.audit() == []
    Simulator().load(sim.dump())
