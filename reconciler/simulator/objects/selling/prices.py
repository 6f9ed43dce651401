"""Prices: what one unit costs, once or again and again.

Amounts per unit only. Tiered and metered prices, prices in several currencies and prices that the
customer chooses are refused, because nothing simulated could charge them.
"""

from decimal import Decimal, InvalidOperation
from typing import Any

from reconciler.simulator.kernel import refusals
from reconciler.simulator.kernel.form import Form, merged
from reconciler.simulator.kernel.pages import page
from reconciler.simulator.kernel.refusals import refused
from reconciler.simulator.kernel.world import Call, Json
from reconciler.simulator.objects.notices import events

INTERVALS = ("day", "month", "week", "year")
CHANGES = "active currency_options lookup_key metadata nickname tax_behavior transfer_lookup_key"
FILTERS = "active created currency lookup_keys product recurring type"
"""What these operations take: they are not in the part of Stripe's schema that is kept here."""

_UNSOLD = ("currency_options", "custom_unit_amount", "tiers", "tiers_mode", "transform_quantity")
_MOST = 99_999_999
_SHARED = ("billing_scheme", "created", "currency")


def terms(form: Form) -> Json:
    """What is charged and how often; refused before anything is made."""
    for name in _UNSOLD:
        if name in form:
            raise refused(f"This simulator has no prices with `{name}`.", param=name)
    if form.choice("billing_scheme", ("per_unit", "tiered")) == "tiered":
        raise refused("This simulator has no tiered prices.", param="billing_scheme")
    exact = _exact_amount(form)
    return {
        "currency": form.needed("currency").lower(),
        "recurring": recurring(form.mapping("recurring")),
        "unit_amount": int(exact) if exact == exact.to_integral_value() else None,
        "unit_amount_decimal": format(exact.normalize(), "f"),
    }


def _exact_amount(form: Form) -> Decimal:
    """Minor units, with up to twelve digits after the point."""
    whole, exact = form.integer("unit_amount"), form.text("unit_amount_decimal")
    if whole is not None and exact is not None:
        raise refused(
            "You may only specify one of these parameters: unit_amount, unit_amount_decimal.",
            param="unit_amount",
        )
    if whole is None and exact is None:
        raise refused(
            "You must specify either `unit_amount`, `unit_amount_decimal`, or "
            "`custom_unit_amount` when creating a price.",
            "parameter_missing",
            "unit_amount",
        )
    try:
        amount = Decimal(whole if whole is not None else str(exact))
    except InvalidOperation:
        raise refusals.not_a_decimal("unit_amount_decimal", exact) from None
    if not 0 <= amount <= _MOST:
        name = "unit_amount" if whole is not None else "unit_amount_decimal"
        raise (
            refusals.too_small(name, 0)
            if amount < 0
            else refusals.malformed(name, f"Amount must be no more than {_MOST}.")
        )
    return amount


def recurring(given: Json) -> Json | None:
    """How often a price comes again; null when it does not."""
    if not given:
        return None
    form = Form(given)
    form.only(("interval", "interval_count", "trial_period_days", "usage_type", "meter"))
    if form.text("usage_type") == "metered":
        raise refused("This simulator has no metered prices.", param="recurring[usage_type]")
    form.needed("interval")
    return {
        "interval": form.choice("interval", INTERVALS),
        "interval_count": form.amount("interval_count") or 1,
        "meter": None,
        "trial_period_days": form.integer("trial_period_days"),
        "usage_type": "licensed",
    }


def put(call: Call, form: Form, product: str, terms: Json, price_id: str | None = None) -> Json:
    """A price on its shelf, of which nobody has been told yet."""
    lookup_key = form.text("lookup_key")
    _take_lookup_key(call, lookup_key, form)
    price: Json = {
        "id": price_id or call.world.ids.new("price"),
        "object": "price",
        "active": form.flag("active") if "active" in form else True,
        "billing_scheme": "per_unit",
        "created": call.now,
        "currency": terms["currency"],
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": lookup_key,
        "metadata": form.metadata(),
        "nickname": form.text("nickname"),
        "product": product,
        "recurring": terms["recurring"],
        "tax_behavior": form.text("tax_behavior") or "unspecified",
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "recurring" if terms["recurring"] else "one_time",
        "unit_amount": terms["unit_amount"],
        "unit_amount_decimal": terms["unit_amount_decimal"],
    }
    return call.world.put(call.book, "price", price)


def plan_of(price: Json) -> Json:
    """The same recurring price in its older shape."""
    period = price["recurring"]
    plan: Json = {name: price[name] for name in _SHARED}
    return {
        "id": price["id"],
        "object": "plan",
        "active": price["active"],
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        **plan,
        "interval": period["interval"],
        "interval_count": period["interval_count"],
        "livemode": False,
        "metadata": dict(price["metadata"]),
        "meter": None,
        "nickname": price["nickname"],
        "product": price["product"],
        "tiers_mode": None,
        "transform_usage": None,
        "trial_period_days": period["trial_period_days"],
        "usage_type": period["usage_type"],
    }


def announce(call: Call, verb: str, price: Json, previous: Json | None = None) -> None:
    """`price.…`, and `plan.…` too when it is recurring: Stripe tells both."""
    if price["recurring"]:
        plan = plan_of(price)
        known = None if previous is None else {k: v for k, v in previous.items() if k in plan}
        if known != {}:
            events.emit(call, f"plan.{verb}", plan, known)
    events.emit(call, f"price.{verb}", price, previous)


def amend(call: Call, price: Json, changes: Json) -> None:
    before = {name: price[name] for name in changes}
    price.update(changes)
    previous = events.difference(before, changes)
    if previous:
        announce(call, "updated", price, previous)


def _take_lookup_key(call: Call, key: str | None, form: Form) -> None:
    """A lookup key leads to one price; taking it from another has to be asked for."""
    shelf = call.book.shelf("price").values()
    holder = next((price for price in shelf if key and price["lookup_key"] == key), None)
    if holder is None:
        return
    if not form.flag("transfer_lookup_key"):
        raise refused(
            f"A price (`{holder['id']}`) already uses that lookup key.", param="lookup_key"
        )
    holder["lookup_key"] = None


def update(call: Call) -> Json:
    price, form = call.book.get("price", call.path["id"]), call.form
    if "currency_options" in form:
        raise refused("This simulator has no prices with `currency_options`.")
    changes: Json = {"metadata": merged(price["metadata"], form.metadata())}
    if "active" in form:
        changes["active"] = form.flag("active")
    if "nickname" in form:
        changes["nickname"] = form.text("nickname")
    if "lookup_key" in form and form.text("lookup_key") != price["lookup_key"]:
        _take_lookup_key(call, form.text("lookup_key"), form)
        changes["lookup_key"] = form.text("lookup_key")
    behavior = form.choice("tax_behavior", ("exclusive", "inclusive", "unspecified"))
    if behavior and behavior != price["tax_behavior"]:
        if price["tax_behavior"] != "unspecified":
            raise refused("You cannot change `tax_behavior` once it is set.", param="tax_behavior")
        changes["tax_behavior"] = behavior
    amend(call, price, changes)
    return price


def retrieve(call: Call) -> Json:
    return call.book.get("price", call.path["id"])


def listing(call: Call) -> Json:
    keys, often = call.form.texts("lookup_keys"), call.form.mapping("recurring")

    def keep(row: Json) -> bool:
        if keys and row["lookup_key"] not in keys:
            return False
        period: dict[str, Any] = row["recurring"] or {}
        if any(period.get(name) != value for name, value in often.items()):
            return False
        return as_flagged(call, row, "active")

    equal = ("currency", "product", "type")
    return page(call, call.book.shelf("price"), equal=equal, keep=keep)


def as_flagged(call: Call, row: Json, *names: str) -> bool:
    return all(row[name] == call.form.flag(name) for name in names if name in call.form)
