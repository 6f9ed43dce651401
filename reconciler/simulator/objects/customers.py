"""Customers: a name that payments can belong to, and little more."""

from reconciler.simulator.kernel.form import merged
from reconciler.simulator.kernel.pages import page
from reconciler.simulator.kernel.world import Call, Json
from reconciler.simulator.objects import events
from reconciler.simulator.objects.cards import method_for

_TEXTS = ("description", "email", "name", "phone")


def create(call: Call) -> Json:
    customer: Json = {
        "id": call.world.ids.new("cus"),
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": call.now,
        "currency": None,
        "customer_account": None,
        "default_source": None,
        "delinquent": False,
        "discount": None,
        "invoice_settings": {"default_payment_method": None},
        "livemode": False,
        "metadata": call.form.metadata(),
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }
    customer.update({name: call.form.text(name) for name in _TEXTS})
    call.world.put(call.book, "customer", customer)
    given = call.form.text("payment_method")
    if given:
        method_for(call, given)["customer"] = customer["id"]
    events.emit(call, "customer.created", customer)
    return customer


def update(call: Call) -> Json:
    customer = call.book.get("customer", call.path["id"])
    changes: Json = {"metadata": merged(customer["metadata"], call.form.metadata())}
    changes.update({name: call.form.text(name) for name in _TEXTS if name in call.form})
    events.amend(call, customer, changes, "customer.updated")
    return customer


def retrieve(call: Call) -> Json:
    return call.book.get("customer", call.path["id"])


def listing(call: Call) -> Json:
    return page(call, call.book.shelf("customer"), equal=("email",))
