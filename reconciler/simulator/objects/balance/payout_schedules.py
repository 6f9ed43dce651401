"""Automatic bank payouts: when they are made, how much of a balance they take, and of what.

An automatic payout empties a currency but for the minimum that is to stay, and says exactly which
balance transactions it consists of. A balance below zero is filled up from the bank instead.
"""

from typing import Any

from reconciler.simulator.kernel import calendar
from reconciler.simulator.kernel.money import Settled
from reconciler.simulator.kernel.refusals import insufficient_funds, missing_parameter, refused
from reconciler.simulator.kernel.world import Call, Json, World
from reconciler.simulator.objects.balance import ledger, payout_destinations, payouts
from reconciler.simulator.objects.balance.ledger import Movement

_HOUR = 3600
_INTERVALS = ("daily", "manual", "monthly", "weekly")
_WEEKEND = ("saturday", "sunday")
_ANCHORED = ("monthly", "weekly")


# The schedule.


def schedule_of(account: Json) -> Json:
    schedule: Json = account["settings"]["payouts"]["schedule"]
    return schedule


def changed(account: Json, wanted: Json) -> Json:
    """The schedule after a change, from here on in effect once `start` is called.

    Anchors are those of Stripe's accounts (`weekly_anchor`) or of its balance settings
    (`weekly_payout_days`); either shows as both.
    """
    before = schedule_of(account)
    interval = wanted.get("interval", before["interval"])
    if interval not in _INTERVALS:
        raise refused(f"No such payout interval: {interval}", param="interval")
    delay = wanted.get("delay_days") or before.get("delay_days", 2)
    after: Json = {"delay_days": delay, "interval": interval}
    if interval in _ANCHORED:
        days = _days(wanted, interval) or _days(before, interval)
        if not days:
            raise missing_parameter(f"{interval}_anchor")
        # Banks rest on weekends: what was to be paid out then is on the next business day.
        business = [day for day in days if day not in _WEEKEND] or ["monday"]
        after.update({f"{interval}_anchor": days[0], f"{interval}_payout_days": business})
    return after


def _days(schedule: Json, interval: str) -> list[Any]:
    """The days named for this interval, however they are named."""
    anchor = schedule.get(f"{interval}_anchor")
    return list(schedule.get(f"{interval}_payout_days") or ([anchor] if anchor else []))


def set_schedule(call: Call, interval: str, weekday: int, hour: int) -> Json:
    """Pay out by itself from now on: daily, weekly (Monday is 0), or not at all (manual)."""
    wanted: Json = {"interval": interval}
    if interval == "weekly":
        wanted["weekly_anchor"] = calendar.WEEKDAYS[weekday]
    if interval == "monthly":
        wanted["monthly_anchor"] = 1
    schedule = changed(call.book.account, wanted)
    call.book.account["settings"]["payouts"]["schedule"] = schedule
    start(call, hour)
    return schedule


def start(call: Call, hour: int | None = None) -> None:
    """Let the account's schedule take effect: what was planned before is forgotten."""
    book = call.book
    plan = book.schedule["plan"] + 1
    book.schedule = {"hour": book.schedule["hour"] if hour is None else hour, "plan": plan}
    if schedule_of(book.account)["interval"] != "manual":
        _plan_next(call)


def run(world: World, account: str, plan: int) -> None:
    """Pay out every currency that has something available, if today is the day."""
    call = Call(world, world.books[account])
    book = call.book
    if book.schedule["plan"] != plan or book.deleted:
        return
    if book.account["payouts_enabled"]:
        for currency in sorted(book.totals):
            _pay_out_one(call, currency)
    _plan_next(call)


def _pay_out_one(call: Call, currency: str) -> None:
    available = ledger.available(call.book, currency)
    destination = payout_destinations.default(call.book, currency)
    if payout_destinations.lacks(call, currency):
        return
    if destination is not None and not payout_destinations.is_usable(destination):
        return
    debits = call.book.account["settings"]["payouts"]["debit_negative_balances"]
    if _excess(call, currency) > 0 or (available < 0 and debits):
        pay_everything(call, currency)


def _plan_next(call: Call) -> None:
    """The next day of the schedule, at its hour."""
    clock, schedule = call.world.clock, schedule_of(call.book.account)
    days = 0
    while True:
        due = clock.midnight(days) + call.book.schedule["hour"] * _HOUR
        if due > clock.now() and _is_payout_day(schedule, due, call.book.account["country"]):
            break
        days += 1
    clock.at(due, "payout_schedule", account=call.book.id, plan=call.book.schedule["plan"])


def _is_payout_day(schedule: Json, moment: int, country: str) -> bool:
    if schedule["interval"] == "weekly":
        return calendar.weekday(moment) in schedule["weekly_payout_days"]
    if schedule["interval"] == "monthly":
        return calendar.is_month_day(moment, schedule["monthly_payout_days"])
    return calendar.is_business_day(moment, country)


# What an automatic payout takes.


def _excess(call: Call, currency: str) -> int:
    """What is available beyond the minimum that stays."""
    minimum: int = call.book.payout_settings["minimum"].get(currency, 0)
    return ledger.available(call.book, currency) - minimum


def pay_everything(call: Call, currency: str) -> Json:
    """An automatic payout of all that may go; its composition is known from now on."""
    book = call.book
    amount, available = _excess(call, currency), ledger.available(call.book, currency)
    if amount <= 0 <= available:
        raise insufficient_funds()
    if available < 0:
        amount = available
    to = payout_destinations.choose(call, currency, None)
    composition, book.unpaid[currency] = book.unpaid.get(currency, []), []
    payout = payouts.blank(call, amount, currency, to)
    payout.update(
        automatic=True,
        description="STRIPE PAYOUT",
        reconciliation_status="in_progress",
        statement_descriptor=book.account["settings"]["payouts"].get("statement_descriptor"),
    )
    if available > amount:
        composition.append(_hold(call, payout, amount - available)["id"])
    payouts.pay_out(call, payout)
    composition.append(payout["balance_transaction"])
    if available > amount:
        _release(call, payout, available - amount)
    paid = set(composition)
    book.unpaid[currency] = [row for row in book.unpaid[currency] if row not in paid]
    book.children[f"{payout['id']}/balance_transactions"] = composition
    return payout


def _hold(call: Call, payout: Json, amount: int) -> Json:
    """The minimum balance leaves this payout's reckoning, to come back in the next one's."""
    kind = "payout_minimum_balance_hold"
    return ledger.post(call, Movement(kind, kind, Settled(amount, payout["currency"])))


def _release(call: Call, payout: Json, amount: int) -> None:
    kind = "payout_minimum_balance_release"
    ledger.post(call, Movement(kind, kind, Settled(amount, payout["currency"])))
