"""The account behind a recording: its currencies, fees, rates and delays, read off its traffic.

Only what shows in balance transactions is found; the rest stays as the simulator has it. Amounts
are minor units, and every rule found explains every balance transaction it was read from.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple

from reconciler.simulator.kernel import calendar
from reconciler.simulator.kernel.money import half_up
from reconciler.simulator.kernel.settings import Settings
from reconciler.simulator.outside.proof.recording import Exchange, Json, objects

_FINEST_RATE = Fraction(5, 10_000)
_HIGHEST_RATE = Fraction(6, 100)
_LONGEST_DELAY = 15


class Payment(NamedTuple):
    """A payment's balance transaction, with the charge that it books."""

    row: Json
    charge: Json

    @property
    def kind(self) -> str:
        return str((self.charge.get("payment_method_details") or {}).get("type"))

    @property
    def origin(self) -> str:
        """The kind with the country of the card, as fees are told apart: `card_US`."""
        country = (self.charge["payment_method_details"].get(self.kind) or {}).get("country")
        return f"{self.kind}_{country}"


def payments_of(exchanges: Iterable[Exchange]) -> list[Payment]:
    """Every booked payment that the recording shows."""
    rows: dict[str, Json] = {}
    charges: dict[str, Json] = {}
    for exchange in exchanges:
        for thing in objects(exchange.body):
            if thing["object"] == "balance_transaction":
                rows[thing["id"]] = thing
            elif thing["object"] == "charge":
                charges[thing["id"]] = thing
    booked = (row for row in rows.values() if row["type"] in ("charge", "payment"))
    return [Payment(row, charges[row["source"]]) for row in booked if row["source"] in charges]


def settings_for(exchanges: list[Exchange], settings: Settings) -> Settings:
    """These settings, with what the recording says about its account put in."""
    everything = payments_of(exchanges)
    own = [payment for payment in everything if payment.kind != "stripe_account"]
    currencies = Counter(p.row["currency"] for p in own if p.row["exchange_rate"] is None)
    found = replace(
        settings,
        rates={**settings.rates, **dict(_rates(everything))},
        connected_currencies=(),
        fees={**settings.fees, **dict(_fees(own))},
        settlement_days_by={**settings.settlement_days_by, **dict(_delays(own))},
    )
    accounts = (None, *(exchange.account for exchange in exchanges))
    shown = (descriptor_of(account, exchanges) for account in accounts)
    # An account that has said nothing shows what its platform does.
    found.statement_descriptor = next((text for text in shown if text), None)
    found.statement_descriptor_prefix = _prefix_of(everything)
    if currencies:
        found.settlement_currencies = tuple(currency for currency, _ in currencies.most_common())
        found.country = country_of(found.settlement_currencies[0])
    return found


def country_of(currency: str) -> str:
    """A currency is named after its country, but for the one that many share."""
    return "FR" if currency == "eur" else currency[:2].upper()


def descriptor_of(account: str | None, exchanges: Iterable[Exchange]) -> str | None:
    """What customers read on their statements when a payment in this account says nothing."""
    shown = (
        charge.get("calculated_statement_descriptor")
        for exchange in exchanges
        if exchange.account == account
        for charge in objects(exchange.body)
        if charge["object"] == "charge"
        and not charge.get("statement_descriptor")
        and not charge.get("statement_descriptor_suffix")
        and not charge.get("on_behalf_of")
    )
    return next((text for text in shown if text), None)


def _prefix_of(payments: Iterable[Payment]) -> str | None:
    """What comes before what a payment adds to it."""
    shown = (
        (payment.charge.get("calculated_statement_descriptor") or "").partition("* ")
        for payment in payments
        if payment.charge.get("statement_descriptor_suffix")
    )
    return next((before for before, star, _ in shown if star), None)


def _rates(payments: Iterable[Payment]) -> Iterator[tuple[str, str]]:
    for row, charge in payments:
        if row["exchange_rate"] is not None:
            yield f"{charge['currency']}/{row['currency']}", str(row["exchange_rate"])


def _fees(payments: list[Payment]) -> Iterator[tuple[str, tuple[str, int]]]:
    """One rate for each kind of payment, or failing that for each country of its cards, with a
    fixed part for each currency."""
    for kind in sorted({payment.kind for payment in payments}):
        group = [payment for payment in payments if payment.kind == kind]
        whole = _plan_for(group)
        if whole:
            # Abroad it costs the same, as far as is known.
            names = (kind, "international_card") if kind == "card" else (kind,)
            yield from ((f"{n}/{c}", fee) for n in names for c, fee in whole.items())
            continue
        for origin in sorted({payment.origin for payment in group}):
            plan = _plan_for([payment for payment in group if payment.origin == origin])
            yield from ((f"{origin}/{c}", fee) for c, fee in plan.items())


def _plan_for(payments: list[Payment]) -> dict[str, tuple[str, int]]:
    """The simplest fee in each currency that explains every one of these; empty if none does."""
    by_currency: dict[str, list[Json]] = defaultdict(list)
    for payment in payments:
        by_currency[payment.row["currency"]].append(payment.row)
    plans = [_plan(rate, by_currency) for rate in _rates_to_try()]
    fitting = [plan for plan in plans if plan is not None]
    # Of plans that all fit, the one with the roundest fixed parts.
    return min(fitting, key=lambda plan: sum(f % 5 for _, f in plan.values()), default={})


def _rates_to_try() -> Iterator[Fraction]:
    steps = int(_HIGHEST_RATE / _FINEST_RATE)
    return (_FINEST_RATE * step for step in range(steps + 1))


def _plan(rate: Fraction, by_currency: dict[str, list[Json]]) -> dict[str, tuple[str, int]] | None:
    """The fixed part that this rate leaves in each currency, if one explains all."""
    plan = {}
    for currency, rows in by_currency.items():
        fixed = {row["fee"] - half_up(row["amount"] * rate) for row in rows}
        if len(fixed) != 1 or min(fixed) < 0:
            return None
        plan[currency] = (str(rate), fixed.pop())
    return plan


def _delays(payments: Iterable[Payment]) -> Iterator[tuple[str, int]]:
    """How many business days each kind and currency took to become available."""
    for payment in payments:
        row = payment.row
        for days in range(_LONGEST_DELAY):
            if calendar.after(row["created"], days, "") == row["available_on"]:
                yield f"{payment.kind}/{row['currency']}", days
                break
