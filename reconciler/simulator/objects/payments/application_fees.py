"""Application fees: what a platform takes of its connected accounts' payments, and gives back.

The fee is kept on the platform. On the other side it is part of the fee of the payment's own
balance transaction, so taking one moves nothing there; giving it back does.
"""

from reconciler.simulator.kernel.form import merged
from reconciler.simulator.kernel.ids import rank
from reconciler.simulator.kernel.pages import page
from reconciler.simulator.kernel.refusals import no_such, refused
from reconciler.simulator.kernel.world import Call, Json, World
from reconciler.simulator.objects.balance import ledger
from reconciler.simulator.objects.balance.ledger import Movement
from reconciler.simulator.objects.notices import events

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def application(world: World) -> str:
    """The platform's own `ca_…`, by which connected accounts know it."""
    number = rank(world.ids.seed, f"application:{world.platform}")
    letters = []
    for _ in range(32):
        number, letter = divmod(number, len(_LETTERS))
        letters.append(_LETTERS[letter])
    return f"ca_{''.join(letters)}"


def application_of(call: Call) -> str | None:
    """What made an object: the platform, when it acts in another's account."""
    return None if call.on_platform else application(call.world)


def take(call: Call, charge: Json, amount: int, origin: str | None = None) -> Json:
    """The platform's share of a payment that `call`'s account received and has booked."""
    world = call.world
    home = call.at(world.home)
    row = call.book.get("balance_transaction", charge["balance_transaction"])
    fee: Json = {
        "id": world.ids.new("fee"),
        "object": "application_fee",
        "account": call.book.id,
        "amount": amount,
        "amount_refunded": 0,
        "application": application(world),
        "balance_transaction": None,
        "charge": charge["id"],
        "created": call.now,
        "currency": charge["currency"],
        "fee_source": {"charge": charge["id"], "type": "charge"},
        "livemode": False,
        "originating_transaction": origin,
        "refunded": False,
    }
    world.put(home.book, "application_fee", fee)
    home.book.belong(charge["id"], "application_fees", fee["id"])
    money = ledger.settled_amount(home, amount, fee["currency"])
    movement = Movement(
        "application_fee",
        "platform_earning",
        money,
        fee["id"],
        available_on=row["available_on"],
    )
    fee["balance_transaction"] = ledger.post(home, movement)["id"]
    charge["application_fee"] = fee["id"]
    events.emit(home, "application_fee.created", fee)
    return fee


def detail(call: Call, amount: int) -> Json:
    """The fee as one line of what a payment's fee consists of."""
    return {
        "amount": amount,
        "application": application(call.world),
        "currency": None,
        "description": f"{_name(call.world)} application fee",
        "type": "application_fee",
    }


def _name(world: World) -> str:
    profile = world.home.account.get("business_profile") or {}
    return str(profile.get("name") or "Platform")


def refund_fee(call: Call, fee: Json, amount: int | None, metadata: Json | None = None) -> Json:
    """Give a fee back, or part of it, to the account it was taken from. `call` is the platform's.

    A fee goes back in the currency in which it was taken.
    """
    left = fee["amount"] - fee["amount_refunded"]
    if left == 0:
        message = f"Application fee {fee['id']} has already been refunded."
        raise refused(message, "application_fee_already_refunded")
    if amount is not None and amount > left:
        message = (
            f"Refund amount ({_decimal(amount)}) is greater than unrefunded amount on fee "
            f"({_decimal(left)})"
        )
        raise refused(message, param="amount")
    refund: Json = {
        "id": call.world.ids.new("fr"),
        "object": "fee_refund",
        "amount": amount or left,
        "balance_transaction": None,
        "created": call.now,
        "currency": fee["currency"],
        "fee": fee["id"],
        "metadata": dict(metadata or {}),
    }
    call.world.put(call.book, "fee_refund", refund)
    call.book.belong(fee["id"], "refunds", refund["id"])
    _move_back(call, fee, refund)
    refunded = fee["amount_refunded"] + refund["amount"]
    before = {"amount_refunded": fee["amount_refunded"], "refunded": fee["refunded"]}
    fee.update(amount_refunded=refunded, refunded=refunded == fee["amount"])
    changed = {name: old for name, old in before.items() if fee[name] != old}
    events.emit(call, "application_fee.refunded", fee, changed)
    return refund


def _move_back(call: Call, fee: Json, refund: Json) -> None:
    """The balance transaction's source is the fee, not its refund, as at Stripe."""
    taken = call.book.get("balance_transaction", fee["balance_transaction"])
    money = ledger.settled_amount(call, -refund["amount"], refund["currency"])
    day = taken["available_on"]
    movement = Movement(
        "application_fee_refund", "platform_earning_refund", money, fee["id"], available_on=day
    )
    refund["balance_transaction"] = ledger.post(call, movement)["id"]
    other = call.world.books.get(fee["account"])
    if other is None:
        return
    there = call.at(other)
    returned = ledger.settled_amount(there, refund["amount"], refund["currency"])
    back = Movement("adjustment", "fee", returned, fee["charge"], available_on=day)
    ledger.post(there, back)


# What can be asked.


def create_refund(call: Call) -> Json:
    fee = _fee(call)
    return refund_fee(call, fee, call.form.amount(), call.form.metadata())


def refund_whole(call: Call) -> Json:
    """The older way: the same, answered with the fee itself."""
    fee = _fee(call)
    refund_fee(call, fee, call.form.amount())
    return fee


def retrieve(call: Call) -> Json:
    return _fee(call)


def listing(call: Call) -> Json:
    return page(call, call.book.shelf("application_fee"), equal=("charge",))


def retrieve_refund(call: Call) -> Json:
    refund = call.book.get("fee_refund", call.path["refund"])
    if refund["fee"] != call.path["id"]:
        raise no_such("fee_refund", refund["id"])
    return refund


def update_refund(call: Call) -> Json:
    refund = retrieve_refund(call)
    metadata = merged(refund["metadata"], call.form.metadata())
    events.amend(call, refund, {"metadata": metadata}, "application_fee.refund.updated")
    return refund


def list_refunds(call: Call) -> Json:
    fee = _fee(call)
    rows = call.book.belonging(fee["id"], "refunds", "fee_refund")
    return page(call, {row["id"]: row for row in rows})


def _fee(call: Call) -> Json:
    return call.book.get("application_fee", call.path["id"])


def _decimal(amount: int) -> str:
    return f"{amount // 100}.{amount % 100:02}"
