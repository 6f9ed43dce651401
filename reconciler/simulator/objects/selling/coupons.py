"""Coupons, the discounts they become, and the codes customers type to get them.

A discount says who has which coupon since when. What a coupon takes off an amount is computed
here; from what it is taken is decided by those who charge.
"""

from decimal import Decimal, InvalidOperation
from fractions import Fraction

from reconciler.simulator.kernel import refusals
from reconciler.simulator.kernel.form import merged
from reconciler.simulator.kernel.money import half_up
from reconciler.simulator.kernel.pages import page
from reconciler.simulator.kernel.refusals import refused
from reconciler.simulator.kernel.world import Call, Json, World
from reconciler.simulator.objects.notices import events
from reconciler.simulator.objects.selling.periods import later

COUPON = (
    "amount_off applies_to currency currency_options duration duration_in_months id "
    "max_redemptions metadata name percent_off redeem_by"
)
COUPON_CHANGES = "currency_options metadata name"
COUPON_FILTERS = "created"
"""What these operations take: they are not in the part of Stripe's schema that is kept here."""

_DURATIONS = ("forever", "once", "repeating")


def create(call: Call) -> Json:
    form = call.form
    given = form.text("id")
    if given and given in call.book.shelf("coupon"):
        raise refused("Coupon already exists.", "resource_already_exists", "id")
    for name in ("applies_to", "currency_options"):
        if name in form:
            raise refused(f"This simulator has no coupons with `{name}`.", param=name)
    amount, currency, percent = _off(call)
    duration, months = _duration(call)
    redeem_by = form.integer("redeem_by")
    if redeem_by is not None and redeem_by <= call.now:
        raise refused("redeem_by must be in the future.", param="redeem_by")
    coupon: Json = {
        "id": given or call.world.ids.new("coupon")[-8:].upper(),
        "object": "coupon",
        "amount_off": amount,
        "created": call.now,
        "currency": currency,
        "duration": duration,
        "duration_in_months": months,
        "livemode": False,
        "max_redemptions": form.amount("max_redemptions"),
        "metadata": form.metadata(),
        "name": form.text("name"),
        "percent_off": percent,
        "redeem_by": redeem_by,
        "times_redeemed": 0,
        "valid": True,
    }
    call.world.put(call.book, "coupon", coupon)
    if redeem_by is not None:
        call.world.clock.at(redeem_by, "coupon_ends", account=call.book.id, coupon=coupon["id"])
    events.emit(call, "coupon.created", coupon)
    return coupon


def _off(call: Call) -> tuple[int | None, str | None, float | None]:
    """A sum in a currency, or a percentage: one of them."""
    amount, percent = call.form.amount("amount_off"), call.form.text("percent_off")
    if (amount is None) == (percent is None):
        raise refused(
            "You must pass either percent_off or amount_off."
            if amount is None
            else "You cannot pass both percent_off and amount_off.",
            param="percent_off",
        )
    if percent is None:
        return amount, call.form.needed("currency").lower(), None
    try:
        share = Decimal(percent)
    except InvalidOperation:
        raise refusals.not_a_decimal("percent_off", percent) from None
    if not 0 < share <= 100:
        message = "percent_off must be greater than 0 and at most 100."
        raise refusals.malformed("percent_off", message)
    return None, None, float(share)


def _duration(call: Call) -> tuple[str, int | None]:
    duration = call.form.choice("duration", _DURATIONS) or "once"
    months = call.form.amount("duration_in_months")
    if (duration == "repeating") != (months is not None):
        raise refused(
            "You must pass duration_in_months when passing duration=repeating."
            if months is None
            else "You can only pass duration_in_months when passing duration=repeating.",
            param="duration_in_months",
        )
    return duration, months


def retrieve(call: Call) -> Json:
    return call.book.get("coupon", call.path["id"])


def listing(call: Call) -> Json:
    return page(call, call.book.shelf("coupon"))


def update(call: Call) -> Json:
    coupon = call.book.get("coupon", call.path["id"])
    changes: Json = {"metadata": merged(coupon["metadata"], call.form.metadata())}
    if "name" in call.form:
        changes["name"] = call.form.text("name")
    events.amend(call, coupon, changes, "coupon.updated")
    return coupon


def delete(call: Call) -> Json:
    """No new customer can get it; discounts already given stay."""
    coupon = call.book.get("coupon", call.path["id"])
    call.book.shelf("coupon").pop(coupon["id"])
    call.world.index.pop(coupon["id"])
    coupon["valid"] = False
    events.emit(call, "coupon.deleted", coupon)
    return {"id": coupon["id"], "object": "coupon", "deleted": True}


def end(world: World, account: str, coupon: str) -> None:
    """`redeem_by` has come."""
    found = world.books[account].shelf("coupon").get(coupon)
    if found is not None:
        found["valid"] = False


# Discounts.


def usable(call: Call, coupon_id: str, param: str) -> Json:
    """The coupon, if it can still be given to somebody."""
    coupon = call.book.get("coupon", coupon_id, param)
    if not coupon["valid"]:
        raise refused(f"Coupon {coupon_id} is expired.", "coupon_expired", param)
    return coupon


def amount_off(coupon: Json, amount: int) -> int:
    """What the coupon takes off an amount, never more than all of it."""
    if coupon["percent_off"] is None:
        return min(amount, int(coupon["amount_off"]))
    return half_up(Fraction(str(coupon["percent_off"])) * amount / 100)


def discount(call: Call, coupon: Json, **of_what: str | None) -> Json:
    """A new discount on its shelf, of which nobody has been told; the coupon is redeemed."""
    months = coupon["duration_in_months"]
    made: Json = {
        "id": call.world.ids.new("di"),
        "object": "discount",
        "checkout_session": None,
        "customer": None,
        "customer_account": None,
        "end": later(call.now, "month", months) if months else None,
        "invoice": None,
        "invoice_item": None,
        "promotion_code": None,
        "source": {"coupon": coupon["id"], "type": "coupon"},
        "start": call.now,
        "subscription": None,
        "subscription_item": None,
        **of_what,
    }
    _redeem(coupon)
    return call.world.put(call.book, "discount", made)


def _redeem(coupon: Json) -> None:
    coupon["times_redeemed"] += 1
    most = coupon["max_redemptions"]
    if most is not None and coupon["times_redeemed"] >= most:
        coupon["valid"] = False


def apply(call: Call, customer: Json, coupon_id: str | None) -> None:
    """The customer has this coupon's discount from now on; with no coupon, has none.

    Call it after `customer.created`, or after the other changes of an update.
    """
    held = customer["discount"]
    if not coupon_id:
        if held is not None:
            customer["discount"] = None
            events.emit(call, "customer.discount.deleted", held)
        return
    coupon = usable(call, coupon_id, "coupon")
    made = discount(call, coupon, customer=customer["id"])
    customer["discount"] = made
    if made["end"] is not None:
        details = {"customer": customer["id"], "discount": made["id"]}
        call.world.clock.at(made["end"], "discount_ends", account=call.book.id, **details)
    if held is None:
        events.emit(call, "customer.discount.created", made)
    else:
        before = {name: held[name] for name in held if held[name] != made[name]}
        events.emit(call, "customer.discount.updated", made, before)


def run_out(world: World, account: str, customer: str, discount: str) -> None:
    """A repeating coupon's months are over."""
    call = Call(world, world.books[account])
    holder = call.book.shelf("customer").get(customer)
    if holder and holder.get("discount") and holder["discount"]["id"] == discount:
        apply(call, holder, None)


def delete_from_customer(call: Call) -> Json:
    """`DELETE /v1/customers/{id}/discount`"""
    customer = call.book.get("customer", call.path["id"])
    held = customer["discount"]
    if held is None:
        raise refused(f"No active discount for customer: {customer['id']}", "resource_missing")
    apply(call, customer, None)
    return {**held, "deleted": True}
