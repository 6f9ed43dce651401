"""What a checkout session sells: its line items, and what they come to.

No taxes and no shipping: their objects are not simulated, and asking for them is refused.
"""

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from reconciler.simulator.kernel import refusals
from reconciler.simulator.kernel.form import Form, merged
from reconciler.simulator.kernel.money import half_up
from reconciler.simulator.kernel.refusals import refused
from reconciler.simulator.kernel.world import Call, Json
from reconciler.simulator.objects.selling import catalogue, coupons, prices, promotion_codes

_MOST = 100


class Wanted(NamedTuple):
    """A line item that has been judged, and is not made yet."""

    form: Form
    price: Json
    quantity: int


class Off(NamedTuple):
    """The discount of a session, not redeemed yet."""

    coupon: Json
    promotion_code: Json | None


def judged(call: Call, mode: str) -> list[Wanted]:
    """The line items of the form, refused if they do not fit each other or the mode."""
    wanted = [_judged(call, form, number) for number, form in enumerate(_forms(call))]
    if not wanted:
        raise refusals.missing_parameter("line_items")
    if len(wanted) > _MOST:
        raise refused(f"You can have up to {_MOST} line items.", param="line_items")
    again = [item.price["recurring"] is not None for item in wanted]
    if mode == "payment" and any(again):
        raise refused(
            "You specified `payment` mode but passed a recurring price. Either switch to "
            "`subscription` mode or use only one-time prices.",
            param="line_items",
        )
    if mode == "subscription" and not any(again):
        raise refused(
            "You must provide at least one recurring price in `subscription` mode when using "
            "prices.",
            param="line_items",
        )
    if len({item.price["currency"] for item in wanted}) > 1:
        raise refused("All line items must have the same currency.", param="line_items")
    return wanted


def _forms(call: Call) -> Iterator[Form]:
    given: Any = call.form.values.get("line_items") or []
    for row in given if isinstance(given, list) else given.values():
        yield Form(row)


def _judged(call: Call, form: Form, number: int) -> Wanted:
    param = f"line_items[{number}]"
    if form.texts("tax_rates") not in ([], [""]):
        raise refused("This simulator has no tax rates.", param=f"{param}[tax_rates]")
    named, described = form.text("price"), form.mapping("price_data")
    if bool(named) == bool(described):
        raise refused(
            "You must specify exactly one of `price` or `price_data` for each line item.",
            param=f"{param}[price]",
        )
    quantity = form.integer("quantity")
    if quantity is None:
        raise refusals.missing_parameter(f"{param}[quantity]")
    if quantity < 0:
        raise refusals.too_small(f"{param}[quantity]", 0)
    if named:
        price = call.book.get("price", named, f"{param}[price]")
        if not price["active"]:
            message = "The price specified is inactive. This field only accepts active prices."
            raise refused(message, "price_inactive", f"{param}[price]")
        return Wanted(form, price, quantity)
    terms = prices.terms(Form(described))
    product = described.get("product")
    if product:
        call.book.get("product", product, f"{param}[price_data][product]")
    elif not described.get("product_data"):
        raise refusals.missing_parameter(f"{param}[price_data][product_data]")
    return Wanted(form, {**terms, "id": None}, quantity)


def total(wanted: list[Wanted], off: Off | None) -> int:
    """What these items come to, less the discount."""
    due = sum(_cost(item.price, item.quantity) for item in wanted)
    return due - coupons.amount_off(off.coupon, due) if off else due


def _cost(price: Json, quantity: int) -> int:
    return half_up(Fraction(Decimal(price["unit_amount_decimal"])) * quantity)


# Discounts.


def discount(call: Call) -> Off | None:
    """The one coupon or promotion code of the form, if it can be used."""
    rows = [Form(row) for row in call.form.values.get("discounts") or []]
    if len(rows) > 1:
        raise refused("You may only specify one discount.", param="discounts")
    if not rows:
        return None
    coupon, code = rows[0].text("coupon"), rows[0].text("promotion_code")
    if (coupon is None) == (code is None):
        message = "You must specify exactly one of `coupon` or `promotion_code`."
        raise refused(message, param="discounts[0]")
    if code is None:
        return Off(coupons.usable(call, str(coupon), "discounts[0][coupon]"), None)
    used = promotion_codes.usable(call, code, "discounts[0][promotion_code]")
    return Off(coupons.usable(call, used["promotion"]["coupon"], "discounts[0]"), used)


# Making them.


def put(call: Call, session: Json, wanted: list[Wanted], off: Off | None) -> None:
    """The session has these items instead of any others; its amounts follow from them."""
    costs = [_cost(item.price, item.quantity) for item in wanted]
    shares = _shares(costs, coupons.amount_off(off.coupon, sum(costs)) if off else 0)
    rows = [
        _item(call, item, cost, share)
        for item, cost, share in zip(wanted, costs, shares, strict=True)
    ]
    # Lists show the newest first, and line items in the order they were given.
    for row in reversed(rows):
        call.world.put(call.book, "item", row)
    relation = f"{session['id']}/line_items"
    call.book.children[relation] = [row["id"] for row in reversed(rows)]
    session.update(
        amount_subtotal=sum(costs),
        amount_total=sum(costs) - sum(shares),
        currency=rows[0]["currency"],
        total_details={"amount_discount": sum(shares), "amount_shipping": 0, "amount_tax": 0},
    )


def _shares(costs: list[int], off: int) -> list[int]:
    """A discount spread over the items by what they cost, to the last minor unit."""
    total, spread, so_far = sum(costs), 0, 0
    shares = []
    for cost in costs:
        so_far += cost
        due = off * so_far // total if total else 0
        shares.append(due - spread)
        spread = due
    return shares


def _item(call: Call, wanted: Wanted, cost: int, off: int) -> Json:
    price = wanted.price if wanted.price["id"] else _described(call, wanted)
    product = call.book.shelf("product").get(price["product"])
    return {
        "id": call.world.ids.new("li"),
        "object": "item",
        "adjustable_quantity": _adjustable(wanted.form),
        "amount_discount": off,
        "amount_subtotal": cost,
        "amount_tax": 0,
        "amount_total": cost - off,
        "currency": price["currency"],
        "description": product["name"] if product else None,
        "metadata": merged({}, wanted.form.metadata()),
        "price": price["id"],
        "quantity": wanted.quantity,
    }


def _described(call: Call, wanted: Wanted) -> Json:
    """A price made for this session alone: nothing else can be sold at it."""
    form = Form({**wanted.form.mapping("price_data"), "active": False})
    price = catalogue.new_price(call, form)
    prices.announce(call, "created", price)
    return price


def _adjustable(form: Form) -> Json | None:
    given = Form(form.mapping("adjustable_quantity"))
    if not given.flag("enabled"):
        return None
    most, least = given.integer("maximum"), given.integer("minimum")
    return {"enabled": True, "maximum": most or 99, "minimum": least or 0}


def of(call: Call, session: Json) -> list[Json]:
    """In the order they were given."""
    return call.book.belonging(session["id"], "line_items", "item")[::-1]
