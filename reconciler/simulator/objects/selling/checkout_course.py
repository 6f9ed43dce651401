"""What the customer does with a checkout session, and what becomes of it.

The customer confirms with a payment method; an intent carries that out, with the rules of every
other intent. The session follows what happens to its intent: it completes when the intent gets
anywhere, stays open when the bank declines, and learns of money that arrives or fails later.
"""

from dataclasses import replace
from typing import Any

from reconciler.simulator.kernel.form import Form
from reconciler.simulator.kernel.refusals import refused
from reconciler.simulator.kernel.world import Call, Json
from reconciler.simulator.objects.methods import customers, methods, setups
from reconciler.simulator.objects.notices import events
from reconciler.simulator.objects.payments import payments
from reconciler.simulator.objects.selling import checkout_items, subscriptions


def about(call: Call, intent: str, **values: Any) -> Call:
    """A call about an intent of a session: the API refuses most of these to everybody else."""
    given = {name: value for name, value in values.items() if value is not None}
    return replace(call, form=Form({**given, "_by_checkout": True}), path={"id": intent})


# The page.


def view(call: Call) -> Json:
    """What the hosted page asks for first; undocumented, and used by the Stripe CLI."""
    return _page(call, call.book.get("checkout.session", call.path["id"]))


def _page(call: Call, session: Json) -> Json:
    shown = ("amount_total", "currency", "mode", "payment_method_types", "payment_status")
    return {
        "id": f"ppage_{session['id'][8:]}",
        "object": "payment_page",
        **{name: session[name] for name in shown},
        "customer_email": (session["customer_details"] or {}).get("email"),
        "livemode": False,
        "payment_intent": session["payment_intent"],
        "session_id": session["id"],
        "setup_intent": session["setup_intent"],
        "status": session["status"],
        "success_url": session["success_url"],
        "url": session["url"],
    }


def confirm_page(call: Call) -> Json:
    """What the hosted page sends when its button is pressed."""
    session = call.book.get("checkout.session", call.path["id"])
    check_open(session)
    expected = call.form.integer("expected_amount")
    if expected is not None and expected != (session["amount_total"] or 0):
        raise refused(
            "The amount of this Checkout Session is not the expected amount.",
            "checkout_amount_mismatch",
            "expected_amount",
        )
    method = methods.method_for(call, call.form.needed("payment_method"))
    confirm(call, session, method)
    return _page(call, session)


def check_open(session: Json) -> None:
    if session["status"] != "open":
        message = "This Checkout Session is no longer active."
        raise refused(message, "checkout_not_active_session")


def confirm(call: Call, session: Json, method: Json) -> None:
    """Try to pay or to save with this method. A decline is raised, and the session stays open."""
    check_open(session)
    if method["type"] not in session["payment_method_types"]:
        raise refused(
            f"The PaymentMethod provided ({method['type']}) is not allowed for this Checkout "
            "Session.",
            param="payment_method",
        )
    session["_method"] = method["id"]
    _find_customer(call, session, method)
    if session["mode"] == "subscription":
        _subscribe(call, session, method)
    elif session["mode"] == "payment" and session["amount_total"] == 0:
        _complete(call, session, "paid")
    else:
        make_intent(call, session)
        _confirm_intent(call, session, method)


def _find_customer(call: Call, session: Json, method: Json) -> None:
    """A customer is made of what the page was told, if the session shall have one."""
    if session["customer"] or session["customer_creation"] != "always":
        return
    details = method["billing_details"]
    email = session["customer_email"] or details["email"]
    form = call.asking(email=email, name=details["name"], phone=details["phone"])
    session["customer"] = customers.create(form)["id"]


def _confirm_intent(call: Call, session: Json, method: Json) -> None:
    if session["mode"] == "payment":
        payments.confirm(about(call, session["payment_intent"], payment_method=method["id"]))
    else:
        setups.confirm(about(call, session["setup_intent"], payment_method=method["id"]))


def make_intent(call: Call, session: Json) -> None:
    """The intent behind a session, unless there is one."""
    if session["mode"] == "payment" and session["payment_intent"] is None:
        intent = _payment(call, session)
        session["payment_intent"] = intent["id"]
    elif session["mode"] == "setup" and session["setup_intent"] is None:
        data = session["_setup_intent_data"]
        wanted = {"payment_method_types": session["payment_method_types"], "usage": "off_session"}
        intent = setups.create(call.asking(customer=session["customer"], **wanted, **data))
        session["setup_intent"] = intent["id"]
    else:
        _join(call, session)
        return
    intent["_checkout_session"] = session["id"]


def _payment(call: Call, session: Json) -> Json:
    wanted = {
        "amount": session["amount_total"],
        "currency": session["currency"],
        "customer": session["customer"],
        "payment_method_options": session["payment_method_options"],
        "payment_method_types": session["payment_method_types"],
    }
    return payments.create(call.asking(**wanted, **session["_payment_intent_data"]))


def _join(call: Call, session: Json) -> None:
    """An intent that is older than its customer learns who that is."""
    kind = "payment_intent" if session["mode"] == "payment" else "setup_intent"
    intent = call.book.get(kind, session[kind])
    if session["customer"] and intent["customer"] is None:
        intent["customer"] = session["customer"]


def _subscribe(call: Call, session: Json, method: Json) -> None:
    """No invoice is made and nothing is paid, see `subscriptions.py`: the card is kept for it."""
    methods.attach_to(call, method, session["customer"])
    rows = checkout_items.of(call, session)
    wanted = {
        "_by_checkout": True,
        "customer": session["customer"],
        "default_payment_method": method["id"],
        "items": [{"price": row["price"], "quantity": row["quantity"]} for row in rows],
    }
    data = {k: v for k, v in session["_subscription_data"].items() if k != "invoice_settings"}
    session["subscription"] = subscriptions.create(call.asking(**wanted, **data))["id"]
    _complete(call, session, "no_payment_required")


# Following the intent.


def paid(call: Call, intent: Json) -> None:
    """The money is there: at once, by capture, or after days."""
    session = _session(call, intent)
    if session is None:
        return
    if session["status"] == "open":
        _complete(call, session, "paid")
    elif session["payment_status"] == "unpaid":
        session["payment_status"] = "paid"
        if not session.get("_held"):
            _tell(call, "checkout.session.async_payment_succeeded", session)


def promised(call: Call, intent: Json) -> None:
    """The customer has done all there is to do, and the money is on its way."""
    session = _session(call, intent)
    if session is not None and session["status"] == "open":
        _complete(call, session, "unpaid")


def held(call: Call, intent: Json) -> None:
    """The money waits to be captured; when it is, that is no news to the platform."""
    session = _session(call, intent)
    if session is not None:
        session["_held"] = True
        promised(call, intent)


def failed(call: Call, intent: Json) -> None:
    """Money that was on its way will not come. Declined at once, the session just stays open."""
    session = _session(call, intent)
    if session is not None and session["status"] == "complete":
        _tell(call, "checkout.session.async_payment_failed", session)


def saved(call: Call, intent: Json) -> None:
    session = _session(call, intent)
    if session is not None and session["status"] == "open":
        _complete(call, session, "no_payment_required")


FOLLOWED = {
    "payment_intent.amount_capturable_updated": held,
    "payment_intent.payment_failed": failed,
    "payment_intent.processing": promised,
    "payment_intent.succeeded": paid,
    "setup_intent.succeeded": saved,
}
"""Which event of an intent leads to what for its session."""


def _session(call: Call, intent: Json) -> Json | None:
    return call.book.shelf("checkout.session").get(intent.get("_checkout_session", ""))


def _complete(call: Call, session: Json, payment_status: str) -> None:
    method = call.book.get("payment_method", session["_method"])
    session.update(
        client_secret=None,
        customer_details=_details(session, method),
        payment_status=payment_status,
        status="complete",
        url=None,
    )
    if session["automatic_tax"]["enabled"]:
        session["automatic_tax"] = {**session["automatic_tax"], "status": "complete"}
    if session["consent_collection"]:
        session["consent"] = _consent(session["consent_collection"])
    if session["customer"] and method["allow_redisplay"] == "unspecified":
        method["allow_redisplay"] = "limited"
    _tell(call, "checkout.session.completed", session)


def _details(session: Json, method: Json) -> Json:
    """Who paid, as the page was told; an address is not asked for when only a card is saved."""
    known, billing = session["customer_details"] or {}, method["billing_details"]
    return {
        "address": None if session["mode"] == "setup" else dict(billing["address"]),
        "business_name": None,
        "email": known.get("email") or billing["email"],
        "individual_name": None,
        "name": billing["name"],
        "phone": billing["phone"],
        "tax_exempt": "none",
        "tax_ids": None if session["mode"] == "setup" else [],
    }


def _consent(asked: Json) -> Json:
    accepted = "accepted" if asked["terms_of_service"] == "required" else None
    return {"promotions": None, "terms_of_service": accepted}


def _tell(call: Call, type_: str, session: Json) -> None:
    """Whatever led here, no request of the platform's caused it."""
    events.emit(replace(call, request=None, key=None), type_, session)
