"""What a form says of an account: read as a whole, and refused before anything is changed.

Nothing is kept here but what is used up by reading it: tokens, which are given back on a refusal.
"""

from typing import Any, NamedTuple

from reconciler.simulator.kernel.form import Form, whole
from reconciler.simulator.kernel.refusals import Refusal, refused
from reconciler.simulator.kernel.world import Book, Call, Json
from reconciler.simulator.objects.balance import payout_schedules
from reconciler.simulator.objects.connect import account_data, external_accounts
from reconciler.simulator.objects.methods import tokens

_DAYS = 31


class Heard(NamedTuple):
    """What was said of the owner, by itself or through a token, and where to pay out to."""

    told: Json
    accepted: Json | None
    payout_to: Json | None
    schedule: Json


def hear(call: Call, account: Json) -> Heard:
    """Tokens belong to the platform that asks; what they tell belongs to the account."""
    form, spent = call.form, list[Json]()
    told: dict[str, Any] = _without_schedule(form.values)
    schedule = _schedule(form)
    if schedule:
        schedule = payout_schedules.changed(account, schedule)
    accepted: Json | None = None
    try:
        named = form.text("account_token")
        if named is not None:
            token = tokens.spend(call, named, "account_token")
            spent.append(token)
            told = {**told, **_inside(token, named)}
            if str(told.pop("tos_shown_and_accepted", "")).lower() == "true":
                accepted = token
        given = form.values.get("external_account") or form.values.get("bank_account")
        made = external_accounts.made(call, given) if given else None
    except Refusal:
        for token in spent:
            token["used"] = False
        raise
    return Heard(told, accepted, made, schedule)


def keep(call: Call, book: Book, heard: Heard, asked: Call) -> None:
    """Keep what was heard of an account."""
    account = book.account
    if heard.accepted is not None:
        token = heard.accepted
        agent = token.get("_user_agent")
        account_data.accept_terms(account, token["created"], token["client_ip"], agent)
    account_data.describe(call, book, heard.told)
    if heard.payout_to is not None:
        external_accounts.replace(asked, book, heard.payout_to)
    if heard.schedule:
        account["settings"]["payouts"]["schedule"] = heard.schedule


def _inside(token: Json, named: str) -> Json:
    if "_account" not in token:
        message = f"The token {named} is not an account token."
        raise refused(message, param="account_token")
    return dict(token["_account"])


def _without_schedule(told: Json) -> Json:
    """The payout schedule has rules of its own, and is set apart."""
    settings = dict(told.get("settings") or {})
    if "payouts" in settings:
        kept = {k: v for k, v in settings["payouts"].items() if k != "schedule"}
        settings["payouts"] = kept
    return {**told, "settings": settings}


def _schedule(form: Form) -> Json:
    """The payout schedule asked for, numbers read."""
    payouts = form.mapping("settings").get("payouts") or {}
    wanted = dict(payouts.get("schedule") or {})
    if wanted.get("delay_days") == "minimum":
        wanted["delay_days"] = 2
    for name in ("delay_days", "monthly_anchor"):
        if name in wanted:
            wanted[name] = _day(f"settings[payouts][schedule][{name}]", wanted[name])
    days = wanted.get("monthly_payout_days", [])
    name = "settings[payouts][schedule][monthly_payout_days]"
    if days:
        wanted["monthly_payout_days"] = [_day(name, day) for day in days]
    return wanted


def _day(name: str, given: Any) -> int:
    day = whole(name, given)
    if day is None or not 1 <= day <= _DAYS:
        raise refused(f"Invalid {name}: must be between 1 and {_DAYS}", param=name)
    return day
