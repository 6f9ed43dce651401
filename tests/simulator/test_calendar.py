"""When money settles: business days, by country and kind of payment."""

from datetime import UTC, datetime

import pytest

from reconciler.simulator import Simulator
from reconciler.simulator.kernel import calendar
from reconciler.simulator.kernel.world import Call
from reconciler.simulator.objects.balance import ledger


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def day(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M")


# Recorded at Stripe, for a French platform: created, kind, currency, country of whose account.
RECORDED = [
    ("2026-02-17 13:31:27", "card", "eur", "FR", "2026-02-20 00:00"),
    ("2026-02-17 13:31:35", "card", "jpy", "FR", "2026-02-20 00:00"),
    ("2026-02-17 13:32:09", "card", "aud", "AU", "2026-02-19 00:00"),
    ("2026-02-17 13:31:53", "sepa_debit", "eur", "FR", "2026-02-24 00:00"),
    ("2025-01-25 17:16:47", "card", "eur", "FR", "2025-01-30 00:00"),
]


@pytest.mark.parametrize(("created", "kind", "currency", "country", "available"), RECORDED)
def test_money_settles_as_recorded(created, kind, currency, country, available):
    sim = Simulator(now=at(created))
    merchant = sim.world.books[sim.acts.connect_account("US")]
    merchant.account["country"] = country
    call = Call(sim.world, sim.world.home)
    assert day(ledger.settles_on(call, kind, currency, merchant.account)) == available


def test_holidays_and_weekends_do_not_count():
    assert day(calendar.after(at("2026-12-23 10:00"), 3, "GB")) == "2026-12-29 00:00"
    assert day(calendar.after(at("2027-04-28 10:00"), 1, "JP")) == "2027-04-30 00:00"
    assert day(calendar.after(at("2026-12-23 10:00"), 3, "US")) == "2026-12-29 00:00"
    assert day(calendar.after(at("2026-07-04 10:00"), 0, "US")) == "2026-07-06 00:00"
    assert not calendar.is_business_day(at("2026-05-01 10:00"), "FR")


def test_a_payment_day_of_the_month_that_is_missing_is_the_last_one():
    assert calendar.is_month_day(at("2027-02-28 00:00"), [31])
    assert not calendar.is_month_day(at("2027-01-30 00:00"), [31])


def test_delays_can_be_set_and_overridden():
    sim = Simulator(now=at("2026-09-21 12:00"))
    sim.settings.settlement_days_by["card/eur"] = 1
    call = Call(sim.world, sim.world.home)
    assert day(ledger.settles_on(call, "card", "eur")) == "2026-09-22 00:00"
    assert day(ledger.settles_on(call, "card", "usd")) == "2026-09-23 00:00"
    sim.world.home.settlement_override = 5
    assert day(ledger.settles_on(call, "card", "eur")) == "2026-09-28 00:00"
