"""What Stripe asks for, in words: every name has some, and none is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.requirements_words import (
    CAPABILITIES,
    DISABLED,
    asked,
    capability,
    disabled,
    words,
)


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("external_account", "a bank account"),
        ("individual.verification.document", "a photo of an identity document"),
        ("individual.verification.document.front", "a photo of an identity document"),
        (
            "person_1OaKk2Q.verification.additional_document",
            "a document that shows the address of a person in the business",
        ),
        ("representative.dob.year", "the date of birth of the representative"),
        ("owners.first_name", "the legal name of every owner"),
        ("directors", "the directors of the company"),
        ("company.address.postal_code", "the company's address"),
        ("relationship.owner", "relationship.owner"),
        ("tos_acceptance.ip", "agreement to Stripe's terms of service"),
        ("interv_1abc.business_model_verification.form", "answers about the business"),
        ("interv_1abc.something_new.form", "interv_1abc.something_new.form"),
        ("a_field.of_tomorrow", "a_field.of_tomorrow"),
        ("", ""),
    ],
)
def test_a_requirement_has_words(field: str, said: str) -> None:
    assert words(field) == said


def test_the_parts_of_one_question_are_one_line() -> None:
    fields = ["individual.dob.day", "external_account", "individual.dob.month", "new.thing"]
    lines = asked(fields, {"individual.dob.month": "It is in the future."})
    assert [(line.words, line.fields, line.problem) for line in lines] == [
        (
            "the date of birth",
            ("individual.dob.day", "individual.dob.month"),
            "It is in the future.",
        ),
        ("a bank account", ("external_account",), ""),
        ("new.thing", ("new.thing",), ""),
    ]


@given(st.lists(st.text(max_size=60), max_size=12))
def test_no_field_is_ever_lost(fields: list[str]) -> None:
    named = [field for line in asked(fields) for field in line.fields]
    assert sorted(named) == sorted(set(fields))


def test_every_reason_is_a_sentence_and_an_unknown_one_is_shown() -> None:
    for sentence in DISABLED.values():
        assert sentence[0].isupper()
        assert sentence.endswith(".")
    assert disabled("") == ""
    assert disabled("rejected.something_new") == (
        "Stripe has disabled the account: rejected.something_new."
    )


def test_capabilities_have_words() -> None:
    assert capability("transfers") == CAPABILITIES["transfers"]
    assert capability("sepa_debit_payments") == "take payments by sepa debit"
    assert capability("app_distribution") == "app_distribution"
