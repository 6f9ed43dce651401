"""Promotion codes: the words customers type to get a coupon.

The older API names the coupon directly, the newer one inside `promotion`; both are taken.
"""

from reconciler.simulator.kernel import refusals
from reconciler.simulator.kernel.form import Form, merged
from reconciler.simulator.kernel.pages import page
from reconciler.simulator.kernel.refusals import refused
from reconciler.simulator.kernel.world import Call, Json, World
from reconciler.simulator.objects.notices import events
from reconciler.simulator.objects.selling import coupons

TERMS = (
    "active code coupon customer customer_account expires_at max_redemptions metadata promotion "
    "restrictions"
)
CHANGES = "active metadata restrictions"
FILTERS = "active code coupon created customer customer_account"
"""What these operations take: they are not in the part of Stripe's schema that is kept here."""

_RESTRICTIONS = ("first_time_transaction", "minimum_amount", "minimum_amount_currency")


def create(call: Call) -> Json:
    form, promotion = call.form, Form(call.form.mapping("promotion"))
    named = promotion.text("coupon") or form.text("coupon")
    if named is None:
        raise refusals.missing_parameter("promotion")
    customer = form.text("customer")
    if customer:
        call.book.get("customer", customer, "customer")
    code = form.text("code") or call.world.ids.new("code")[-8:].upper()
    shelf = call.book.shelf("promotion_code").values()
    if any(row["active"] and row["code"].lower() == code.lower() for row in shelf):
        raise refused(f"An active promotion code with `code: {code}` already exists.", param="code")
    coupon = coupons.usable(call, named, "promotion[coupon]")
    made: Json = {
        "id": call.world.ids.new("promo"),
        "object": "promotion_code",
        "active": form.flag("active") if "active" in form else True,
        "code": code,
        "created": call.now,
        "customer": customer,
        "customer_account": None,
        "expires_at": form.integer("expires_at"),
        "livemode": False,
        "max_redemptions": form.amount("max_redemptions"),
        "metadata": form.metadata(),
        "promotion": {"coupon": coupon["id"], "type": "coupon"},
        "restrictions": _restrictions(Form(form.mapping("restrictions"))),
        "times_redeemed": 0,
    }
    call.world.put(call.book, "promotion_code", made)
    if made["expires_at"] is not None:
        about = {"account": call.book.id, "promotion_code": made["id"]}
        call.world.clock.at(made["expires_at"], "promotion_code_ends", **about)
    events.emit(call, "promotion_code.created", made)
    return made


def _restrictions(form: Form) -> Json:
    form.only(_RESTRICTIONS)
    return {
        "first_time_transaction": form.flag("first_time_transaction"),
        "minimum_amount": form.integer("minimum_amount"),
        "minimum_amount_currency": form.text("minimum_amount_currency"),
    }


def update(call: Call) -> Json:
    code = call.book.get("promotion_code", call.path["id"])
    changes: Json = {"metadata": merged(code["metadata"], call.form.metadata())}
    if "active" in call.form:
        changes["active"] = call.form.flag("active")
    events.amend(call, code, changes, "promotion_code.updated")
    return code


def retrieve(call: Call) -> Json:
    return call.book.get("promotion_code", call.path["id"])


def listing(call: Call) -> Json:
    coupon = call.form.text("coupon")

    def keep(row: Json) -> bool:
        if coupon and row["promotion"]["coupon"] != coupon:
            return False
        return "active" not in call.form or row["active"] == call.form.flag("active")

    return page(call, call.book.shelf("promotion_code"), equal=("code", "customer"), keep=keep)


def end(world: World, account: str, promotion_code: str) -> None:
    """`expires_at` has come."""
    call = Call(world, world.books[account])
    code = call.book.get("promotion_code", promotion_code)
    events.amend(call, code, {"active": False}, "promotion_code.updated")


def usable(call: Call, code_id: str, param: str) -> Json:
    """The promotion code, if it can still be used; it counts as used when a discount is made."""
    code = call.book.get("promotion_code", code_id, param)
    if not code["active"]:
        raise refused("This promotion code is not active.", "promotion_code_inactive", param)
    return code


def redeem(code: Json) -> None:
    code["times_redeemed"] += 1
    if code["max_redemptions"] is not None and code["times_redeemed"] >= code["max_redemptions"]:
        code["active"] = False
