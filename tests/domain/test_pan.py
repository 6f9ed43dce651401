"""Card numbers are found however they are written, and ids and times are not taken for them."""

from __future__ import annotations

import random
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.pan import card_number, holds_card_number, luhn


def completed(body: str) -> str:
    """The digits with their check digit."""
    return next(body + digit for digit in "0123456789" if luhn(body + digit))


@st.composite
def numbers(draw: st.DrawFn) -> str:
    start = draw(st.sampled_from(["4", "51", "55", "2221", "2720", "34", "37", "36", "6011", "62"]))
    length = draw(st.integers(13, 19))
    rest = draw(st.text("0123456789", min_size=length, max_size=length))
    return completed((start + rest)[: length - 1])


@given(numbers(), st.text("abc xyz,:", max_size=6), st.text("abc xyz,:", max_size=6))
def test_a_number_is_found_in_whatever_stands_around_it(number: str, left: str, right: str) -> None:
    assert holds_card_number(left + number + right)


@given(numbers(), st.sampled_from([" ", "-", ".", "\u00a0", "\u200b", "/", "\n", " - "]))
def test_a_number_is_found_in_groups(number: str, between: str) -> None:
    groups = [number[at : at + 4] for at in range(0, len(number), 4)]
    assert holds_card_number(between.join(groups))


@given(numbers())
def test_a_number_is_found_with_its_expiry_behind_it(number: str) -> None:
    assert holds_card_number(f"{number} 12/34 123")


@given(numbers(), st.integers(0, 9))
def test_one_wrong_digit_is_no_number(number: str, digit: int) -> None:
    wrong = number[:-1] + str(digit)
    assert luhn(wrong) is (wrong == number)


@pytest.mark.parametrize(
    "harmless",
    [
        "",
        "2026-11-22 10:33:12.123456",
        "2026-11-22T10:33:12Z",
        "1700000000",
        "+49 170 1234567",
        "pi_3MtwBwLkdIwHu7ix28a3tqPa",
        "INV-2026-000123",
        "4242",
        "999999999999",
    ],
)
def test_what_is_no_number_passes(harmless: str) -> None:
    assert not holds_card_number(harmless)


def test_ids_of_ours_are_never_taken_for_numbers() -> None:
    chance = random.Random(1)
    for _ in range(20_000):
        assert not holds_card_number(f"pyt_{chance.randbytes(12).hex()}")
        assert not holds_card_number(str(uuid.UUID(bytes=chance.randbytes(16))))
        assert not holds_card_number(chance.randbytes(32).hex())


def test_every_place_of_a_body_is_looked_at() -> None:
    number = "4242424242424242"
    assert card_number({"a": [{"b": number}]}) == "b"
    assert card_number({"a": int(number)}) == "a"
    assert card_number({number: 1}) == "a field's name"
    assert card_number([number]) == "value"
    assert card_number({"a": True, "b": None, "c": 1.5, "d": {}}) == ""
