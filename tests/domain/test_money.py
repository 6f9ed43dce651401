"""Amounts are integers of minor units beside a currency, and nothing else passes for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.money import (
    LARGEST_AMOUNT,
    NotMoney,
    checked_amount,
    checked_currency,
    exponent,
    is_currency,
    major,
)
from tests.domain.making import examples

LARGEST_COLUMN = 2**63 - 1

# https://docs.stripe.com/currencies
ZERO = [
    *("bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga"),
    *("pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"),
]
THREE = ["bhd", "jod", "kwd", "omr", "tnd"]
TWO = ["usd", "eur", "gbp", "isk", "ugx", "huf", "twd", "inr", "chf"]


@pytest.mark.parametrize(
    ("currency", "digits"),
    [(c, 0) for c in ZERO] + [(c, 3) for c in THREE] + [(c, 2) for c in TWO],
)
def test_the_decimals_of_a_currency_are_those_of_stripes_table(currency: str, digits: int):
    assert exponent(currency) == digits


@pytest.mark.parametrize(
    ("amount", "currency", "written"),
    [
        (123456, "usd", "1,234.56"),
        (500, "isk", "5.00"),
        (500, "ugx", "5.00"),
        (500, "jpy", "500"),
        (1234567, "jpy", "1,234,567"),
        (-1234567, "jpy", "-1,234,567"),
        (5000, "kwd", "5.000"),
        (1, "kwd", "0.001"),
        (0, "usd", "0.00"),
        (0, "jpy", "0"),
        (-1, "usd", "-0.01"),
        (-5, "kwd", "-0.005"),
        (7, "usd", "0.07"),
        (100_000_000_000_001, "usd", "1,000,000,000,000.01"),
    ],
)
def test_minor_units_are_written_in_major_units_exactly(amount: int, currency: str, written: str):
    assert major(amount, currency) == written


@examples(100)
@given(st.integers(-LARGEST_AMOUNT, LARGEST_AMOUNT), st.sampled_from([*ZERO, *TWO, *THREE]))
def test_what_is_written_in_major_units_reads_back_as_the_same_minor_units(
    amount: int, currency: str
):
    digits = exponent(currency)
    whole, _, part = major(amount, currency).replace(",", "").partition(".")
    assert len(part) == digits
    assert int(whole + part) == amount


@pytest.mark.parametrize("value", [1.0, 0.5, True, False, "100", None, [1], 1e30])
def test_what_is_not_an_integer_is_no_amount(value: object):
    with pytest.raises(NotMoney, match=f"fee must be an integer.*{type(value).__name__}"):
        checked_amount(value, "fee")


@pytest.mark.parametrize("value", [LARGEST_AMOUNT + 1, -LARGEST_AMOUNT - 1, 10**30])
def test_an_integer_too_large_to_be_money_is_no_amount(value: int):
    with pytest.raises(NotMoney, match="fee is larger than any amount"):
        checked_amount(value, "fee")


def test_an_integer_too_long_to_be_written_is_no_amount_either():
    with pytest.raises(NotMoney):
        checked_amount(10**5000, "fee")


@pytest.mark.parametrize("value", [0, 1, -1, LARGEST_AMOUNT, -LARGEST_AMOUNT, 10**12])
def test_an_integer_of_minor_units_passes_unchanged(value: int):
    assert checked_amount(value, "fee") == value


def test_the_sum_of_the_two_largest_amounts_fits_a_signed_64_bit_column():
    assert 2 * LARGEST_AMOUNT <= LARGEST_COLUMN


@pytest.mark.parametrize(
    "value", ["USD", "Usd", "us", "usdd", "", "   ", "123", "ußd", "éur", None, 840, ["usd"], True]
)
def test_what_is_not_three_lower_case_letters_is_no_currency(value: object):
    assert not is_currency(value)
    with pytest.raises(NotMoney, match="unit must be three lower-case letters"):
        checked_currency(value, "unit")


@pytest.mark.parametrize("value", ["us1", "u-d", "u d", "us\n", "us\x00", "a.."])
def test_digits_blanks_and_nul_are_no_letters(value: str):
    assert not is_currency(value)


@pytest.mark.parametrize("value", ["usd", "jpy", "zzz"])
def test_a_currency_that_is_not_in_the_table_is_one_all_the_same(value: str):
    assert checked_currency(value, "unit") == value
    assert is_currency(value)
