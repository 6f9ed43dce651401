"""Movements that no payment causes: top-ups, Stripe's own fees, adjustments, and the unheard of."""

from reconciler.simulator.kernel.money import Settled
from reconciler.simulator.kernel.pages import page
from reconciler.simulator.kernel.world import Call, Json
from reconciler.simulator.objects import events, ledger
from reconciler.simulator.objects.ledger import Movement


def top_up(call: Call, amount: int, currency: str) -> Json:
    """Money added from the bank, at once available."""
    topup: Json = {
        "id": call.world.ids.new("tu"),
        "object": "topup",
        "amount": amount,
        "balance_transaction": None,
        "created": call.now,
        "currency": currency,
        "description": None,
        "expected_availability_date": call.now,
        "failure_code": None,
        "failure_message": None,
        "livemode": False,
        "metadata": {},
        "source": None,
        "statement_descriptor": None,
        "status": "pending",
        "transfer_group": None,
    }
    call.world.put(call.book, "topup", topup)
    events.emit(call, "topup.created", topup)
    money = Settled(amount, currency)
    row = ledger.post(call, Movement("topup", "topup", money, topup["id"], description="Top-up"))
    topup.update(status="succeeded", balance_transaction=row["id"])
    events.emit(call, "topup.succeeded", topup)
    return topup


def move(call: Call, money: Settled, kind: tuple[str, str], description: str | None) -> Json:
    """A movement without a source, of any type and reporting category."""
    type_, category = kind
    return ledger.post(call, Movement(type_, category, money, description=description))


def retrieve(call: Call) -> Json:
    return call.book.get("topup", call.path["id"])


def listing(call: Call) -> Json:
    return page(call, call.book.shelf("topup"), equal=("status",))
