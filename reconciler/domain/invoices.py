"""Invoices that are debited from saved cards: what one may be, and what follows from a try. Pure.

An invoice's status says who has to do something next: nobody, the clock, the customer or a person.
Must not know how a card is charged, nor which card.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum

from reconciler.domain.money import LEAST_CHARGE, exponent, is_currency, major, step
from reconciler.domain.refusals import Refusal
from reconciler.domain.retries import Answer, Try, Verdict, next_try, verdict

LARGEST_AMOUNT = 999_999_999_999
LONGEST_DESCRIPTION = 500

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,99}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class InvoiceStatus(StrEnum):
    """Closed list, part of the interface."""

    OPEN = "open"
    SCHEDULED = "scheduled"
    DEBITING = "debiting"
    PROCESSING = "processing"
    PAID = "paid"
    FAILED = "failed"
    REQUIRES_CUSTOMER = "requires_customer"
    UNCOLLECTIBLE = "uncollectible"
    CANCELLED = "cancelled"
    REFUNDED = "refunded"


DEBITABLE = frozenset(
    {
        InvoiceStatus.OPEN,
        InvoiceStatus.SCHEDULED,
        InvoiceStatus.FAILED,
        InvoiceStatus.REQUIRES_CUSTOMER,
        InvoiceStatus.UNCOLLECTIBLE,
    }
)
"""An invoice of which a try may begin."""


class Attention(StrEnum):
    """What an invoice waits for its customer to do."""

    AUTHENTICATE = "authenticate"  # confirm with the bank, on the hosted page
    NEW_CARD = "new_card"  # the card has expired, or its data are wrong
    OTHER_CARD = "other_card"  # the bank will never accept this card
    NO_CARD = "no_card"  # none is saved


OUTCOMES = {
    InvoiceStatus.PAID: "paid",
    InvoiceStatus.PROCESSING: "processing",
    InvoiceStatus.DEBITING: "outcome_unknown",
    InvoiceStatus.SCHEDULED: "declined",
    InvoiceStatus.UNCOLLECTIBLE: "uncollectible",
    InvoiceStatus.REQUIRES_CUSTOMER: "requires_customer",
    InvoiceStatus.FAILED: "failed",
    InvoiceStatus.CANCELLED: "skipped",
    InvoiceStatus.REFUNDED: "skipped",
    InvoiceStatus.OPEN: "skipped",
}
"""What a run says of an invoice, by where the invoice stands when it is done with it."""


@dataclass(frozen=True, slots=True)
class Draft:
    """An invoice as somebody asks for it. `merchant` empty means the customer's own."""

    id: str
    customer: str
    merchant: str
    amount: int
    currency: str
    due_on: str
    description: str


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong with one field of a draft, and what to do about it."""

    field: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an invoice stands after a try: its status, and the day of the next try, if any."""

    status: InvoiceStatus
    attention: str = ""
    next_try_on: str = ""


def flaws(draft: Draft) -> list[Flaw]:
    """Everything that is wrong with a draft by itself; empty if nothing is."""
    found = []
    for field in ("id", "customer"):
        if not _ID.fullmatch(getattr(draft, field)):
            found.append(Flaw(field, "bad_id", id_rule(field)))
    if draft.merchant and not _ID.fullmatch(draft.merchant):
        found.append(Flaw("merchant", "bad_id", id_rule("merchant")))
    found += _money_flaws(draft.amount, draft.currency)
    if day_of(draft.due_on) is None:
        found.append(Flaw("due_on", "bad_date", "due_on must be a date such as 2026-11-30."))
    if len(draft.description) > LONGEST_DESCRIPTION or not draft.description.isprintable():
        message = f"description must be one line of at most {LONGEST_DESCRIPTION} characters."
        found.append(Flaw("description", "bad_description", message))
    return found


def id_rule(field: str) -> str:
    """What an id may be, as a sentence. One cannot begin like a formula in a spreadsheet."""
    return (
        f"{field} must begin with a letter or digit and go on with up to 99 letters, digits or"
        " . _ : -"
    )


def is_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


def _money_flaws(amount: int, currency: str) -> list[Flaw]:
    if not is_currency(currency):
        message = "currency must be three lower-case letters, such as usd."
        return [Flaw("currency", "bad_currency", message)]
    if not 0 < amount <= LARGEST_AMOUNT:
        message = "amount must be above zero and have at most twelve digits, in minor units."
        return [Flaw("amount", "bad_amount", message)]
    unit = step(currency)
    if amount % unit:
        message = f"amount must be a multiple of {unit}: Stripe takes no finer one in {currency}."
        return [Flaw("amount", "amount_too_fine", message)]
    least = LEAST_CHARGE.get(currency, 0)
    if amount < least:
        message = f"amount must be at least {least}: Stripe charges no less in {currency}."
        return [Flaw("amount", "amount_too_small", message)]
    return []


def day_of(written: str) -> date | None:
    """The day that an ISO date names; None for anything else, or a year no invoice is of."""
    if not _DAY.fullmatch(written):
        return None
    try:
        day = date.fromisoformat(written)
    except ValueError:
        return None
    return day if 2000 <= day.year <= 2199 else None


def today(now: int) -> date:
    """The day that epoch seconds lie in, in UTC."""
    return datetime.fromtimestamp(now, UTC).date()


def amount_hint(written: str, currency: str) -> str:
    """Why this text is no amount in minor units, and what to write instead."""
    text = written.strip()
    if re.fullmatch(r"\d{1,12},\d{1,3}", text):
        whole, _, part = text.partition(",")
        return f"amount has a decimal comma; {_minor(whole, part, currency)}"
    if re.fullmatch(r"\d{1,12}\.\d{1,3}", text):
        whole, _, part = text.partition(".")
        return f"amount has decimals; {_minor(whole, part, currency)}"
    if re.fullmatch(r"[\d.,' ]+", text):
        return "amount has separators; write digits only, in minor units."
    if text.startswith(("-", "+")):
        return "amount must be digits only and above zero; there are no credit notes here."
    return "amount must be digits only, in minor units: 1250 for 12.50 usd."


def _minor(whole: str, part: str, currency: str) -> str:
    digits = exponent(currency) if is_currency(currency) else 2
    unit = currency if is_currency(currency) else "usd"
    if len(part) > digits:
        return f"write whole minor units: {unit} has {digits} decimals."
    minor = int(whole + part.ljust(digits, "0"))
    return f"write minor units: {minor} for {major(minor, unit)} {unit}."


def after_decline(answer: Answer, tries: Iterable[Try], card: str) -> Standing:
    """Where an invoice stands after this answer, the last of these tries, took no money."""
    said = verdict(answer)
    if said is Verdict.OURS:
        return Standing(InvoiceStatus.FAILED)
    if said is Verdict.AUTHENTICATE:
        return Standing(InvoiceStatus.REQUIRES_CUSTOMER, Attention.AUTHENTICATE)
    if said is Verdict.NEW_CARD:
        return Standing(InvoiceStatus.REQUIRES_CUSTOMER, Attention.NEW_CARD)
    if said is Verdict.NEVER:
        return Standing(InvoiceStatus.REQUIRES_CUSTOMER, Attention.OTHER_CARD)
    day = next_try(list(tries), card)
    if day is None:
        return Standing(InvoiceStatus.UNCOLLECTIBLE)
    return Standing(InvoiceStatus.SCHEDULED, next_try_on=day.isoformat())


def why_not_debitable(id: str, status: InvoiceStatus) -> Refusal | None:
    """The refusal of a try of an invoice in this status; None if one may begin."""
    if status in DEBITABLE:
        return None
    sentences = {
        InvoiceStatus.DEBITING: (
            "debit_in_progress",
            "is being debited; wait until the outcome of that is known.",
        ),
        InvoiceStatus.PROCESSING: (
            "debit_in_progress",
            "is being processed by Stripe; wait for its outcome.",
        ),
        InvoiceStatus.PAID: ("invoice_paid", "is paid; nothing is left to debit."),
        InvoiceStatus.REFUNDED: (
            "invoice_refunded",
            "was paid and refunded; make a new invoice to charge again.",
        ),
        InvoiceStatus.CANCELLED: (
            "invoice_cancelled",
            "is cancelled; make a new invoice to charge.",
        ),
    }
    code, rest = sentences[status]
    return Refusal(code, f"Invoice {id} {rest}")
