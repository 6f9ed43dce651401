"""What a subscription consists of: prices, how many of each, and until when each is paid for."""

from typing import Any

from reconciler.simulator.kernel import refusals
from reconciler.simulator.kernel.form import Form, merged
from reconciler.simulator.kernel.refusals import refused
from reconciler.simulator.kernel.world import Call, Json
from reconciler.simulator.objects.selling import catalogue
from reconciler.simulator.objects.selling.periods import later

_TERMS = (
    "clear_usage",
    "deleted",
    "discounts",
    "id",
    "metadata",
    "plan",
    "price",
    "price_data",
    "quantity",
    "tax_rates",
)
_MOST = 20


def asked_for(call: Call) -> list[Form]:
    """The items of a request, each as a form of its own."""
    given = call.form.values.get("items") or []
    if not isinstance(given, (list, dict)):
        raise refusals.malformed("items", "Invalid array")
    rows: list[Any] = given if isinstance(given, list) else list(given.values())
    if len(rows) > _MOST:
        raise refused(f"A subscription can have up to {_MOST} items.", param="items")
    forms = []
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise refusals.malformed(f"items[{number}]", "Invalid object")
        form = Form(row)
        form.only(_TERMS)
        if "tax_rates" in form and form.texts("tax_rates") != [""]:
            raise refused("This simulator has no tax rates.", param=f"items[{number}][tax_rates]")
        forms.append(form)
    return forms


def price_of(call: Call, form: Form, param: str) -> Json:
    """The recurring price that an item names or describes."""
    described, named = form.mapping("price_data"), form.text("price") or form.text("plan")
    if bool(described) == bool(named):
        raise refusals.missing_parameter(f"{param}[price]")
    if named:
        price = call.book.get("price", named, f"{param}[price]")
    else:
        terms = {**described, "recurring": described.get("recurring") or {}}
        price = catalogue.new_price(call, Form(terms), f"{param}[price_data]")
    if price["recurring"] is None:
        raise refused(
            "The price specified is set to `type=one_time` but this field only accepts prices with "
            "`type=recurring`.",
            param=f"{param}[price]",
        )
    if not price["active"] and not call.form.flag("_by_checkout"):
        raise refused("The price specified is inactive.", "price_inactive", f"{param}[price]")
    return price


def check_alike(prices: list[Json]) -> None:
    """All items of a subscription are in one currency, and come again together."""
    if len({price["currency"] for price in prices}) > 1:
        raise refused("All prices on a subscription must have the same currency.", param="items")
    every = {(p["recurring"]["interval"], p["recurring"]["interval_count"]) for p in prices}
    if len(every) > 1:
        raise refused(
            "Currently, all prices on a subscription must have the same `recurring.interval` and "
            "`recurring.interval_count`.",
            param="items",
        )


def add(call: Call, subscription: Json, price: Json, form: Form) -> Json:
    quantity = form.integer("quantity")
    item: Json = {
        "id": call.world.ids.new("si"),
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": call.now,
        "current_period_end": call.now,
        "current_period_start": call.now,
        "discounts": [],
        "metadata": form.metadata(),
        "price": price["id"],
        "quantity": 1 if quantity is None else quantity,
        "subscription": subscription["id"],
        "tax_rates": [],
    }
    call.book.belong(subscription["id"], "items", item["id"])
    return call.world.put(call.book, "subscription_item", item)


def of(call: Call, subscription: Json) -> list[Json]:
    return call.book.belonging(subscription["id"], "items", "subscription_item")


def change(call: Call, subscription: Json) -> bool:
    """Add, change or take away what an update names; whether anything was asked."""
    forms = asked_for(call)
    for number, form in enumerate(forms):
        item_id = form.text("id")
        if item_id is None:
            price = price_of(call, form, f"items[{number}]")
            item = add(call, subscription, price, form)
            first = of(call, subscription)[0]
            item["current_period_start"] = call.now
            item["current_period_end"] = first["current_period_end"]
            continue
        item = call.book.get("subscription_item", item_id, f"items[{number}][id]")
        if form.flag("deleted"):
            _take_away(call, subscription, item)
            continue
        if form.text("price") or form.text("plan"):
            item["price"] = price_of(call, form, f"items[{number}]")["id"]
        if "quantity" in form:
            item["quantity"] = form.integer("quantity")
        item["metadata"] = merged(item["metadata"], form.metadata())
    return bool(forms)


def _take_away(call: Call, subscription: Json, item: Json) -> None:
    if len(of(call, subscription)) == 1:
        raise refused("A subscription must have at least one active item.", param="items")
    call.book.children[f"{subscription['id']}/items"].remove(item["id"])


def run(call: Call, subscription: Json, start: int, end: int | None = None) -> int:
    """All items' current period begins here; when it ends."""
    items = of(call, subscription)
    if end is None:
        period = call.book.get("price", items[0]["price"])["recurring"]
        end = _next(subscription["billing_cycle_anchor"], start, period)
    for item in items:
        item.update(current_period_start=start, current_period_end=end)
    return end


def _next(anchor: int, after: int, period: Json) -> int:
    """The first end of a period after a moment, counted from the anchor."""
    number, end = 0, anchor
    while end <= after:
        number += period["interval_count"]
        end = later(anchor, period["interval"], number)
    return end
