"""The leg of a transfer on the connected account: whether what arrived is what was sent.

Pure; amounts in minor units. Where the account settles in another currency, the amount that it was
given is held beside the rate that Stripe names, with a tolerance that no honest rounding passes;
no money is computed from a rate. Must not know where a leg is read or kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from reconciler.domain.money import exponent

YOUNG_SECONDS = 900
"""The two sides are read one after the other, and what happens in between shows on one of them."""

RATE_DIGITS = 6
"""Stripe names a rate with so many significant digits, and no more."""

ROUNDING = 1
"""Minor units by which a conversion may be rounded."""


class Problem(StrEnum):
    """What is wrong with a leg. Closed list; docs/connect-legs.md says of each what to do."""

    MISSING = "missing"
    AMOUNT_DIFFERS = "amount_differs"
    CURRENCY_DIFFERS = "currency_differs"
    REVERSED_ON_ONE_SIDE = "reversed_on_one_side"
    CONVERSION_DIFFERS = "conversion_differs"
    NOT_READABLE = "not_readable"
    NO_TRANSFER = "no_transfer"


TAKES_TIME = frozenset({Problem.MISSING, Problem.REVERSED_ON_ONE_SIDE, Problem.NO_TRANSFER})
"""Problems that a second look may find gone: Stripe was asked about both sides in turn."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A transfer as the platform's side tells of it."""

    transfer: str
    amount: int
    amount_reversed: int
    currency: str


@dataclass(frozen=True, slots=True)
class Arrived:
    """The destination payment as the connected account has it: `amount`, and `refunded` of it, in
    its own currency; what it moved on that account's balance in the balance's. `movement` is empty,
    and the rest of it nothing, while Stripe has not attached a balance transaction. `rate` is as
    Stripe writes it, empty where nothing was converted."""

    payment: str
    transfer: str
    amount: int
    refunded: int
    currency: str
    movement: str = ""
    settled: int = 0
    fee: int = 0
    settled_currency: str = ""
    rate: str = ""
    available_on: int = 0


def problem(sent: Sent, arrived: Arrived | None) -> Problem | None:
    """What is wrong between the two sides; None when they agree in all that is told."""
    if arrived is None or arrived.transfer not in ("", sent.transfer):
        return Problem.MISSING
    if arrived.currency != sent.currency:
        return Problem.CURRENCY_DIFFERS
    if arrived.amount != sent.amount:
        return Problem.AMOUNT_DIFFERS
    if arrived.refunded != sent.amount_reversed:
        return Problem.REVERSED_ON_ONE_SIDE
    if arrived.movement and not _settles(arrived):
        return Problem.CONVERSION_DIFFERS
    return None


def at_risk(found: Problem, amount: int, amount_reversed: int, arrived: int, refunded: int) -> int:
    """The money that a problem is about, in minor units of the transfer's currency."""
    if found is Problem.NO_TRANSFER:
        return arrived - refunded
    if found is Problem.AMOUNT_DIFFERS:
        return abs(amount - arrived)
    if found is Problem.REVERSED_ON_ONE_SIDE:
        return abs(amount_reversed - refunded)
    return amount - amount_reversed


def _settles(arrived: Arrived) -> bool:
    if arrived.settled_currency == arrived.currency:
        return arrived.settled == arrived.amount
    if not arrived.rate:
        return True  # nothing is told that could be wrong
    return converts(
        arrived.amount, arrived.currency, arrived.settled, arrived.settled_currency, arrived.rate
    )


def converts(amount: int, currency: str, settled: int, settled_currency: str, rate: str) -> bool:
    """Whether a rate can have made `settled` of `amount`, as far as its digits say.

    A rate is between minor units, or, where the currencies have other exponents, between major
    ones: Stripe's documentation does not say which, and either is believed.
    """
    written = Decimal(rate).normalize()
    if written <= 0:
        return False
    finest = written.adjusted() - RATE_DIGITS + 1
    told = written.as_tuple().exponent
    step = Fraction(Decimal((0, (1,), max(int(told), finest))))
    scales = {Fraction(1), Fraction(10) ** (exponent(settled_currency) - exponent(currency))}
    return any(
        abs(amount * Fraction(written) * scale - settled) <= amount * step * scale + ROUNDING
        for scale in scales
    )
