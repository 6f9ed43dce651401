"""Plans: what recurring prices were called, and still answer to.

A plan is a price seen from the old side, under the same id. Nothing is stored here.
"""

from reconciler.simulator.kernel.form import Form, merged
from reconciler.simulator.kernel.pages import page
from reconciler.simulator.kernel.refusals import no_such, refused
from reconciler.simulator.kernel.world import Call, Json
from reconciler.simulator.objects.notices import events
from reconciler.simulator.objects.selling import catalogue, prices

TERMS = (
    "active amount amount_decimal billing_scheme currency id interval interval_count metadata "
    "meter nickname product tiers tiers_mode transform_usage trial_period_days usage_type"
)
CHANGES = "active metadata nickname product trial_period_days"
FILTERS = "active created product"
"""What these operations take: they are not in the part of Stripe's schema that is kept here."""


def create(call: Call) -> Json:
    form = call.form
    form.needed("interval")
    given = form.text("id")
    if given and given in call.book.shelf("price"):
        raise refused("Plan already exists.", "resource_already_exists", "id")
    period = ("interval", "interval_count", "trial_period_days", "usage_type", "meter")
    wanted = {
        **{name: value for name, value in form.values.items() if name not in period},
        "recurring": {name: form.values[name] for name in period if name in form},
    }
    for old, new in (("amount", "unit_amount"), ("amount_decimal", "unit_amount_decimal")):
        if old in wanted:
            wanted[new] = wanted.pop(old)
    if isinstance(wanted.get("product"), dict):
        wanted["product_data"] = wanted.pop("product")
    price = catalogue.new_price(call, Form(wanted), price_id=given or call.world.ids.new("plan"))
    prices.announce(call, "created", price)
    return prices.plan_of(price)


def update(call: Call) -> Json:
    price, form = _price(call), call.form
    changes: Json = {"metadata": merged(price["metadata"], form.metadata())}
    if "active" in form:
        changes["active"] = form.flag("active")
    if "nickname" in form:
        changes["nickname"] = form.text("nickname")
    if "trial_period_days" in form:
        days = form.integer("trial_period_days")
        changes["recurring"] = {**price["recurring"], "trial_period_days": days}
    if "product" in form:
        changes["product"] = call.book.get("product", form.needed("product"), "product")["id"]
    prices.amend(call, price, changes)
    return prices.plan_of(price)


def delete(call: Call) -> Json:
    """No new subscription can have it; those that do keep it."""
    price = _price(call)
    price["active"] = False
    price["_deleted"] = True
    for kind in ("plan", "price"):
        shown = prices.plan_of(price) if kind == "plan" else price
        events.emit(call, f"{kind}.deleted", {**shown, "deleted": True})
    return {"id": price["id"], "object": "plan", "deleted": True}


def retrieve(call: Call) -> Json:
    return prices.plan_of(_price(call))


def listing(call: Call) -> Json:
    def keep(row: Json) -> bool:
        return _living(row) and prices.as_flagged(call, row, "active")

    found = page(call, call.book.shelf("price"), equal=("product",), keep=keep)
    return {**found, "data": [prices.plan_of(row) for row in found["data"]]}


def _price(call: Call) -> Json:
    price = call.book.shelf("price").get(call.path["id"])
    if price is None or not _living(price):
        raise no_such("plan", call.path["id"])
    return price


def _living(price: Json) -> bool:
    return bool(price["recurring"]) and not price.get("_deleted")
