"""Balance settings: how an account's money settles and when it is paid out, in one object.

The schedule is the account's own, so that a change here shows there and the other way round.
"""

from typing import Any

from reconciler.simulator.kernel.form import whole
from reconciler.simulator.kernel.refusals import refused
from reconciler.simulator.kernel.world import Call, Json
from reconciler.simulator.objects.balance import ledger, payout_schedules
from reconciler.simulator.objects.notices import events

_LONGEST_DELAY = 31


def retrieve(call: Call) -> Json:
    account = call.book.account
    own, more = account["settings"]["payouts"], call.book.payout_settings
    schedule = {
        name: value
        for name, value in own["schedule"].items()
        if name in ("interval", "monthly_payout_days", "weekly_payout_days")
    }
    timing: Json = {
        "delay_days": ledger.settlement_days(call, "card", "", account),
        "start_of_day": more["start_of_day"],
    }
    if call.book.settlement_override is not None:
        timing["delay_days_override"] = call.book.settlement_override
    return {
        "object": "balance_settings",
        "payments": {
            "debit_negative_balances": own["debit_negative_balances"],
            "payouts": {
                # Empty rather than null, which Stripe's own SDK cannot read there.
                "automatic_transfer_rules_by_currency": {},
                "minimum_balance_by_currency": dict(more["minimum"]) or None,
                "schedule": schedule,
                "statement_descriptor": own["statement_descriptor"],
                "status": "enabled" if account["payouts_enabled"] else "disabled",
            },
            "settlement_timing": timing,
        },
    }


def update(call: Call) -> Json:
    before = retrieve(call)
    payments = call.form.mapping("payments")
    payouts: Json = payments.get("payouts") or {}
    timing: Json = payments.get("settlement_timing") or {}
    if payouts.get("automatic_transfer_rules_by_currency"):
        raise refused(
            "Automatic transfers need a FinancialAccount, and this account has none.",
            param="payments[payouts][automatic_transfer_rules_by_currency]",
        )
    schedule = _schedule(call, payouts.get("schedule") or {})
    delay = _delay(call, timing)
    own = call.book.account["settings"]["payouts"]
    if "minimum_balance_by_currency" in payouts:
        _keep_minimum(call, payouts["minimum_balance_by_currency"])
    if "debit_negative_balances" in payments:
        own["debit_negative_balances"] = str(payments["debit_negative_balances"]) == "true"
    if "statement_descriptor" in payouts:
        own["statement_descriptor"] = payouts["statement_descriptor"] or None
    if "start_of_day" in timing:
        call.book.payout_settings["start_of_day"] = _start_of_day(timing["start_of_day"])
    call.book.settlement_override = delay
    if schedule is not None:
        own["schedule"] = schedule
        payout_schedules.start(call)
    after = retrieve(call)
    previous = events.difference(before, after)
    if previous:
        events.emit(call, "balance_settings.updated", after, previous)
    return after


def _schedule(call: Call, wanted: Json) -> Json | None:
    if not wanted:
        return None
    if "monthly_payout_days" in wanted:
        days = [whole("monthly_payout_days", day) or 0 for day in wanted["monthly_payout_days"]]
        if not days or not all(1 <= day <= _LONGEST_DELAY for day in days):
            message = "Monthly payout days must be between 1 and 31."
            raise refused(message, param="payments[payouts][schedule][monthly_payout_days]")
        wanted = {**wanted, "monthly_payout_days": days}
    return payout_schedules.changed(call.book.account, wanted)


def _delay(call: Call, timing: Json) -> int | None:
    """The days until money settles: longer than by default, never shorter."""
    if "delay_days_override" not in timing:
        return call.book.settlement_override
    name = "payments[settlement_timing][delay_days_override]"
    delay = whole(name, timing["delay_days_override"])
    if delay is None:
        return None
    call.book.settlement_override, before = None, call.book.settlement_override
    least = ledger.settlement_days(call, "card", "", call.book.account)
    call.book.settlement_override = before
    if not least <= delay <= _LONGEST_DELAY:
        message = f"delay_days_override must be between {least} and {_LONGEST_DELAY}."
        raise refused(message, param=name)
    return delay


def _keep_minimum(call: Call, wanted: Any) -> None:
    """Amounts by currency; an empty one, or none at all, is no minimum."""
    minimum: dict[str, int] = call.book.payout_settings["minimum"]
    if not wanted:
        minimum.clear()
        return
    for currency, value in wanted.items():
        amount = whole(f"minimum_balance_by_currency[{currency}]", value)
        if amount:
            minimum[currency] = amount
        else:
            minimum.pop(currency, None)


def _start_of_day(wanted: Any) -> Json | None:
    if not wanted:
        return None
    return {
        "hour": whole("hour", wanted.get("hour")) or 0,
        "minutes": whole("minutes", wanted.get("minutes")) or 0,
        "timezone": wanted.get("timezone") or "Etc/UTC",
    }
