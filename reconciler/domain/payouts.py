"""Whether a payout may be made, and why not: every check with its name and what to do. Pure.

Amounts are minor units. Must not know where the figures come from, nor what the policy says: that
is `policies`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from reconciler.domain.money import SUPPORTED, exponent, major, payout_step, step
from reconciler.domain.refusals import Refusal
from reconciler.domain.requirements_words import asked
from reconciler.domain.snapshot import Snapshot

LARGEST = 999_999_999_999
"""Twelve digits: the most that Stripe takes in one amount."""

CANCELLABLE = ("awaiting_approval", "pending")
REVERSIBLE = ("completed", "partially_reversed")

NAMED_REQUIREMENTS = 3


@dataclass(frozen=True, slots=True)
class Funds:
    """What a payout can draw on, in its currency: what the merchant is owed, what Stripe has
    available for the platform and nobody has reserved, what is known to become available later
    (moment and amount, in order), and all that Stripe says is pending."""

    owed: int
    free: int
    later: Sequence[tuple[int, int]] = ()
    pending: int = 0


def amount_refusal(what: str, amount: int, currency: str) -> Refusal | None:
    """Why no command can be of this amount at all; None if one can."""
    if currency not in SUPPORTED:
        return Refusal(
            "currency_not_supported",
            f"Stripe has no currency {currency[:12]!r}; send one of its three-letter codes in lower"
            " case, such as usd.",
        )
    if amount <= 0:
        return Refusal("amount_not_positive", f"A {what} must be of a positive amount.")
    if amount > LARGEST:
        return Refusal(
            "amount_too_large",
            f"A {what} can be of {major(LARGEST, currency)} {currency} at most; split it.",
        )
    unit = payout_step(currency) if what == "payout" else step(currency)
    if amount % unit:
        nearest = major(amount - amount % unit, currency)
        return Refusal(
            "amount_not_a_multiple",
            f"Stripe wants amounts in {currency} to be multiples of {_written(unit, currency)}; the"
            f" nearest below is {nearest} {currency}.",
        )
    return None


def _written(unit: int, currency: str) -> str:
    return f"{unit} ({major(unit, currency)} {currency})" if exponent(currency) else str(unit)


def account_refusal(merchant: str, account: Snapshot | None) -> Refusal | None:
    """Why money cannot go to the merchant's connected account now; None if it can."""
    if account is None:
        return Refusal(
            "account_not_found",
            f"Stripe shows this platform no such account as merchant {merchant} is connected to; it"
            " was deleted or belongs to another platform: connect the merchant again.",
        )
    if account.status == "deleted":
        return Refusal(
            "account_deleted",
            f"The connected account of merchant {merchant} was deleted at Stripe; connect the"
            " merchant again.",
        )
    if account.detail.get("transfers") == "active":
        return None
    return Refusal(
        "account_not_ready",
        f"The connected account of merchant {merchant} cannot take money yet"
        f"{_missing(account)}; let the merchant continue onboarding.",
    )


def _missing(account: Snapshot) -> str:
    due = asked([str(field) for field in account.detail.get("currently_due", ())])
    named = [entry.words for entry in due[:NAMED_REQUIREMENTS]]
    if not named:
        return ": Stripe is still checking it"
    more = f" and {len(due) - len(named)} more" if len(due) > len(named) else ""
    return f": Stripe asks for {', '.join(named)}{more}"


def funds_refusal(merchant: str, amount: int, currency: str, funds: Funds) -> Refusal | None:
    """Why the money is not there; None if it is."""
    if funds.owed < amount:
        return Refusal(
            "insufficient_merchant_balance",
            _owed(merchant, currency, funds.owed),
        )
    if funds.free < amount:
        free = major(max(funds.free, 0), currency)
        return Refusal(
            "insufficient_platform_available",
            f"Of what Stripe has available for the platform now, {free} {currency} is not promised"
            f" already; {_when(amount, currency, funds)}.",
        )
    return None


def _owed(merchant: str, currency: str, owed: int) -> str:
    if owed <= 0:
        owes = f" and owes {major(-owed, currency)} {currency}" if owed else ""
        return f"Merchant {merchant} is owed no {currency}{owes}; wait for its next payment."
    return f"Merchant {merchant} is owed {major(owed, currency)} {currency}; ask for that or less."


def _when(amount: int, currency: str, funds: Funds) -> str:
    """From when on pending funds will do, or what to do instead."""
    known = 0
    for moment, becomes in funds.later:
        known += becomes
        if funds.free + known >= amount:
            return (
                f"another {major(known, currency)} {currency} will be available on"
                f" {_day(moment)}: ask again then, or ask for less now"
            )
    pending = f"another {major(max(known, funds.pending), currency)} {currency} is pending"
    if funds.free + funds.pending >= amount:
        return (
            f"{pending}, and it is not known here yet from when on it is available: ask again in a"
            " few minutes, or ask for less now"
        )
    advice = "ask for less, or add funds to the platform's Stripe balance"
    if max(known, funds.pending) > 0:
        return f"{pending}, which will not suffice: {advice}"
    return advice


def _day(moment: int) -> str:
    """A day in UTC, with the hour where it is not the day's first."""
    at = datetime.fromtimestamp(moment, UTC)
    return f"{at:%Y-%m-%d}" if moment % 86400 == 0 else f"{at:%Y-%m-%d at %H:%M} UTC"


def unknown(payout: str) -> Refusal:
    return Refusal("unknown_payout", f"There is no payout {payout[:80]!r}.")


def cancel_refusal(payout: str, status: str) -> Refusal | None:
    """Why a payout can no longer be called off; None if it can."""
    if status in CANCELLABLE:
        return None
    if status in ("cancelled", "failed"):
        return Refusal("already_over", f"Payout {payout} is {status}: there is nothing to cancel.")
    advice = (
        "reverse it instead" if status in REVERSIBLE else "wait for its outcome, and reverse it"
    )
    return Refusal(
        "already_sent", f"Payout {payout} is {status.replace('_', ' ')} and cannot be cancelled;"
        f" {advice}.",
    )  # fmt: skip


def reverse_refusal(
    payout: str, status: str, asked_for: int | None, left: int, currency: str
) -> Refusal | None:
    """Why so much of a payout cannot be taken back; None if it can. `left` is what has not come
    back and is not being taken back."""
    if status == "reversed" or (status in REVERSIBLE and left <= 0):
        return Refusal("already_reversed", f"All of payout {payout} has come back, or is about to.")
    if status not in REVERSIBLE:
        return Refusal(
            "not_completed",
            f"Payout {payout} is {status.replace('_', ' ')}: only a completed payout can be"
            " reversed; cancel it if it has not been sent.",
        )
    if asked_for is not None and asked_for > left:
        return Refusal(
            "reversal_too_large",
            f"Of payout {payout}, {major(left, currency)} {currency} are left to take back; ask for"
            " that or less.",
        )
    return None
