"""Limits by currency and merchant, bare: what is in force, what it forbids, what needs two."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.policies import (
    FIELDS,
    Limits,
    Scope,
    Spent,
    beyond,
    contradictory,
    day_began,
    needs_approval,
    scope,
    unusable,
)

USD = Scope("usd", "bakery")
maybe = st.none() | st.integers(1, 10_000)
limits = st.builds(Limits, maybe, maybe, maybe, maybe, maybe)


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("usd", Scope("usd")),
        ("usd:bakery", Scope("usd", "bakery")),
        ("usd:a:b", Scope("usd", "a:b")),
        ("usd:", None),
        ("USD", None),
        ("us", None),
        (":bakery", None),
        ("", None),
        ("dollars:x", None),
    ],
)
def test_a_scope_is_a_currency_or_a_merchant_in_it(written: str, found: Scope | None) -> None:
    assert scope(written) == found
    if found:
        assert str(found) == written


@given(limits, limits)
def test_a_merchants_own_limit_wins_and_the_rest_is_the_currencys(
    own: Limits, wide: Limits
) -> None:
    in_force = own.over(wide)
    for name in FIELDS:
        mine = getattr(own, name)
        assert getattr(in_force, name) == (mine if mine is not None else getattr(wide, name))
    assert Limits().over(wide) == wide
    assert own.over(Limits()) == own


@given(limits, st.integers(1, 10_000), st.integers(0, 10_000), st.integers(0, 10_000))
def test_a_payout_that_is_let_through_keeps_every_limit(
    held: Limits, amount: int, mine: int, others: int
) -> None:
    refusal = beyond(held, USD, amount, Spent(mine + others, mine))
    broken = {
        "below_minimum": held.minimum is not None and amount < held.minimum,
        "above_maximum": held.maximum is not None and amount > held.maximum,
        "merchant_day_limit_reached": held.per_merchant_per_day is not None
        and mine + amount > held.per_merchant_per_day,
        "day_limit_reached": held.per_day is not None and mine + others + amount > held.per_day,
    }
    if refusal is None:
        assert not any(broken.values())
    else:
        assert broken[refusal.code]


def test_a_refusal_says_what_may_still_be_paid_today() -> None:
    refusal = beyond(Limits(per_merchant_per_day=10_000), USD, 5_000, Spent(8_800, 8_800))
    assert refusal is not None
    assert refusal.message == (
        "Today, in UTC, 12.00 usd of 100.00 usd is left for merchant bakery; ask for that or less,"
        " or try again tomorrow."
    )
    over = beyond(Limits(per_day=10_000), USD, 5_000, Spent(20_000, 0))
    assert over is not None
    assert "0.00 usd of 100.00 usd" in over.message


def test_a_second_person_is_needed_above_the_threshold_or_with_an_open_finding() -> None:
    held = Limits(approval_above=10_000)
    assert needs_approval(held, "usd", 10_000, ()) == ()
    assert needs_approval(held, "usd", 10_001, ()) == ("above_threshold: more than 100.00 usd",)
    assert needs_approval(held, "usd", 1, ["fnd_1"]) == ("open_finding: fnd_1",)
    assert needs_approval(Limits(), "usd", 10**11, ()) == ()
    assert needs_approval(Limits(approval_above=0), "usd", 1, ()) != ()


def test_limits_that_let_nothing_through_are_refused() -> None:
    assert contradictory(USD, Limits(minimum=100, maximum=100)) is None
    refusal = contradictory(USD, Limits(minimum=101, maximum=100))
    assert refusal is not None
    assert refusal.code == "contradictory_policy"


@pytest.mark.parametrize("name", FIELDS)
def test_a_limit_is_a_positive_amount(name: str) -> None:
    where = Scope("usd")
    assert unusable(where, replace(Limits(), **{name: 1})) is None
    assert unusable(where, replace(Limits(), **{name: -1})) is not None
    allowed = name == "approval_above"
    assert (unusable(where, replace(Limits(), **{name: 0})) is None) == allowed


def test_a_limit_for_all_merchants_is_not_set_on_one() -> None:
    assert unusable(USD, Limits(per_day=1)) is not None


@given(st.integers(0, 4_000_000_000))
def test_a_day_begins_at_midnight_in_utc(now: int) -> None:
    began = day_began(now)
    assert began % 86400 == 0
    assert began <= now < began + 86400
