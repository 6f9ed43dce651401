"""Refunds as they are asked for: made, looked at, called off.

What may be refused is in `refund_refusals`, what becomes of a refund afterwards in `refund_course`.
A refund of a destination charge can take its share of the transfer and of the application fee with
it; nothing else on a connected account is touched.
"""

from fractions import Fraction

from reconciler.simulator.kernel.form import merged
from reconciler.simulator.kernel.money import Settled, half_up
from reconciler.simulator.kernel.pages import page
from reconciler.simulator.kernel.refusals import Refusal, refused
from reconciler.simulator.kernel.world import Call, Json
from reconciler.simulator.objects.balance import ledger, transfers
from reconciler.simulator.objects.balance.ledger import Movement
from reconciler.simulator.objects.notices import events
from reconciler.simulator.objects.payments import application_fees, charges
from reconciler.simulator.objects.returns import refund_course, refund_refusals
from reconciler.simulator.objects.returns.refund_money import method_kind

_REASONS = ("duplicate", "fraudulent", "requested_by_customer")
_CARD_REFERENCE = {
    "reference_status": "pending",
    "reference_type": "acquirer_reference_number",
    "type": "refund",
}

_ROUNDINGS = 2

# Methods that cannot be refunded to where the money came from: the customer is asked by e-mail.
_ASKS_CUSTOMER = frozenset({"boleto", "konbini", "promptpay"})

# Whose refunds have details of their own, and so far nothing in them.
_DETAILED = frozenset(
    {
        *("affirm", "afterpay_clearpay", "alipay", "alma", "amazon_pay", "cashapp", "eps"),
        *("giropay", "grabpay", "klarna", "paynow", "pix", "revolut", "sofort", "twint"),
        *("wechat_pay", "zip"),
    }
)


def create(call: Call) -> Json:
    return make(call, refund_refusals.charge_to_refund(call))


def make(call: Call, charge: Json) -> Json:
    """Refund this charge as the form says."""
    form = call.form
    amount, metadata = form.amount(), form.metadata()
    reason = form.choice("reason", _REASONS)
    refusal = refund_refusals.refusal(call, charge, amount)
    if refusal is not None:
        raise refusal
    if not charge["captured"]:
        return release(call, charge, reason=reason)
    refund = _blank(call, charge, amount or charges.refundable(charge))
    refund.update(metadata=metadata, reason=reason)
    _ask_by_email(call, charge, refund)
    refund_course.must_be_funded(call, charge, refund)
    _put(call, charge, refund)
    _reverse_transfer(call, charge, refund)
    _refund_fee(call, charge, refund)
    refund_course.begin(call, charge, refund)
    _announce(call, charge, refund)
    return refund


def release(
    call: Call, charge: Json, amount: int | None = None, reason: str | None = None, fee: int = 0
) -> Json:
    """What was never captured is let go: all of an authorisation, or the rest after a capture.

    The rest was booked with the charge, so that it also moves money.
    """
    refund = _blank(call, charge, amount or charge["amount"] - charge["amount_refunded"])
    refund.update(reason=reason, status="succeeded")
    if "card" in refund["destination_details"]:
        refund["destination_details"]["card"] = {"type": "reversal"}
    _put(call, charge, refund)
    if amount is not None:
        refund["balance_transaction"] = _release_money(call, charge, refund, fee)["id"]
    refund_course.in_order(refund)
    _announce(call, charge, refund)
    return refund


def cancel(call: Call) -> Json:
    """Only a refund that waits for the customer can be called off through the API."""
    refund = _named(call)
    if refund["status"] != "requires_action":
        raise refused("Canceling this refund is unsupported.")
    return refund_course.return_money(call, refund, "canceled", "merchant_request")


def expire(call: Call) -> Json:
    """A test helper: the customer let the time go by."""
    return refund_course.expire(call, _named(call))


def update(call: Call) -> Json:
    refund = _named(call)
    metadata = merged(refund["metadata"], call.form.metadata())
    refund_course.become(call, refund, {"metadata": metadata})
    return refund


def retrieve(call: Call) -> Json:
    return _named(call)


def listing(call: Call) -> Json:
    return page(call, call.book.shelf("refund"), equal=("charge", "payment_intent"))


# The addresses under a charge, from before refunds had their own.


def create_for_charge(call: Call) -> Json:
    return make(call, _charge(call))


def refund_charge(call: Call) -> Json:
    """The oldest way: answered with the charge."""
    charge = _charge(call)
    make(call, charge)
    return charge


def list_for_charge(call: Call) -> Json:
    charge = _charge(call)
    ids = call.book.children.get(f"{charge['id']}/refunds", [])
    return page(call, call.book.shelf("refund"), within=ids)


def _charge(call: Call) -> Json:
    charge = call.book.shelf("charge").get(call.path["id"])
    if charge is None:
        raise _missing("charge", call.path["id"])
    return charge


def _named(call: Call) -> Json:
    """The refund in the path, of the charge in the path if there is one."""
    named = call.path.get("refund") or call.path["id"]
    refund = call.book.shelf("refund").get(named)
    if refund is None or ("refund" in call.path and refund["charge"] != call.path["id"]):
        raise _missing("refund", named)
    return refund


def _missing(noun: str, named: str) -> Refusal:
    message = f"No such {noun}: '{named}'"
    return Refusal("missing", message, code="resource_missing", param=noun)


# How a refund is made.


def _put(call: Call, charge: Json, refund: Json) -> None:
    call.world.put(call.book, "refund", refund)
    call.book.belong(charge["id"], "refunds", refund["id"])


def _announce(call: Call, charge: Json, refund: Json) -> None:
    events.emit(call, "refund.created", refund)
    changes = charges.after_refund(charge, refund["amount"])
    if refund["reason"] == "fraudulent":
        changes["fraud_details"] = {"user_report": "fraudulent"}
    events.amend(call, charge, changes, "charge.refunded")
    followed = (f"{charge['id']}/disputes", f"{charge['id']}/warnings")
    if charge["refunded"] and not call.book.children.keys().isdisjoint(followed):
        call.world.clock.at(call.now, "charge_refunded", account=call.book.id, charge=charge["id"])


def _ask_by_email(call: Call, charge: Json, refund: Json) -> None:
    kind = method_kind(charge)
    address = call.form.text("instructions_email")
    if address and kind in ("card", "stripe_account"):
        raise refused(
            f"`instructions_email` cannot be used to refund a payment made with {kind}.",
            param="instructions_email",
        )
    address = address or charge["billing_details"]["email"] or charge["receipt_email"]
    if kind in _ASKS_CUSTOMER and not address:
        raise refused(
            f"You must provide `instructions_email` to refund a payment made with {kind}.",
            "parameter_missing",
            "instructions_email",
        )
    if kind in _ASKS_CUSTOMER:
        refund["instructions_email"] = address


def _reverse_transfer(call: Call, charge: Json, refund: Json) -> None:
    """The connected account pays its share of the refund, as far as it has not yet."""
    if not call.form.flag("reverse_transfer"):
        return
    transfer = call.book.get("transfer", charge["transfer"])
    left = transfer["amount"] - transfer["amount_reversed"]
    share = _share(transfer["amount"], left, charge, refund)
    if share:
        reversal = transfers.take_back(call, transfer, share, refund["id"])
        refund["transfer_reversal"] = reversal["id"]


def _refund_fee(call: Call, charge: Json, refund: Json) -> None:
    """The platform gives back its share of the application fee."""
    if not call.form.flag("refund_application_fee") or not charge["application_fee"]:
        return
    home = call.at(call.world.home)
    fee = home.book.get("application_fee", charge["application_fee"])
    left = fee["amount"] - fee["amount_refunded"]
    share = _share(fee["amount"], left, charge, refund)
    if share:
        application_fees.refund_fee(home, fee, share)


def _share(amount: int, left: int, charge: Json, refund: Json) -> int:
    """As much of the amount as is refunded of the charge.

    The last refund also takes what roundings have left over, but not what others never took.
    """
    share = half_up(Fraction(amount * refund["amount"], charge["amount_captured"]))
    ends = refund["amount"] == charges.refundable(charge)
    return left if ends and left - share <= _ROUNDINGS else min(left, share)


def _release_money(call: Call, charge: Json, refund: Json, fee: int) -> Json:
    money: Settled = charges.settled(call, charge, -refund["amount"])
    movement = Movement(
        "refund",
        "partial_capture_reversal",
        money,
        refund["id"],
        fee,
        "REFUND FOR CHARGE (partial capture)",
        charges.available_on(call.book, charge),
    )
    return ledger.post(call, movement)


def _blank(call: Call, charge: Json, amount: int) -> Json:
    kind = method_kind(charge)
    destination: Json = {"type": kind}
    if kind == "card":
        destination = {"card": dict(_CARD_REFERENCE), "type": "card"}
    elif kind in _DETAILED:
        destination[kind] = {}
    return {
        "id": call.world.ids.new("re" if charge["id"].startswith("ch_") else "pyr"),
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": call.now,
        "currency": charge["currency"],
        "customer": charge["customer"],
        "customer_account": None,
        "destination_details": destination,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method": charge["payment_method"],
        "reason": None,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "pending",
        "transfer_reversal": None,
    }
