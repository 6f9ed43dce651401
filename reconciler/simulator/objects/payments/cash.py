"""Customers' cash: money sent by bank transfer, waiting to be applied to their payments.

It belongs to the customer until a payment is funded in full; only then does it reach the balance,
as that payment's charge.
"""

from reconciler.simulator.kernel.pages import page
from reconciler.simulator.kernel.refusals import no_such, refused
from reconciler.simulator.kernel.world import Call, Json
from reconciler.simulator.objects.notices import events
from reconciler.simulator.objects.payments import (
    bank_instructions,
    charge_details,
    charge_money,
    charges,
    payment_rules,
    payment_states,
)

_ENTRY = "customer_cash_balance_transaction"


# Payments that wait for a bank transfer.


def admit(intent: Json) -> str:
    """The kind of transfer that will be waited for, if it can be."""
    if intent["customer"] is None:
        message = "A customer must be provided when using the `customer_balance` payment method."
        raise refused(message, "parameter_missing", "customer")
    asked = intent["payment_method_options"].get("customer_balance", {})
    return bank_instructions.kind_of(asked, intent["currency"])


def await_funds(call: Call, intent: Json, method: Json) -> Json:
    """Take what the customer has already sent; for the rest, say where to send it."""
    kind = admit(intent)
    customer = call.book.get("customer", intent["customer"])
    intent.setdefault("_funded", 0)
    action = bank_instructions.action(intent, kind)
    waiting = customer.setdefault("_awaiting", [])
    if intent["id"] not in waiting:
        waiting.append(intent["id"])
    payment_states.ask(call, intent, method, action)
    if _mode(customer) == "automatic":
        _apply(call, customer, intent, held(customer, intent["currency"]))
    return intent


def apply(call: Call, intent: Json) -> Json:
    """By request, where cash is not applied by itself."""
    waits = intent["status"] == "requires_action" and "_funded" in intent
    if not waits:
        raise payment_rules.wrong_state(intent, "fund", ("requires_action",))
    currency = (call.form.text("currency") or intent["currency"]).lower()
    if currency != intent["currency"]:
        message = f"The currency must be that of the PaymentIntent ({intent['currency']})."
        raise refused(message, param="currency")
    customer = call.book.get("customer", intent["customer"])
    wanted = call.form.amount() or intent["amount"] - intent["_funded"]
    available = held(customer, currency)
    if call.form.amount() and wanted > min(available, intent["amount"] - intent["_funded"]):
        message = "The amount exceeds the customer's cash balance or what is left to pay."
        raise refused(message, "amount_too_large", "amount")
    _apply(call, customer, intent, min(wanted, available))
    return intent


def give_back(call: Call, intent: Json) -> None:
    """A payment that is called off returns what had been applied to it."""
    funded = intent.pop("_funded", 0)
    if intent["customer"] is None:
        return
    customer = call.book.get("customer", intent["customer"])
    if intent["id"] in customer.get("_awaiting", []):
        customer["_awaiting"].remove(intent["id"])
    if funded:
        about = {"payment_intent": intent["id"]}
        _enter(call, customer, intent["currency"], funded, "unapplied_from_payment", about)


def _apply(call: Call, customer: Json, intent: Json, available: int) -> None:
    part = min(available, intent["amount"] - intent["_funded"])
    if part < 1:
        return
    about = {"payment_intent": intent["id"]}
    _enter(call, customer, intent["currency"], -part, "applied_to_payment", about)
    intent["_funded"] += part
    left = intent["amount"] - intent["_funded"]
    if left:
        intent["next_action"]["display_bank_transfer_instructions"]["amount_remaining"] = left
        events.emit(call, "payment_intent.partially_funded", intent)
        return
    customer["_awaiting"].remove(intent["id"])
    _pay(call, intent)


def _pay(call: Call, intent: Json) -> None:
    method = call.book.get("payment_method", intent["payment_method"])
    charge = charges.attempt(call, intent, method)
    receipt = charge_details.receipt(call, charge["id"])
    charge.update(paid=True, receipt_url=receipt, status="succeeded")
    intent["latest_charge"] = charge["id"]
    charge_money.book_money(call, charge)
    payment_states.succeed(call, intent, intent["amount"])
    events.emit(call, "charge.succeeded", charge)
    events.emit(call, "payment_intent.succeeded", intent)


# The cash itself.


def held(customer: Json, currency: str) -> int:
    cash: dict[str, int] = customer.get("_cash", {})
    return cash.get(currency, 0)


def fund(call: Call) -> Json:
    """A test helper: the customer's bank transfer arrives."""
    customer = _customer(call)
    amount = payment_rules.given_amount(call.form)
    currency = call.form.needed("currency").lower()
    reference = call.form.text("reference")
    funded = {"bank_transfer": bank_instructions.arrived(currency, reference)}
    entry = _enter(call, customer, currency, amount, "funded", funded)
    if _mode(customer) == "automatic":
        _reconcile(call, customer, currency)
    if held(customer, currency):
        events.emit(call, "cash_balance.funds_available", view(customer))
    return entry


def _reconcile(call: Call, customer: Json, currency: str) -> None:
    """The oldest payments are funded first."""
    for waiting in list(customer.get("_awaiting", [])):
        intent = call.book.get("payment_intent", waiting)
        if intent["currency"] == currency:
            _apply(call, customer, intent, held(customer, currency))


def _enter(call: Call, customer: Json, currency: str, net: int, kind: str, about: Json) -> Json:
    cash = customer.setdefault("_cash", {})
    cash[currency] = cash.get(currency, 0) + net
    entry: Json = {
        "id": call.world.ids.new("ccsbtxn"),
        "object": _ENTRY,
        kind: about,
        "created": call.now,
        "currency": currency,
        "customer": customer["id"],
        "customer_account": None,
        "ending_balance": cash[currency],
        "livemode": False,
        "net_amount": net,
        "type": kind,
    }
    call.world.put(call.book, _ENTRY, entry)
    call.book.belong(customer["id"], "cash_transactions", entry["id"])
    events.emit(call, f"{_ENTRY}.created", entry)
    return entry


def view(customer: Json) -> Json:
    cash = {currency: held for currency, held in customer.get("_cash", {}).items() if held}
    return {
        "object": "cash_balance",
        "available": cash or None,
        "customer": customer["id"],
        "customer_account": None,
        "livemode": False,
        "settings": {
            "reconciliation_mode": _mode(customer),
            "using_merchant_default": "_cash_mode" not in customer,
        },
    }


def _mode(customer: Json) -> str:
    return str(customer.get("_cash_mode", "automatic"))


# What can be asked.


def retrieve(call: Call) -> Json:
    return view(_customer(call))


def update(call: Call) -> Json:
    customer = _customer(call)
    mode = call.form.mapping("settings").get("reconciliation_mode")
    if mode not in (None, "automatic", "manual", "merchant_default"):
        message = "Invalid settings[reconciliation_mode]: must be automatic, manual, or "
        raise refused(f"{message}merchant_default", param="settings[reconciliation_mode]")
    if mode == "merchant_default":
        customer.pop("_cash_mode", None)
    elif mode:
        customer["_cash_mode"] = mode
    return view(customer)


def list_entries(call: Call) -> Json:
    customer = _customer(call)
    ids = call.book.children.get(f"{customer['id']}/cash_transactions", [])
    return page(call, call.book.shelf(_ENTRY), within=ids)


def retrieve_entry(call: Call) -> Json:
    entry = call.book.get(_ENTRY, call.path["transaction"])
    if entry["customer"] != call.path["id"]:
        raise no_such(_ENTRY, entry["id"])
    return entry


def _customer(call: Call) -> Json:
    return call.book.get("customer", call.path["id"])
