"""Business days: when a bank or a card network does anything at all.

Saturdays, Sundays and the fixed holidays of a country are not business days; holidays that move
with Easter or the weekday are left out. Moments are Unix times, days begin at 00:00 UTC.
"""

from calendar import monthrange
from datetime import UTC, date, datetime
from functools import lru_cache

from reconciler.simulator.kernel.clock import DAY

_NEW_YEAR, _CHRISTMAS = "01-01", "12-25"
# The holidays of TARGET, by which euro accounts settle.
_TARGET = frozenset({_NEW_YEAR, "05-01", _CHRISTMAS, "12-26"})

_HOLIDAYS: dict[str, frozenset[str]] = {
    "AU": frozenset({_NEW_YEAR, "01-26", "04-25", _CHRISTMAS, "12-26"}),
    "CA": frozenset({_NEW_YEAR, "07-01", "09-30", "11-11", _CHRISTMAS, "12-26"}),
    "CH": frozenset({_NEW_YEAR, "01-02", "05-01", "08-01", _CHRISTMAS, "12-26"}),
    "DK": frozenset({_NEW_YEAR, "06-05", _CHRISTMAS, "12-26"}),
    "GB": frozenset({_NEW_YEAR, _CHRISTMAS, "12-26"}),
    "JP": frozenset({_NEW_YEAR, "01-02", "01-03", "02-11", "04-29", "05-03", "11-03", "11-23"}),
    "NO": frozenset({_NEW_YEAR, "05-01", "05-17", _CHRISTMAS, "12-26"}),
    "PL": frozenset({_NEW_YEAR, "01-06", "05-01", "05-03", "08-15", "11-01", "11-11", _CHRISTMAS}),
    "SE": frozenset({_NEW_YEAR, "01-06", "05-01", "06-06", _CHRISTMAS, "12-26"}),
    "US": frozenset({_NEW_YEAR, "06-19", "07-04", "11-11", _CHRISTMAS}),
}

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def is_business_day(moment: int, country: str) -> bool:
    day = _date(moment)
    return day.weekday() < 5 and f"{day:%m-%d}" not in _HOLIDAYS.get(country, _TARGET)


def business_day(moment: int, country: str) -> int:
    """00:00 of the first business day that is not before this moment's day."""
    midnight = moment // DAY * DAY
    while not is_business_day(midnight, country):
        midnight += DAY
    return midnight


def after(moment: int, days: int, country: str) -> int:
    """00:00 so many business days later; what happens on a holiday happens on the next one."""
    return _after(moment // DAY * DAY, days, country)


@lru_cache(maxsize=10_000)
def _after(moment: int, days: int, country: str) -> int:
    midnight = business_day(moment, country)
    for _ in range(days):
        midnight = business_day(midnight + DAY, country)
    return midnight


def weekday(moment: int) -> str:
    return WEEKDAYS[_date(moment).weekday()]


def is_month_day(moment: int, days: list[int]) -> bool:
    """Whether this is one of these days of its month; the 31st of a short month is its last."""
    day = _date(moment)
    last = monthrange(day.year, day.month)[1]
    return day.day in {min(wanted, last) for wanted in days}


def _date(moment: int) -> date:
    return datetime.fromtimestamp(moment, UTC).date()
