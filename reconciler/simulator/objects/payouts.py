"""Bank payouts: a Stripe balance to a bank account, by hand or by schedule.

The money leaves the balance when the payout is created. `paid` is only an expectation: a payout can
still fail afterwards, and its money comes back. Automatic payouts empty a currency and say exactly
which balance transactions they consist of.
"""

from reconciler.simulator.kernel.clock import DAY
from reconciler.simulator.kernel.form import merged
from reconciler.simulator.kernel.money import Settled, settles_in
from reconciler.simulator.kernel.pages import page
from reconciler.simulator.kernel.refusals import insufficient_funds, refused
from reconciler.simulator.kernel.world import Book, Call, Json, World
from reconciler.simulator.objects import events, ledger
from reconciler.simulator.objects.ledger import Movement

_HOUR = 3600
_DAYS_APART = {"daily": 1, "weekly": 7}

_FAILURES = {
    "account_closed": "The bank account has been closed.",
    "could_not_process": "The bank could not process this payout.",
    "insufficient_funds": "Your Stripe account has insufficient funds to cover the payout.",
    "invalid_account_number": "The account number is invalid.",
    "no_account": "The bank account could not be located.",
}


def create(call: Call) -> Json:
    form = call.form
    amount, currency = form.needed_amount(), form.needed("currency").lower()
    metadata = form.metadata()
    method = form.choice("method", ("standard", "instant")) or "standard"
    if not call.book.account["payouts_enabled"]:
        raise refused(
            "Cannot create payouts; this account has payouts disabled.", "payouts_not_allowed"
        )
    if currency not in settles_in(call.settings, call.book):
        raise refused(
            f"Sorry, you don't have any external accounts in that currency ({currency}).",
            param="currency",
        )
    if ledger.available(call.book, currency) < amount:
        raise insufficient_funds()
    payout = _blank(call, amount, currency)
    payout.update(
        description=form.text("description"),
        metadata=metadata,
        method=method,
        statement_descriptor=form.text("statement_descriptor"),
    )
    return _pay_out(call, payout)


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


def fail(call: Call, payout: Json, code: str) -> Json:
    """The bank sends the money back, also after the payout was called paid."""
    if payout["status"] in ("failed", "canceled"):
        raise refused(f"This payout has already {payout['status']}.")
    _return_money(call, payout, "payout_failure")
    message = _FAILURES.get(code, "The payout failed.")
    changes: Json = {"status": "failed", "failure_code": code, "failure_message": message}
    events.amend(call, payout, changes, "payout.updated", "payout.failed")
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


# By itself: the schedule, and the way to the bank.


def set_schedule(call: Call, interval: str, weekday: int, hour: int) -> Json:
    """Pay out by itself from now on: daily, weekly (Monday is 0), or not at all (manual)."""
    if interval not in ("manual", *_DAYS_APART):
        raise refused(f"No such payout interval: {interval}", param="interval")
    plan = call.book.schedule["plan"] + 1
    call.book.schedule = {"interval": interval, "weekday": weekday, "hour": hour, "plan": plan}
    call.book.account["settings"]["payouts"]["schedule"]["interval"] = interval
    if interval != "manual":
        _plan_next(call)
    return call.book.schedule


def run_schedule(world: World, account: str, plan: int) -> None:
    """Pay out every currency that has something available."""
    call = Call(world, world.books[account])
    if call.book.schedule["plan"] != plan or call.book.deleted:
        return
    for currency in sorted(call.book.totals):
        if ledger.available(call.book, currency) > 0:
            pay_everything(call, currency)
    _plan_next(call)


def pay_everything(call: Call, currency: str) -> Json:
    """An automatic payout of all that is available; its composition is known from now on."""
    amount = ledger.available(call.book, currency)
    if amount <= 0:
        raise insufficient_funds()
    composition = [
        row["id"]
        for row in call.book.shelf("balance_transaction").values()
        if row["status"] == "available"
        and row["currency"] == currency
        and row["id"] not in call.book.paid_out
    ]
    payout = _blank(call, amount, currency)
    payout.update(automatic=True, description="STRIPE PAYOUT", reconciliation_status="in_progress")
    _pay_out(call, payout)
    for row_id in (*composition, payout["balance_transaction"]):
        call.book.paid_out[row_id] = payout["id"]
        call.book.belong(payout["id"], "balance_transactions", row_id)
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


def _pay_out(call: Call, payout: Json) -> Json:
    call.world.put(call.book, "payout", payout)
    money = Settled(-payout["amount"], payout["currency"])
    movement = Movement("payout", "payout", money, payout["id"], description="STRIPE PAYOUT")
    payout["balance_transaction"] = ledger.post(call, movement)["id"]
    events.emit(call, "payout.created", payout)
    details = {"account": call.book.id, "payout": payout["id"]}
    sent = call.now + call.settings.payout_sent_seconds
    call.world.clock.at(sent, "payout_travels", status="in_transit", **details)
    arrival = max(sent, payout["arrival_date"])
    call.world.clock.at(arrival, "payout_travels", status="paid", **details)
    return payout


def _return_money(call: Call, payout: Json, type_: str) -> None:
    original = call.book.get("balance_transaction", payout["balance_transaction"])
    row = ledger.undo(call, original, type_, "payout_reversal")
    payout["failure_balance_transaction"] = row["id"]


def _plan_next(call: Call) -> None:
    schedule, clock = call.book.schedule, call.world.clock
    due = clock.midnight() + schedule["hour"] * _HOUR
    # 1 January 1970 was a Thursday.
    weekday = (clock.now() // DAY + 3) % 7
    if schedule["interval"] == "weekly":
        due += (schedule["weekday"] - weekday) % 7 * DAY
    if due <= clock.now():
        due += _DAYS_APART[schedule["interval"]] * DAY
    clock.at(due, "payout_schedule", account=call.book.id, plan=schedule["plan"])


def _bank_account(world: World, book: Book, currency: str) -> str:
    """The account's bank account in this currency, opened when first needed."""
    for bank in book.shelf("bank_account").values():
        if bank["currency"] == currency:
            return str(bank["id"])
    bank = {
        "id": world.ids.new("ba"),
        "object": "bank_account",
        "account": book.id,
        "account_holder_name": None,
        "account_holder_type": None,
        "bank_name": "STRIPE TEST BANK",
        "country": book.account["country"],
        "currency": currency,
        "default_for_currency": True,
        "fingerprint": f"simulated{currency}",
        "last4": "6789",
        "metadata": {},
        "routing_number": "110000000",
        "status": "new",
    }
    return str(world.put(book, "bank_account", bank)["id"])


def _blank(call: Call, amount: int, currency: str) -> Json:
    return {
        "id": call.world.ids.new("po"),
        "object": "payout",
        "amount": amount,
        "application_fee": None,
        "application_fee_amount": None,
        "arrival_date": call.world.clock.midnight(call.settings.payout_days),
        "automatic": False,
        "balance_transaction": None,
        "created": call.now,
        "currency": currency,
        "description": None,
        "destination": _bank_account(call.world, call.book, currency),
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
        "type": "bank_account",
    }
