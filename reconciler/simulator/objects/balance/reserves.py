"""Money that is set aside: for connected accounts that owe, and for risks that Stripe sees.

A connected account below zero is covered from the platform's balance until it recovers; after 180
days the platform pays for good. A risk reserve moves money from the payments balance of an account
to another one of its own, and back.
"""

from reconciler.simulator.kernel.clock import DAY
from reconciler.simulator.kernel.money import Settled, convert, settles_in
from reconciler.simulator.kernel.refusals import refused
from reconciler.simulator.kernel.world import Book, Call, Json, World
from reconciler.simulator.objects.balance import ledger
from reconciler.simulator.objects.balance.ledger import Movement

_CONNECT = "connect_reserved"
_RISK = "risk_reserved"


def cover(world: World, account: str, currency: str) -> None:
    """Hold as much of the platform's money as this account owes now, no more and no less."""
    book = world.books[account]
    owed = max(0, -ledger.owned(book, currency))
    held = book.reserved.setdefault(currency, {"owed": 0, "held": 0, "currency": "", "since": 0})
    if owed == held["owed"]:
        return
    if not held["owed"]:
        _begin(world, book, currency, held)
    call = Call(world, world.home)
    wanted = _on_platform(call, owed, currency).amount
    _hold(call, wanted - held["held"], held["currency"])
    held.update(owed=owed, held=wanted)
    if not owed:
        del book.reserved[currency]


def _begin(world: World, book: Book, currency: str, held: Json) -> None:
    """The account owes from now on; whatever it owes in 180 days is collected."""
    now = world.clock.now()
    held.update(since=now, currency=_on_platform(Call(world, world.home), 1, currency).currency)
    due = now + world.settings.connect_collection_days * DAY
    world.clock.at(due, "connect_collects", account=book.id, currency=currency, since=now)


def collect(world: World, account: str, currency: str, since: int) -> None:
    """What is still owed after so long is paid by the platform, once and for all."""
    book = world.books[account]
    held = book.reserved.get(currency)
    if held is None or held["since"] != since:
        return
    kind = "connect_collection_transfer"
    home, call = Call(world, world.home), Call(world, book)
    ledger.post(home, Movement(kind, kind, Settled(-held["held"], held["currency"])))
    ledger.post(call, Movement(kind, kind, Settled(held["owed"], currency)))


def _hold(call: Call, amount: int, currency: str) -> None:
    """Reserve more of the platform's money, or give some back."""
    if not amount:
        return
    movement = Movement("reserve_transaction", "connect_reserved_funds", Settled(-amount, currency))
    ledger.post(call, movement)
    pot = call.book.pots.setdefault(_CONNECT, {})
    pot[currency] = pot.get(currency, 0) + amount


def _on_platform(call: Call, amount: int, currency: str) -> Settled:
    if currency in settles_in(call.settings, call.book, True):
        return Settled(amount, currency)
    return convert(call.settings, amount, currency, call.book.account["default_currency"])


# Risk reserves.


def reserve(call: Call, amount: int, currency: str) -> Json:
    """Stripe sets money of this account aside; the row that took it from the balance."""
    return _set_aside(call, "reserve_hold", -amount, currency)


def release(call: Call, amount: int, currency: str) -> Json:
    """Stripe gives reserved money back, never more than there is."""
    if amount > call.book.pots.get(_RISK, {}).get(currency, 0):
        raise refused("This account has less than that in reserve.", param="amount")
    return _set_aside(call, "reserve_release", amount, currency)


def _set_aside(call: Call, type_: str, amount: int, currency: str) -> Json:
    if not amount:
        raise refused("An amount is needed.", param="amount")
    category = "risk_reserved_funds"
    other = Movement(type_, category, Settled(-amount, currency), balance_type=_RISK)
    row = ledger.post(call, Movement(type_, category, Settled(amount, currency)))
    ledger.post(call, other)
    return row
