"""Movements that no payment causes: top-ups, Stripe's own fees, adjustments, and the unheard of."""

from reconciler.simulator.kernel.form import merged
from reconciler.simulator.kernel.money import Settled, settles_in
from reconciler.simulator.kernel.pages import page
from reconciler.simulator.kernel.refusals import refused
from reconciler.simulator.kernel.world import Call, Json, World
from reconciler.simulator.objects.balance import ledger
from reconciler.simulator.objects.balance.ledger import Movement
from reconciler.simulator.objects.notices import events

_FAILS = {
    "noAccount": ("no_account", "The bank account could not be located."),
    "insufficientFunds": ("insufficient_funds", "The bank account has insufficient funds."),
    "debitNotAuthorized": ("debit_not_authorized", "The bank account does not allow debits."),
    "accountClosed": ("account_closed", "The bank account has been closed."),
}
"""By how Stripe's test sources end: `btok_us_verified_noAccount`."""


def create(call: Call) -> Json:
    """Ask for money from the bank; it comes in a moment."""
    form = call.form
    amount, currency = form.needed_amount(), form.needed("currency").lower()
    if currency not in settles_in(call.settings, call.book, call.on_platform):
        raise refused(f"Top-ups are not supported in {currency}.", param="currency")
    topup = _blank(call, amount, currency)
    topup.update(
        description=form.text("description"),
        initiated_by="user",
        metadata=form.metadata(),
        statement_descriptor=form.text("statement_descriptor"),
        transfer_group=form.text("transfer_group"),
    )
    _begin(call, topup)
    named = form.text("source") or ""
    failure = next((end for end in _FAILS if named.endswith(f"_{end}")), None)
    due = call.now + call.settings.topup_seconds
    details = {"account": call.book.id, "topup": topup["id"]}
    call.world.clock.at(due, "topup_ends", failure=failure, **details)
    return topup


def end(world: World, account: str, topup: str, failure: str | None) -> None:
    """The bank answers, unless the top-up was called off before."""
    call = Call(world, world.books[account])
    thing = call.book.get("topup", topup)
    if thing["status"] != "pending":
        return
    if failure is None:
        _succeed(call, thing)
    else:
        fail(call, thing, failure)


def fail(call: Call, topup: Json, failure: str = "insufficientFunds") -> Json:
    """The bank does not pay."""
    if topup["status"] != "pending":
        raise refused(f"This top-up has already {topup['status']}.")
    code, message = _FAILS.get(failure, (failure, "The top-up failed."))
    topup.update(status="failed", failure_code=code, failure_message=message)
    events.emit(call, "topup.failed", topup)
    return topup


def reverse(call: Call, topup: Json) -> Json:
    """The bank takes its money back."""
    if topup["status"] != "succeeded":
        raise refused(f"A top-up with a status of {topup['status']} cannot be reversed.")
    original = call.book.get("balance_transaction", topup["balance_transaction"])
    ledger.undo(call, original, "topup_reversal", "topup_reversal")
    topup["status"] = "reversed"
    events.emit(call, "topup.reversed", topup)
    return topup


def cancel(call: Call) -> Json:
    topup = call.book.get("topup", call.path["id"])
    if topup["status"] != "pending":
        raise refused(
            f"You cannot cancel this top-up because it has a status of {topup['status']}. Only "
            "pending top-ups can be canceled."
        )
    topup["status"] = "canceled"
    events.emit(call, "topup.canceled", topup)
    return topup


def update(call: Call) -> Json:
    topup = call.book.get("topup", call.path["id"])
    topup["metadata"] = merged(topup["metadata"], call.form.metadata())
    if "description" in call.form:
        topup["description"] = call.form.text("description")
    return topup


def retrieve(call: Call) -> Json:
    return call.book.get("topup", call.path["id"])


def listing(call: Call) -> Json:
    windows = ("created", "amount")
    return page(call, call.book.shelf("topup"), equal=("status",), windows=windows)


def top_up(call: Call, amount: int, currency: str) -> Json:
    """Money added from the bank, at once available."""
    topup = _blank(call, amount, currency)
    _begin(call, topup)
    return _succeed(call, topup)


def move(call: Call, money: Settled, kind: tuple[str, str], description: str | None) -> Json:
    """A movement without a source, of any type and reporting category."""
    type_, category = kind
    return ledger.post(call, Movement(type_, category, money, description=description))


def _begin(call: Call, topup: Json) -> None:
    call.world.put(call.book, "topup", topup)
    events.emit(call, "topup.created", topup)


def _succeed(call: Call, topup: Json) -> Json:
    money = Settled(topup["amount"], topup["currency"])
    text = topup["description"] or "Top-up"
    row = ledger.post(call, Movement("topup", "topup", money, topup["id"], description=text))
    topup.update(status="succeeded", balance_transaction=row["id"])
    events.emit(call, "topup.succeeded", topup)
    return topup


def _blank(call: Call, amount: int, currency: str) -> Json:
    return {
        "id": call.world.ids.new("tu"),
        "object": "topup",
        "amount": amount,
        "balance_transaction": None,
        "created": call.now,
        "currency": currency,
        "description": None,
        "expected_availability_date": call.now + call.settings.topup_seconds,
        "failure_code": None,
        "failure_message": None,
        "initiated_by": None,
        "livemode": False,
        "metadata": {},
        "source": None,
        "statement_descriptor": None,
        "status": "pending",
        "transfer_group": None,
    }
