"""Checkout sessions: made by the platform, open for a customer until they end.

A session ends complete, when its customer has paid or left a card, or expired. What the customer
does on the page is in `checkout_course.py`.
"""

from reconciler.simulator.kernel.form import Form, merged
from reconciler.simulator.kernel.pages import page
from reconciler.simulator.kernel.refusals import Refusal, no_such, refused
from reconciler.simulator.kernel.world import Call, Json, World
from reconciler.simulator.objects.methods import setups
from reconciler.simulator.objects.notices import events
from reconciler.simulator.objects.payments import payment_rules, payments
from reconciler.simulator.objects.selling import (
    checkout_blank,
    checkout_course,
    checkout_form,
    checkout_items,
    coupons,
    promotion_codes,
)

PAYMENT_DEFERRED_SINCE = "2022-08-01"
"""From this version on, a payment intent is made only when the customer confirms."""


def create(call: Call) -> Json:
    form, mode = call.form, checkout_form.check(call)
    customer = form.text("customer")
    holder = call.book.get("customer", customer, "customer") if customer else None
    selling = mode != "setup"
    wanted = checkout_items.judged(call, mode) if selling else []
    off = checkout_items.discount(call)
    currency = wanted[0].price["currency"] if wanted else checkout_form.needed_currency(form)
    types = checkout_form.method_types(form, currency)
    if wanted:
        _check_total(call, checkout_items.total(wanted, off), currency, types)
    session = checkout_blank.blank(call, mode)
    session.update(payment_method_types=types, currency=currency or None)
    call.world.put(call.book, "checkout.session", session)
    if selling:
        checkout_items.put(call, session, wanted, off)
    if off:
        _give(call, session, off)
    session["customer_details"] = _known(session, holder)
    _remember(form, session)
    if mode == "setup" or (mode == "payment" and call.version < PAYMENT_DEFERRED_SINCE):
        checkout_course.make_intent(call, session)
    about = {"account": call.book.id, "session": session["id"]}
    call.world.clock.at(session["expires_at"], "checkout_expires", **about)
    return session


def _check_total(call: Call, total: int, currency: str, types: list[str]) -> None:
    """Nothing at all may be due, but not next to nothing."""
    try:
        if total:
            payment_rules.check_amount(call, total, currency, types)
    except Refusal as refusal:
        due = "The Checkout Session's total amount due must add up to"
        words = str(refusal).replace("Amount must be", due)
        raise refused(words, refusal.error["code"]) from None
    _check_money(call, total)


def _check_money(call: Call, total: int) -> None:
    """Whom the money goes to must exist, and no more be taken than is paid."""
    data = Form(call.form.mapping("payment_intent_data"))
    destination = Form(data.mapping("transfer_data")).text("destination")
    named = {
        "payment_intent_data[transfer_data][destination]": destination,
        "payment_intent_data[on_behalf_of]": data.text("on_behalf_of"),
    }
    for param, account in named.items():
        book = call.world.books.get(account or call.book.id)
        if book is None or book.deleted:
            raise no_such("destination", account or "", param)
    fee = data.integer("application_fee_amount")
    if fee is None:
        return
    if not destination and call.on_platform:
        raise refused(
            "Can only apply an application_fee_amount when the PaymentIntent is attempting a "
            "direct payment (using an OAuth key or Stripe-Account header) or destination payment "
            "(using `transfer_data[destination]`).",
            param="payment_intent_data[application_fee_amount]",
        )
    if not 0 < fee <= total:
        raise refused(
            "The application fee must be greater than 0 and cannot be more than the payment.",
            param="payment_intent_data[application_fee_amount]",
        )


def _give(call: Call, session: Json, off: checkout_items.Off) -> None:
    code = off.promotion_code
    if code is None:
        session["discounts"] = [{"coupon": off.coupon["id"], "promotion_code": None}]
        coupons.discount(call, off.coupon, checkout_session=session["id"])
        return
    named: str = code["id"]
    session["discounts"] = [{"coupon": None, "promotion_code": named}]
    coupons.discount(call, off.coupon, checkout_session=session["id"], promotion_code=named)
    promotion_codes.redeem(code)


def _known(session: Json, customer: Json | None) -> Json | None:
    """What is known of the customer before the page has asked."""
    email = customer["email"] if customer else session["customer_email"]
    if customer is None and email is None:
        return None
    return {
        "address": None,
        "business_name": None,
        "email": email,
        "individual_name": None,
        "name": None,
        "phone": None,
        "tax_exempt": "none",
        "tax_ids": None,
    }


def _remember(form: Form, session: Json) -> None:
    """What the intent or subscription to come shall be like."""
    for name in ("payment_intent_data", "setup_intent_data", "subscription_data"):
        session[f"_{name}"] = dict(form.mapping(name))
    session["_after_expiration"] = Form(form.mapping("after_expiration")).mapping("recovery")
    recovery = Form(session["_after_expiration"])
    if recovery.flag("enabled"):
        allowed = recovery.flag("allow_promotion_codes")
        kept = {"allow_promotion_codes": allowed, "enabled": True, "expires_at": None, "url": None}
        session["after_expiration"] = {"recovery": kept}


def retrieve(call: Call) -> Json:
    return call.book.get("checkout.session", call.path["id"])


def listing(call: Call) -> Json:
    wanted = Form(call.form.mapping("customer_details")).text("email")

    def keep(row: Json) -> bool:
        return not wanted or (row["customer_details"] or {}).get("email") == wanted

    equal = ("customer", "payment_intent", "payment_link", "status", "subscription")
    return page(call, call.book.shelf("checkout.session"), equal=equal, keep=keep)


def list_items(call: Call) -> Json:
    session = call.book.get("checkout.session", call.path["id"])
    ids = call.book.children.get(f"{session['id']}/line_items", [])
    return page(call, call.book.shelf("item"), within=ids, windows=())


def update(call: Call) -> Json:
    """Metadata at any time; what is sold only while the customer can still see it change."""
    session, form = call.book.get("checkout.session", call.path["id"]), call.form
    if "shipping_options" in form:
        raise refused("This simulator has no checkout with `shipping_options`.")
    if "line_items" in form:
        _must_be_open(session, "updated")
        if session["payment_intent"]:
            raise refused("The line items can no longer be changed.", param="line_items")
        wanted = checkout_items.judged(call, session["mode"])
        checkout_items.put(call, session, wanted, None)
    if "collected_information" in form:
        given = form.mapping("collected_information").get("shipping_details")
        nothing = {"business_name": None, "individual_name": None}
        session["collected_information"] = {**nothing, "shipping_details": _shipping(given)}
    session["metadata"] = (
        {} if form.values.get("metadata") == "" else merged(session["metadata"], form.metadata())
    )
    return session


def _shipping(given: Json | None) -> Json | None:
    if not given:
        return None
    lines = ("city", "country", "line1", "line2", "postal_code", "state")
    address = Form(given.get("address") or {})
    return {"address": {name: address.text(name) for name in lines}, "name": given.get("name")}


def expire(call: Call) -> Json:
    session = call.book.get("checkout.session", call.path["id"])
    end(call, session)
    return session


def end(call: Call, session: Json) -> None:
    """Close an open session for good."""
    _must_be_open(session, "expired")
    _expire(call, session)


def _must_be_open(session: Json, verb: str) -> None:
    if session["status"] != "open":
        raise refused(
            f'Only Checkout Sessions with a status in ["open"] can be {verb}. This Checkout '
            f"Session has a status of `{session['status']}`."
        )


def expire_by_time(world: World, account: str, session: str) -> None:
    call = Call(world, world.books[account])
    thing = call.book.get("checkout.session", session)
    if thing["status"] == "open":
        _expire(call, thing)


def _expire(call: Call, session: Json) -> None:
    """Nothing can be paid any more, and so the intent behind it ends too."""
    session.update(status="expired", url=None, client_secret=None)
    if session["payment_intent"]:
        cancelling = checkout_course.about(call, session["payment_intent"])
        intent = call.book.get("payment_intent", session["payment_intent"])
        if intent["status"] not in ("succeeded", "canceled"):
            payments.cancel(cancelling)
    if session["setup_intent"]:
        intent = call.book.get("setup_intent", session["setup_intent"])
        if intent["status"] not in ("succeeded", "canceled"):
            setups.cancel(checkout_course.about(call, session["setup_intent"]))
    events.emit(call, "checkout.session.expired", session)
