"""Where a merchant stands with Stripe, from what is known of its connected account.

Pure: the tenure (whose account it is, and since when) and the account's newest snapshot go in, a
standing comes out. Must not know how either is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from reconciler.domain.requirements_words import Asked, asked, disabled

Detail = Mapping[str, Any]


class Tenure(StrEnum):
    """What an account is to its merchant. Closed list; stored in `merchant_accounts.state`."""

    OPENING = "opening"  # decided; Stripe has not yet said that it exists
    FAILED = "failed"  # Stripe refused to open it
    CURRENT = "current"
    REPLACED = "replaced"  # by one in another country
    DISCONNECTED = "disconnected"  # by us: Stripe was not told
    DISCONNECTED_BY_MERCHANT = "disconnected_by_merchant"  # Stripe does not show it to us any more


class State(StrEnum):
    """Closed list, in the order of a merchant's way."""

    NOT_STARTED = "not_started"
    ONBOARDING = "onboarding"
    RESTRICTED = "restricted"
    READY = "ready"
    REJECTED = "rejected"
    DISCONNECTED = "disconnected"


@dataclass(frozen=True, slots=True)
class Standing:
    """What is true of one account now. Deadlines are epoch seconds, 0 for none."""

    state: State
    receives_payouts: bool
    reaches_bank: bool
    disabled_reason: str
    disabled_words: str
    current_deadline: int
    due_now: tuple[Asked, ...]
    past_due: tuple[Asked, ...]
    due_later: tuple[Asked, ...]
    being_checked: tuple[Asked, ...]
    future_deadline: int
    due_in_future: tuple[Asked, ...]
    next_step: str


def receives_payouts(detail: Detail) -> bool:
    """Whether a transfer to this account is accepted. The one gate is this capability: the mere
    existence of an account says nothing, and `payouts_enabled` is about its bank."""
    return detail.get("transfers") == "active"


def is_done(detail: Detail) -> bool:
    """Whether the merchant has handed in everything that is asked for by now."""
    return bool(detail.get("details_submitted")) and not (
        detail.get("currently_due") or detail.get("past_due")
    )


def state_of(tenure: Tenure | None, detail: Detail | None) -> State:
    """The state of a merchant with this account; `detail` is None when it was never read."""
    if tenure is None or tenure is Tenure.FAILED:
        return State.NOT_STARTED
    if tenure not in (Tenure.OPENING, Tenure.CURRENT):
        return State.DISCONNECTED
    if detail is None:
        return State.ONBOARDING
    if str(detail.get("disabled_reason", "")).startswith("rejected."):
        return State.REJECTED
    if not detail.get("details_submitted") and not receives_payouts(detail):
        return State.ONBOARDING
    if receives_payouts(detail) and detail.get("payouts_enabled"):
        return State.READY
    checking = detail.get("transfers") == "pending" and not detail.get("currently_due")
    return State.ONBOARDING if checking else State.RESTRICTED


def standing(tenure: Tenure | None, detail: Detail | None) -> Standing:
    """The whole standing, with everything that is asked for in words."""
    state = state_of(tenure, detail)
    living = tenure in (Tenure.OPENING, Tenure.CURRENT)
    known: Detail = detail if detail is not None and tenure is not None else {}
    problems = {error["requirement"]: error["reason"] for error in known.get("errors", ())}
    late = set(known.get("past_due", ()))
    due = [field for field in known.get("currently_due", ()) if field not in late]
    later = [f for f in known.get("eventually_due", ()) if f not in late and f not in due]
    found = Standing(
        state=state,
        receives_payouts=living and receives_payouts(known),
        reaches_bank=living and known.get("payouts_enabled") is True,
        disabled_reason=str(known.get("disabled_reason", "")),
        disabled_words=disabled(str(known.get("disabled_reason", ""))),
        current_deadline=int(known.get("current_deadline", 0)),
        due_now=tuple(asked(due, problems)),
        past_due=tuple(asked(known.get("past_due", ()), problems)),
        due_later=tuple(asked(later, problems)),
        being_checked=tuple(asked(known.get("pending_verification", ()))),
        future_deadline=int(known.get("future_deadline", 0)),
        due_in_future=tuple(asked(known.get("future_due", ()))),
        next_step="",
    )
    return _with_step(found, tenure)


def _with_step(found: Standing, tenure: Tenure | None) -> Standing:
    return replace(found, next_step=_next_step(found, tenure))


def _next_step(found: Standing, tenure: Tenure | None) -> str:
    if tenure is Tenure.OPENING:
        return "Stripe has not confirmed the account yet: ask for the link again in a minute."
    if found.state is State.NOT_STARTED:
        return "Send the merchant to Stripe: POST its country to get a link."
    if found.state is State.DISCONNECTED:
        if tenure is Tenure.DISCONNECTED_BY_MERCHANT:
            return "The merchant ended the connection: ask for a link to connect again."
        return "Ask for a link to connect again."
    if found.state is State.REJECTED:
        return "Nothing can be paid to this account. The merchant can ask Stripe's support."
    if found.past_due or found.due_now:
        return "Send the merchant a fresh link to hand in what is missing."
    if found.being_checked or found.disabled_reason.endswith("pending_verification"):
        return "Wait: Stripe is checking what was handed in."
    if found.state is State.ONBOARDING:
        return "Send the merchant a fresh link to begin or go on with Stripe's form."
    if found.state is State.RESTRICTED:
        return "Send the merchant a fresh link; if nothing is asked there, ask Stripe's support."
    return "Nothing to do."
