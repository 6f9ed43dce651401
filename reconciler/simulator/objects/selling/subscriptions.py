"""Subscriptions: who has agreed to pay what again and again, and how far that has come.

No invoices are made, and so a subscription takes no money: the service that this simulator is for
collects by payment intents of its own and does not use Stripe's billing. What needs an invoice is
refused, or left out: a subscription begins `active` where Stripe would first collect, is never
`incomplete`, `past_due` or `unpaid`, and `latest_invoice` stays null. Trials, pauses, periods,
cancellations and their events are as at Stripe.
"""

from reconciler.simulator.kernel import refusals
from reconciler.simulator.kernel.clock import DAY
from reconciler.simulator.kernel.form import Form, merged
from reconciler.simulator.kernel.pages import page
from reconciler.simulator.kernel.refusals import no_such, refused
from reconciler.simulator.kernel.world import Call, Json
from reconciler.simulator.objects.selling import coupons
from reconciler.simulator.objects.selling import subscription_items as items
from reconciler.simulator.objects.selling import subscription_life as life

_COMMON = (
    "add_invoice_items application_fee_percent automatic_tax billing_cycle_anchor "
    "billing_schedules billing_thresholds cancel_at cancel_at_period_end collection_method coupon "
    "days_until_due default_payment_method default_source default_tax_rates description discounts "
    "invoice_settings items metadata off_session on_behalf_of payment_behavior payment_settings "
    "pending_invoice_item_interval promotion_code proration_behavior transfer_data trial_end "
    "trial_from_plan trial_settings"
)
TERMS = (
    f"{_COMMON} backdate_start_date billing_cycle_anchor_config billing_mode currency customer "
    "customer_account trial_period_days"
)
CHANGES = f"{_COMMON} cancellation_details pause_collection proration_date"
CANCELLATION = "cancellation_details invoice_now prorate"
RESUMPTION = "billing_cycle_anchor proration_behavior proration_date"
FILTERS = (
    "automatic_tax collection_method created current_period_end current_period_start customer "
    "customer_account plan price status test_clock"
)
"""What these operations take: they are not in the part of Stripe's schema that is kept here."""

_NEEDS_INVOICES = (
    "add_invoice_items",
    "backdate_start_date",
    "billing_schedules",
    "billing_thresholds",
    "default_tax_rates",
    "pending_invoice_item_interval",
)
_AT_TRIAL_END = ("cancel", "create_invoice", "pause")


def create(call: Call) -> Json:
    form = call.form
    customer = call.book.get("customer", form.needed("customer"), "customer")
    _refuse_invoices(form)
    asked = items.asked_for(call)
    if not asked:
        raise refusals.missing_parameter("items")
    wanted = [items.price_of(call, row, f"items[{n}]") for n, row in enumerate(asked)]
    items.check_alike(wanted)
    trial_end = _trial_end(call, wanted)
    subscription = life.blank(call, customer["id"], wanted[0]["currency"])
    subscription.update(_settings(call, subscription))
    if trial_end is None and not life.payable(call, subscription):
        raise refused(
            "This customer has no attached payment source or default payment method. Please "
            "consider adding a default payment method. For more information, visit "
            "https://stripe.com/docs/billing/subscriptions/payment-methods-setting#"
            "payment-method-priority.",
            "resource_missing",
        )
    call.world.put(call.book, "subscription", subscription)
    call.book.belong(customer["id"], "subscriptions", subscription["id"])
    for row, price in zip(asked, wanted, strict=True):
        items.add(call, subscription, price, row)
    _discount(call, subscription)
    life.begin(call, subscription, trial_end)
    return subscription


def _refuse_invoices(form: Form) -> None:
    for name in _NEEDS_INVOICES:
        if name in form:
            raise refused(f"This simulator makes no invoices, which `{name}` needs.", param=name)
    if form.text("payment_behavior") in ("default_incomplete", "pending_if_incomplete"):
        raise refused(
            "This simulator makes no invoices: a subscription is never incomplete.",
            param="payment_behavior",
        )


def _trial_end(call: Call, prices: list[Json]) -> int | None:
    """When a trial that begins now would end; null without one."""
    given, days = call.form.text("trial_end"), call.form.integer("trial_period_days")
    if given is not None and days is not None:
        raise refused(
            "You may only specify one of these parameters: trial_end, trial_period_days.",
            param="trial_end",
        )
    if given == "now":
        return None
    if given is not None:
        end = call.form.integer("trial_end") or 0
        if end <= call.now:
            raise refused("Invalid timestamp: must be an integer Unix timestamp in the future.")
        return end
    if days is None and call.form.flag("trial_from_plan"):
        days = prices[0]["recurring"]["trial_period_days"]
    return call.now + days * DAY if days else None


def _settings(call: Call, subscription: Json) -> Json:
    """What create and update set alike, as far as the form names it."""
    form = call.form
    changes: Json = {"metadata": merged(subscription["metadata"], form.metadata())}
    for name in ("description", "on_behalf_of"):
        if name in form:
            changes[name] = form.text(name)
    given = form.text("default_payment_method")
    if given:
        call.book.get("payment_method", given, "default_payment_method")
        changes["default_payment_method"] = given
    if "collection_method" in form:
        choices = ("charge_automatically", "send_invoice")
        changes["collection_method"] = form.choice("collection_method", choices)
        changes["days_until_due"] = form.integer("days_until_due")
    if "cancel_at_period_end" in form:
        changes["cancel_at_period_end"] = form.flag("cancel_at_period_end")
    if "cancel_at" in form:
        changes["cancel_at"] = form.integer("cancel_at")
    missing = Form(Form(form.mapping("trial_settings")).mapping("end_behavior"))
    behavior = missing.choice("missing_payment_method", _AT_TRIAL_END)
    if behavior:
        changes["trial_settings"] = {"end_behavior": {"missing_payment_method": behavior}}
    if "pause_collection" in form:
        pause = Form(form.mapping("pause_collection"))
        behavior = pause.choice("behavior", ("keep_as_draft", "mark_uncollectible", "void"))
        resumes = pause.integer("resumes_at")
        changes["pause_collection"] = behavior and {"behavior": behavior, "resumes_at": resumes}
    return changes


def _discount(call: Call, subscription: Json) -> None:
    given = [row for row in call.form.values.get("discounts") or [] if isinstance(row, dict)]
    named = [Form(row).text("coupon") for row in given] + [call.form.text("coupon")]
    for coupon_id in named:
        if coupon_id:
            coupon = coupons.usable(call, coupon_id, "discounts[0][coupon]")
            made = coupons.discount(call, coupon, subscription=subscription["id"])
            subscription["discounts"].append(made["id"])


# What else is asked.


def update(call: Call) -> Json:
    subscription = _living(call)
    _refuse_invoices(call.form)
    changes = _settings(call, subscription)
    if "cancellation_details" in call.form:
        changes["cancellation_details"] = _details(call, subscription)
    if changes.get("cancel_at_period_end") is False or changes.get("cancel_at", 0) is None:
        changes["canceled_at"] = None
    elif changes.get("cancel_at_period_end") or changes.get("cancel_at"):
        changes["canceled_at"] = call.now
        details = changes.get("cancellation_details") or subscription["cancellation_details"]
        changes["cancellation_details"] = {**details, "reason": "cancellation_requested"}
    trial = call.form.text("trial_end")
    trial_end = _trial_end(call, []) if trial else None
    with life.told(call, subscription):
        subscription.update(changes)
        if items.change(call, subscription):
            rows = items.of(call, subscription)
            items.check_alike([call.book.get("price", row["price"]) for row in rows])
        if trial_end:
            life.put_on_trial(call, subscription, trial_end)
    if trial == "now" and subscription["status"] == "trialing":
        life.end_trial(call, subscription)
    elif trial_end or subscription["cancel_at"]:
        life.plan_ahead(call, subscription)
    return subscription


def cancel(call: Call) -> Json:
    subscription = _living(call)
    details = _details(call, subscription)
    subscription["cancellation_details"] = {**details, "reason": "cancellation_requested"}
    life.cancel(call, subscription)
    return subscription


def resume(call: Call) -> Json:
    subscription = _living(call)
    if subscription["status"] != "paused":
        raise refused(
            f"Subscription {subscription['id']} is not paused and cannot be resumed.",
            "resource_invalid",
        )
    life.resume(call, subscription)
    return subscription


def retrieve(call: Call) -> Json:
    return call.book.get("subscription", call.path["id"])


def listing(call: Call) -> Json:
    """Without a status, all but those that have ended."""
    status, price = call.form.text("status"), call.form.text("price") or call.form.text("plan")

    def keep(row: Json) -> bool:
        if price and price not in [item["price"] for item in items.of(call, row)]:
            return False
        if status in (None, "ended"):
            return (row["status"] in life.ENDED) == (status == "ended")
        return status in ("all", row["status"])

    equal = ("customer", "collection_method")
    return page(call, call.book.shelf("subscription"), equal=equal, keep=keep)


def _living(call: Call) -> Json:
    subscription = call.book.get("subscription", call.path["id"])
    if subscription["status"] in life.ENDED:
        raise no_such("subscription", subscription["id"])
    return subscription


def _details(call: Call, subscription: Json) -> Json:
    given = Form(call.form.mapping("cancellation_details"))
    held: Json = subscription["cancellation_details"]
    return {**held, **{name: given.text(name) for name in ("comment", "feedback") if name in given}}
