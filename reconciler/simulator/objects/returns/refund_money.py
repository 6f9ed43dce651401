"""The money of a refund: what it takes from which balance, and how that comes back."""

from reconciler.simulator.kernel.money import Settled
from reconciler.simulator.kernel.world import Call, Json
from reconciler.simulator.objects.balance import ledger
from reconciler.simulator.objects.balance.ledger import Movement
from reconciler.simulator.objects.methods.cards import card_of
from reconciler.simulator.objects.payments import charges


def method_kind(charge: Json) -> str:
    """`card`, `sepa_debit`…: what the charge was paid with."""
    return str(charge["payment_method_details"]["type"])


def by_card(charge: Json) -> bool:
    """Whether a card network carries it: then it is refunded at once, and can wait for money."""
    return method_kind(charge) in ("card", "link")


def funded(call: Call, charge: Json, refund: Json) -> bool:
    """Whether the balance can pay it: from what this charge still has pending, or from what is
    available."""
    row = charge["balance_transaction"]
    if not call.settings.refunds_wait_for_funds or row is None:
        return True
    if call.book.get("balance_transaction", row)["status"] == "pending":
        return True
    money = charges.settled(call, charge, refund["amount"])
    needed = money.amount + call.settings.refund_fee
    return ledger.available(call.book, money.currency) >= needed


def take(call: Call, charge: Json, refund: Json) -> None:
    """The money leaves the balance: not sooner than the charge's own money is available."""
    card = charge["id"].startswith("ch_")
    named = f" ({charge['description']})" if charge["description"] else ""
    origin = call.book.shelf("balance_transaction").get(charge["balance_transaction"] or "", {})
    movement = Movement(
        "refund" if card else "payment_refund",
        "refund",
        charges.settled(call, charge, -refund["amount"]),
        refund["id"],
        call.settings.refund_fee,
        f"REFUND FOR {'CHARGE' if card else 'PAYMENT'}{named}",
        _due(call, charge),
        source_type=origin.get("_source_type", "card"),
    )
    refund["balance_transaction"] = ledger.post(call, movement)["id"]


def _due(call: Call, charge: Json) -> int:
    """When the charge's own money is available, or will be once it is booked."""
    if charge["balance_transaction"] is None and not _bypasses_pending(charge):
        return ledger.settles_on(call, method_kind(charge), charge["currency"])
    return charges.available_on(call.book, charge)


def _bypasses_pending(charge: Json) -> bool:
    return "_card" in charge and card_of(charge).bypasses_pending


def give_back(call: Call, refund: Json) -> Json:
    """Exactly what was taken, and not sooner available than that was due."""
    taken = call.book.get("balance_transaction", refund["balance_transaction"])
    card = taken["type"] == "refund"
    movement = Movement(
        "refund_failure" if card else "payment_refund",
        "refund_failure" if card else "refund",
        Settled(-taken["amount"], taken["currency"]),
        refund["id"],
        -taken["fee"],
        "REFUND FAILURE" if card else "REFUND FAILURE FOR PAYMENT",
        taken["available_on"],
        source_type=taken.get("_source_type", "card"),
    )
    row = ledger.post(call, movement)
    row["exchange_rate"] = taken["exchange_rate"]
    return row
