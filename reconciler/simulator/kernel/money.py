"""What Stripe charges and how it converts: integers in, integers out, every rounding named.

The one float is `exchange_rate`, because Stripe itself gives it as one; no money is computed from
it.
"""

from dataclasses import dataclass
from fractions import Fraction

from reconciler.simulator.kernel import refusals
from reconciler.simulator.kernel.settings import Settings
from reconciler.simulator.kernel.world import Book

# Significant ones, as in 0.893356.
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


def settle(settings: Settings, book: Book, amount: int, currency: str, home: bool) -> Settled:
    """The amount on this account's balance: as it is, or in the account's default currency."""
    if currency in settles_in(settings, book, home):
        return Settled(amount, currency)
    return convert(settings, amount, currency, book.account["default_currency"])


def convert(settings: Settings, amount: int, currency: str, into: str) -> Settled:
    """The amount in another currency, at today's rate."""
    if currency == into:
        return Settled(amount, currency)
    rate = _rate(settings, currency, into)
    return Settled(half_up(amount * rate), into, rate)


def settles_in(settings: Settings, book: Book, home: bool) -> tuple[str, ...]:
    """The currencies this account can hold: its country's, its bank accounts', and those set.

    `home` is whether it is the platform itself.
    """
    held: tuple[str, ...] = settings.settlement_currencies
    if not home and settings.connected_currencies is not None:
        held = settings.connected_currencies
    banks = book.shelf("bank_account").values()
    own = (bank["currency"] for bank in banks if bank.get("account") == book.id)
    return tuple(dict.fromkeys((*held, book.account["default_currency"], *own)))


def processing_fee(
    settings: Settings, amount: int, currency: str = "", kinds: tuple[str, ...] = ("card",)
) -> int:
    """The share and the fixed part, rounded half up, never more than the payment."""
    rate, fixed = _fee_plan(settings, currency, kinds)
    most = min(settings.fee_most.get(kinds[-1], amount), amount)
    return min(most, half_up(amount * rate + fixed))


def _fee_plan(
    settings: Settings, currency: str, kinds: tuple[str, ...]
) -> tuple[Fraction, Fraction]:
    for kind in kinds:
        for name in (f"{kind}/{currency}", kind):
            if name in settings.fees:
                rate, fixed = settings.fees[name]
                return Fraction(rate), Fraction(fixed)
    return settings.fee_rate, Fraction(settings.fee_fixed)


def _rate(settings: Settings, currency: str, into: str) -> Fraction:
    exact = settings.rates.get(f"{currency}/{into}")
    if exact is not None:
        return Fraction(exact)
    worth = settings.us_cents.get(currency)
    if worth is None:
        raise refusals.refused(
            f"Invalid currency: {currency}", "currency_not_supported", "currency"
        )
    return _significant(worth / settings.us_cents[into])


def _significant(rate: Fraction) -> Fraction:
    scale = Fraction(10) ** (_RATE_DIGITS - 1)
    while rate * scale >= 10**_RATE_DIGITS:
        scale /= 10
    while rate * scale < 10 ** (_RATE_DIGITS - 1):
        scale *= 10
    return Fraction(half_up(rate * scale)) / scale
