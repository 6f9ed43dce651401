"""Whether what arrived on a connected account is what was sent, by examples and by properties."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.legs import Arrived, Problem, Sent, at_risk, converts, problem
from reconciler.simulator.kernel.money import half_up
from tests.domain.making import examples

SENT = Sent("tr_1", 10_000, 0, "usd")
CAME = Arrived("py_1", "tr_1", 10_000, 0, "usd", "txn_1", 10_000, 0, "usd")
ABROAD = replace(CAME, settled=8_934, settled_currency="eur", rate="0.893356")


def test_what_arrived_as_it_was_sent_has_no_problem() -> None:
    assert problem(SENT, CAME) is None
    assert problem(SENT, ABROAD) is None
    assert problem(SENT, replace(CAME, movement="", settled=0, settled_currency="")) is None
    assert problem(replace(SENT, amount_reversed=300), replace(CAME, refunded=300)) is None


@pytest.mark.parametrize(
    ("came", "expected", "risk"),
    [
        (None, Problem.MISSING, 10_000),
        (replace(CAME, transfer="tr_2"), Problem.MISSING, 10_000),
        (replace(CAME, amount=9_000), Problem.AMOUNT_DIFFERS, 1_000),
        (replace(CAME, currency="eur"), Problem.CURRENCY_DIFFERS, 10_000),
        (replace(CAME, refunded=400), Problem.REVERSED_ON_ONE_SIDE, 400),
        (replace(CAME, settled=9_999), Problem.CONVERSION_DIFFERS, 10_000),
        (replace(ABROAD, settled=8_900), Problem.CONVERSION_DIFFERS, 10_000),
    ],
)
def test_one_field_that_differs_is_one_problem(
    came: Arrived | None, expected: Problem, risk: int
) -> None:
    assert problem(SENT, came) is expected
    amount, refunded = (came.amount, came.refunded) if came else (0, 0)
    assert at_risk(expected, SENT.amount, SENT.amount_reversed, amount, refunded) == risk


@examples(300)
@given(
    st.integers(1, 10**11),
    st.fractions(min_value=Fraction(1, 100_000), max_value=100_000, max_denominator=10**6),
    st.integers(2, 6),
    st.sampled_from([("usd", "eur"), ("jpy", "usd"), ("usd", "jpy"), ("kwd", "jpy")]),
    st.booleans(),
)
def test_an_honest_conversion_never_cries_wolf(
    amount: int, exact: Fraction, digits: int, pair: tuple[str, str], major: bool
) -> None:
    """Stripe converts at its own exact rate, rounds, and names the rate in few digits."""
    source, target = pair
    powers = {"usd": 2, "eur": 2, "jpy": 0, "kwd": 3}
    scale = Fraction(10) ** (powers[target] - powers[source]) if major else Fraction(1)
    settled = half_up(amount * exact * scale)
    named = repr(float(f"{float(exact):.{digits - 1}e}"))
    assert converts(amount, source, settled, target, named)


def test_a_conversion_that_no_rounding_explains_is_found() -> None:
    assert not converts(1_000_000, "usd", 893_370, "eur", "0.893356")
    assert not converts(1_000_000, "usd", 0, "eur", "0")
    assert converts(100_000, "jpy", 66_612, "usd", "0.0066612")
    assert converts(100_000, "jpy", 66_612, "usd", "0.66612")
    assert not converts(100_000, "jpy", 67_612, "usd", "0.66612")
