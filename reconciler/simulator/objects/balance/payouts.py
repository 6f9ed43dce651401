"""Bank payouts: a Stripe balance to a bank account or a debit card, and what becomes of them.

The money leaves the balance when the payout is created. `paid` is only an expectation: a payout can
still fail afterwards, and its money comes back. When payouts are made by themselves is decided in
`payout_schedules.py`, where they can go in `payout_destinations.py`.
"""

from reconciler.simulator.kernel import calendar
from reconciler.simulator.kernel.form import merged
from reconciler.simulator.kernel.money import Settled, half_up, settles_in
from reconciler.simulator.kernel.pages import page
from reconciler.simulator.kernel.refusals import Refusal, insufficient_funds, refused, too_long
from reconciler.simulator.kernel.world import Call, Json, World
from reconciler.simulator.objects.balance import ledger, payout_destinations
from reconciler.simulator.objects.balance.ledger import Movement
from reconciler.simulator.objects.notices import events

_WHOLE_UNITS_ONLY = ("huf", "twd")
_LONGEST_DESCRIPTOR = 22
_LEAST_INSTANT_FEE = 50
_REVERSIBLE_COUNTRIES = ("US", "CA")

_FAILURES = {
    "account_closed": "The bank account has been closed.",
    "account_frozen": "The bank account has been frozen.",
    "could_not_process": "The bank could not process this payout.",
    "debit_not_authorized": "Debit transactions are not approved on the bank account.",
    "declined": "The bank has declined this transfer. Please contact the bank before retrying.",
    "insufficient_funds": "Your Stripe account has insufficient funds to cover the payout.",
    "invalid_account_number": "The routing number seems correct, but the account number is not.",
    "invalid_currency": "The bank was unable to process this payout because of its currency.",
    "no_account": "The bank account details on file are probably incorrect. No bank account could "
    "be located with those details.",
    "unsupported_card": "The bank no longer supports payouts to this card.",
}


def create(call: Call) -> Json:
    form = call.form
    amount, currency = form.needed_amount(), form.needed("currency").lower()
    metadata = form.metadata()
    method = form.choice("method", ("standard", "instant")) or "standard"
    source_type = form.choice("source_type", ("bank_account", "card", "fpx")) or "card"
    descriptor = form.text("statement_descriptor")
    refusal = _refusal(call, amount, currency, descriptor)
    if refusal is not None:
        raise refusal
    to = payout_destinations.choose(call, currency, form.text("destination"))
    fee = _instant_fee(call, amount, to) if method == "instant" else 0
    if ledger.available(call.book, currency, source_type) < amount + fee:
        raise insufficient_funds()
    payout = blank(call, amount, currency, to)
    payout.update(
        description=form.text("description"),
        metadata=metadata,
        method=method,
        source_type=source_type,
        statement_descriptor=descriptor,
    )
    if method == "instant":
        payout["arrival_date"] = call.now
    return pay_out(call, payout, fee)


def _refusal(call: Call, amount: int, currency: str, descriptor: str | None) -> Refusal | None:
    limit = call.settings.payout_limit
    if not call.book.account["payouts_enabled"]:
        return refused(
            "Cannot create payouts; this account has payouts disabled.", "payouts_not_allowed"
        )
    if descriptor is not None and len(descriptor) > _LONGEST_DESCRIPTOR:
        return too_long("statement_descriptor", _LONGEST_DESCRIPTOR, len(descriptor))
    if currency not in settles_in(call.settings, call.book, call.on_platform):
        return payout_destinations.none_in(currency)
    if currency in _WHOLE_UNITS_ONLY and amount % 100:
        message = f"Payouts in {currency.upper()} must be for amounts divisible by 100."
        return refused(message, "amount_invalid", "amount")
    if limit is not None and amount > limit:
        message = f"This payout exceeds your payout limit of {limit}."
        return refused(message, "payouts_limit_exceeded", "amount")
    return None


def _instant_fee(call: Call, amount: int, to: Json) -> int:
    """What it costs to have the money at once; refused where that is impossible."""
    if "instant" not in (to.get("available_payout_methods") or ()):
        raise refused(
            "Instant Payouts are not supported for this external account.",
            "instant_payouts_unsupported",
            "method",
        )
    if amount > call.settings.instant_payout_limit:
        raise refused(
            "This payout exceeds the limit for Instant Payouts.",
            "instant_payouts_limit_exceeded",
            "amount",
        )
    return max(_LEAST_INSTANT_FEE, half_up(amount * call.settings.instant_payout_rate))


def cancel(call: Call) -> Json:
    """Only a manual payout that has not left yet."""
    payout = call.book.get("payout", call.path["id"])
    if payout["status"] != "pending" or payout["automatic"]:
        raise refused(
            "Payouts can only be canceled while they are pending and manual.",
            "payout_not_cancelable",
        )
    _return_money(call, payout, "payout_cancel")
    payout["status"] = "canceled"
    events.emit(call, "payout.canceled", payout)
    return payout


def reverse(call: Call) -> Json:
    """Debit the bank account that was paid: another payout, the other way."""
    payout = call.book.get("payout", call.path["id"])
    metadata = call.form.metadata()
    country = call.book.account["country"]
    if call.on_platform or country not in _REVERSIBLE_COUNTRIES or payout["type"] == "card":
        raise refused("This payout cannot be reversed.", "payout_reversal_not_supported")
    if payout["reversed_by"] or payout["original_payout"]:
        raise refused(f"Payout {payout['id']} has already been reversed.")
    if payout["status"] != "paid":
        raise refused(f"A payout with a status of {payout['status']} cannot be reversed.")
    to = call.book.shelf("bank_account")[payout["destination"]]
    back = blank(call, -payout["amount"], payout["currency"], to)
    back.update(metadata=metadata, original_payout=payout["id"], source_type=payout["source_type"])
    payout["reversed_by"] = back["id"]
    pay_out(call, back)
    events.emit(call, "payout.updated", payout, {"reversed_by": None})
    return back


def fail(call: Call, payout: Json, code: str) -> Json:
    """The bank sends the money back, also after the payout was called paid."""
    if payout["status"] in ("failed", "canceled"):
        raise refused(f"This payout has already {payout['status']}.")
    _return_money(call, payout, "payout_failure")
    message = _FAILURES.get(code, "The payout failed.")
    changes: Json = {"status": "failed", "failure_code": code, "failure_message": message}
    events.amend(call, payout, changes, "payout.updated", "payout.failed")
    payout_destinations.give_up(call, payout)
    return payout


def update(call: Call) -> Json:
    payout = call.book.get("payout", call.path["id"])
    metadata = merged(payout["metadata"], call.form.metadata())
    events.amend(call, payout, {"metadata": metadata}, "payout.updated")
    return payout


def retrieve(call: Call) -> Json:
    return call.book.get("payout", call.path["id"])


def listing(call: Call) -> Json:
    equal, windows = ("status", "destination"), ("created", "arrival_date")
    return page(call, call.book.shelf("payout"), equal=equal, windows=windows)


# On the way to the bank.


def pay_out(call: Call, payout: Json, fee: int = 0) -> Json:
    """Take the money from the balance, or for a negative payout put it there, and send it off."""
    world = call.world
    world.put(call.book, "payout", payout)
    movement = Movement(
        "payout",
        "payout",
        Settled(-payout["amount"], payout["currency"]),
        payout["id"],
        description=payout["description"] or "STRIPE PAYOUT",
        fee_details=_fee_details(fee),
        source_type=payout["source_type"],
    )
    payout["balance_transaction"] = ledger.post(call, movement)["id"]
    events.emit(call, "payout.created", payout)
    details = {"account": call.book.id, "payout": payout["id"]}
    instant = payout["method"] == "instant"
    sent = call.now + (0 if instant else call.settings.payout_sent_seconds)
    world.clock.at(sent, "payout_travels", status="in_transit", **details)
    arrival = max(sent, payout["arrival_date"])
    world.clock.at(arrival, "payout_travels", status="paid", **details)
    return payout


def travel(world: World, account: str, payout: str, status: str) -> None:
    """The next step on the way to the bank, unless the payout was stopped."""
    call = Call(world, world.books[account])
    thing = call.book.get("payout", payout)
    expected = {"in_transit": "pending", "paid": "in_transit"}[status]
    if thing["status"] != expected:
        return
    paid = ["payout.paid"] if status == "paid" else []
    events.amend(call, thing, {"status": status}, "payout.updated", *paid)
    if thing["automatic"] and thing["reconciliation_status"] == "in_progress":
        thing["reconciliation_status"] = "completed"
        events.emit(call, "payout.reconciliation_completed", thing)
    if paid:
        _after_arrival(call, thing)


def _after_arrival(call: Call, payout: Json) -> None:
    """The bank names its trace of the payout, or sends it back."""
    clock, settings = call.world.clock, call.settings
    details = {"account": call.book.id, "payout": payout["id"]}
    code = payout_destinations.failure_of(call.book, payout)
    if code is None:
        clock.at(call.now + settings.payout_trace_seconds, "payout_traced", **details)
        return
    days, country = settings.payout_failure_days, call.book.account["country"]
    due = calendar.after(call.now, days, country) if days else call.now
    clock.at(due, "payout_fails", code=code, **details)


def fail_later(world: World, account: str, payout: str, code: str) -> None:
    call = Call(world, world.books[account])
    thing = call.book.get("payout", payout)
    if thing["status"] == "paid":
        fail(call, thing, code)


def trace(world: World, account: str, payout: str) -> None:
    """By now it is known whether the bank can say what became of the payout."""
    call = Call(world, world.books[account])
    thing = call.book.get("payout", payout)
    status = call.settings.payout_trace_status
    if thing["status"] != "paid" or status == "pending":
        return
    value = world.ids.new("trace").removeprefix("trace_") if status == "supported" else None
    changes: Json = {"trace_id": {"status": status, "value": value}}
    events.amend(call, thing, changes, "payout.updated")


def _return_money(call: Call, payout: Json, type_: str) -> None:
    original = call.book.get("balance_transaction", payout["balance_transaction"])
    row = ledger.undo(call, original, type_, "payout_reversal")
    payout["failure_balance_transaction"] = row["id"]


def _fee_details(fee: int) -> tuple[Json, ...]:
    if not fee:
        return ()
    return (
        {
            "amount": fee,
            "application": None,
            "currency": "",
            "description": "Instant payout fee",
            "type": "stripe_fee",
        },
    )


def blank(call: Call, amount: int, currency: str, to: Json) -> Json:
    """A payout to an external account, not sent yet."""
    days, country = call.settings.payout_days, call.book.account["country"]
    return {
        "id": call.world.ids.new("po"),
        "object": "payout",
        "amount": amount,
        "application_fee": None,
        "application_fee_amount": None,
        "arrival_date": calendar.after(call.now, days, country),
        "automatic": False,
        "balance_transaction": None,
        "created": call.now,
        "currency": currency,
        "description": None,
        "destination": to["id"],
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "livemode": False,
        "metadata": {},
        "method": "standard",
        "original_payout": None,
        "payout_method": None,
        "reconciliation_status": "not_applicable",
        "reversed_by": None,
        "source_type": "card",
        "statement_descriptor": None,
        "status": "pending",
        "trace_id": {"status": "pending", "value": None},
        "type": to["object"],
    }
