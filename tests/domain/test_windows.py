"""Until when things are a matter of time: days of banks, days of Stripe."""

from datetime import UTC, datetime

import pytest

from reconciler.domain.windows import DAY, bank_returns_by, business_days_after, settled_by


def at(written: str) -> int:
    return int(datetime.fromisoformat(written).replace(tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("moment", "days", "end"),
    [
        ("2026-11-23T10:00", 1, "2026-11-25T00:00"),  # a Monday
        ("2026-11-27T10:00", 1, "2026-12-01T00:00"),  # a Friday
        ("2026-11-28T10:00", 1, "2026-12-01T00:00"),  # a Saturday
        ("2026-11-29T10:00", 1, "2026-12-01T00:00"),  # a Sunday
        ("2026-11-23T23:59", 5, "2026-12-01T00:00"),
    ],
)
def test_business_days_skip_weekends_and_end_with_their_day(moment: str, days: int, end: str):
    assert business_days_after(at(moment), days) == at(end)


def test_a_bank_has_five_business_days_to_return_a_payout():
    assert bank_returns_by(at("2026-11-25T00:00")) == at("2026-12-03T00:00")


def test_money_is_available_by_the_end_of_the_day_that_stripe_names():
    assert settled_by(at("2026-11-25T00:00")) == at("2026-11-25T00:00") + DAY
