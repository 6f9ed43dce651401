"""What Stripe charges and how it converts: integers in, integers out, every rounding named.

The one float is `exchange_rate`, because Stripe itself gives it as one; no money is computed from
it.
"""

from dataclasses import dataclass
from fractions import Fraction

from reconciler.simulator.kernel import refusals
from reconciler.simulator.kernel.settings import Settings
from reconciler.simulator.kernel.world import Book

_RATE_DIGITS = 6


@dataclass(frozen=True)
class Settled:
    """An amount as it lands on a balance."""

    amount: int
    currency: str
    rate: Fraction | None = None

    @property
    def exchange_rate(self) -> float | None:
        return None if self.rate is None else float(self.rate)


def half_up(value: Fraction) -> int:
    """To the nearest whole, halves away from zero."""
    doubled = abs(value) * 2 + 1
    whole = doubled.numerator // (2 * doubled.denominator)
    return whole if value >= 0 else -whole


def settle(settings: Settings, book: Book, amount: int, currency: str) -> Settled:
    """The amount on this account's balance: as it is, or in the account's default currency."""
    if currency in settles_in(settings, book):
        return Settled(amount, currency)
    into = book.account["default_currency"]
    rate = _rate(settings, currency, into)
    return Settled(half_up(amount * rate), into, rate)


def settles_in(settings: Settings, book: Book) -> tuple[str, ...]:
    return (*settings.settlement_currencies, book.account["default_currency"])


def processing_fee(settings: Settings, amount: int) -> int:
    """The percentage and the fixed part, rounded half up, never more than the payment."""
    return min(amount, half_up(amount * settings.fee_rate + settings.fee_fixed))


def _rate(settings: Settings, currency: str, into: str) -> Fraction:
    worth = settings.us_cents.get(currency)
    if worth is None:
        raise refusals.refused(
            f"Invalid currency: {currency}", "currency_not_supported", "currency"
        )
    scale = 10**_RATE_DIGITS
    return Fraction(half_up(worth / settings.us_cents[into] * scale), scale)
