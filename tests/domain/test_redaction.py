"""No secret and no card number is kept by the audit log, whoever hands one over."""

from __future__ import annotations

import json
import secrets
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.audit import Action, Actor, Audit, content
from reconciler.domain.redaction import CARD, SECRET, redacted, redacted_text

SECRETS = [
    "sk_test_51HxSuperSecretValue",
    "rk_live_51HxSuperSecretValue",
    "ek_test_YWNjdF8x",
    "whsec_abcdefgh/ijkl+mnop=",
    "pi_3MtwBw_secret_YrKJUKribcBjcG8HVhfZluoGH",
    "seti_1Mm8s8_secret_NqPKzNW",
    f"rec_{secrets.token_urlsafe(32)}",
    "Bearer abc.def-ghi",
    "basic dXNlcjpwYXNz",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
]
CARDS = [
    "4242424242424242",
    "4242 4242 4242 4242",
    "4242-4242-4242-4242",
    "4242.4242.4242.4242",
    "4242_4242_4242_4242",
    "4242 - 4242 - 4242 - 4242",
    "378282246310005",
    "3782 822463 10005",
    "30569309025904",
    "6200000000000005",
    "6011 1111 1111 1117",
    "5555555555554444",
    "４２４２４２４２４２４２４２４２",
    "4242\u00a04242\u00a04242\u00a04242",
]
AROUND = st.text(st.characters(exclude_categories=["Nd", "Nl", "No"]), max_size=20)


def anywhere(secret: str, around: tuple[str, str], shape: int) -> Audit:
    """An entry that has the secret in one of its places."""
    text = f"{around[0]} {secret} {around[1]}"
    places: list[dict[str, Any]] = [
        {"before": {"note": text}},
        {"after": {"a": [{"b": text}]}},
        {"after": {text: 1}},
        {"reason": text},
        {"subject": text},
        {"actor": Actor(text, text, "admin", text, text)},
    ]
    actor = Actor("key_1", "a", "admin")
    given = {"actor": actor, "action": Action.POLICY_CHANGED, "subject": "x", **places[shape]}
    return Audit(**given)


def stays_out(secret: str, entry: Audit) -> None:
    kept = json.dumps(content(entry, 1), ensure_ascii=False)
    assert secret not in kept
    digits = "".join(character for character in secret if character.isdigit())
    if len(digits) > 12:
        assert digits not in "".join(character for character in kept if character.isdigit())


@given(st.sampled_from(SECRETS + CARDS), st.tuples(AROUND, AROUND), st.integers(0, 5))
def test_no_secret_gets_in_anywhere(secret: str, around: tuple[str, str], shape: int) -> None:
    stays_out(secret, anywhere(secret, around, shape))


def with_check_digit(digits: str) -> str:
    doubled = (int(d) * (1 + (place + 1) % 2) for place, d in enumerate(reversed(digits)))
    total = sum(d - 9 if d > 9 else d for d in doubled)
    return digits + str(-total % 10)


CARD_NUMBERS = st.from_regex(r"\A[1-9][0-9]{11,17}\Z").map(with_check_digit)


@given(CARD_NUMBERS, st.sampled_from(["", " ", "-", "."]), st.integers(0, 5), st.text(max_size=5))
def test_no_number_that_could_be_a_cards_gets_in(
    number: str, between: str, shape: int, before: str
) -> None:
    written = between.join(number[at : at + 4] for at in range(0, len(number), 4))
    stays_out(written, anywhere(written, ("order", ""), shape))
    assert redacted({"n": int(number)}) == {"n": CARD}
    assert CARD in redacted_text(f"12 {written}")


@pytest.mark.parametrize(
    "name", ["secret", "client_secret", "API-Key", "cvc", "password", "stripe_webhook_secret"]
)
def test_what_is_named_a_secret_is_one(name: str) -> None:
    assert redacted({name: "hunter2"}) == {name: SECRET}
    assert redacted({"a": {name: ["x", {"y": 1}]}}) == {"a": {name: SECRET}}
    assert redacted({name: None}) == {name: None}


@pytest.mark.parametrize(
    "kept",
    [
        "pyt_0123456789abcdef01234567",
        "pyt_012345678901234567890123",
        "evt_1MtwBwLkdIwHu7ixhJC1zQ4E",
        "acct_1032D82eZvKYlo2C",
        "key_1",
        "2026-11-22T01:21:56Z",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "123e4567-e89b-12d3-a456-426614174000",
        "a payout of 1,234,567.89 usd to acct_1032D82eZvKYlo2C",
        "pk_test_TYooMQauvdEDq54NiTphI7jx",
        "evt_00000000000000",
        "whatever: the secret of success",
    ],
)
def test_ids_digests_and_words_stay_as_they_are(kept: str) -> None:
    assert redacted_text(kept) == kept
    assert redacted({"id": kept, "amount": 999_999_999_999, "at": 1_790_000_000}) == {
        "id": kept,
        "amount": 999_999_999_999,
        "at": 1_790_000_000,
    }


@given(st.text())
def test_whatever_text_comes_a_database_can_hold_it(text: str) -> None:
    kept = redacted_text(text)
    assert "\x00" not in kept
    kept.encode()


def test_a_text_without_end_is_cut() -> None:
    assert len(redacted_text("word " * 10_000)) < 4_100
