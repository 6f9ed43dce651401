"""Where a merchant stands, from what is known of its account."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.countries import NAMES, country_name
from reconciler.domain.onboarding import State, Tenure, is_done, standing, state_of

DONE = {"transfers": "active", "payouts_enabled": True, "details_submitted": True}
NEW = {"transfers": "inactive", "details_submitted": False, "past_due": ["external_account"]}
REJECTED = {**DONE, "transfers": "inactive", "disabled_reason": "rejected.fraud"}


@pytest.mark.parametrize(
    ("tenure", "detail", "state"),
    [
        (None, None, State.NOT_STARTED),
        (Tenure.FAILED, None, State.NOT_STARTED),
        (Tenure.OPENING, None, State.ONBOARDING),
        (Tenure.CURRENT, None, State.ONBOARDING),
        (Tenure.CURRENT, NEW, State.ONBOARDING),
        (Tenure.CURRENT, DONE, State.READY),
        (Tenure.CURRENT, {**DONE, "payouts_enabled": False}, State.RESTRICTED),
        (Tenure.CURRENT, {**DONE, "transfers": "inactive"}, State.RESTRICTED),
        (Tenure.CURRENT, {**DONE, "transfers": "pending"}, State.ONBOARDING),
        (
            Tenure.CURRENT,
            {**DONE, "transfers": "pending", "currently_due": ["external_account"]},
            State.RESTRICTED,
        ),
        (Tenure.CURRENT, REJECTED, State.REJECTED),
        (Tenure.DISCONNECTED, DONE, State.DISCONNECTED),
        (Tenure.DISCONNECTED_BY_MERCHANT, DONE, State.DISCONNECTED),
        (Tenure.REPLACED, DONE, State.DISCONNECTED),
    ],
)
def test_the_state_follows_from_the_account(
    tenure: Tenure | None, detail: dict[str, Any] | None, state: State
) -> None:
    assert state_of(tenure, detail) is state


details = st.none() | st.fixed_dictionaries(
    {},
    optional={
        "transfers": st.sampled_from(["", "active", "inactive", "pending"]),
        "payouts_enabled": st.booleans(),
        "details_submitted": st.booleans(),
        "disabled_reason": st.sampled_from(["", "rejected.other", "under_review", "new"]),
        "currently_due": st.lists(st.sampled_from(["external_account", "business_type"])),
        "past_due": st.lists(st.sampled_from(["external_account", "individual.dob.day"])),
        "eventually_due": st.lists(st.sampled_from(["external_account", "company.name"])),
        "pending_verification": st.lists(st.just("company.tax_id")),
        "current_deadline": st.integers(0, 2**33),
    },
)


@given(st.none() | st.sampled_from(list(Tenure)), details)
def test_only_an_active_capability_of_the_account_in_use_receives_payouts(
    tenure: Tenure | None, detail: dict[str, Any] | None
) -> None:
    found = standing(tenure, detail)
    living = tenure in (Tenure.CURRENT, Tenure.OPENING)
    assert found.receives_payouts == (
        living and detail is not None and detail.get("transfers") == "active"
    )
    assert found.next_step.endswith(".")
    if found.state is State.READY:
        assert found.receives_payouts
        assert found.reaches_bank
    named = [f for line in (*found.past_due, *found.due_now, *found.due_later) for f in line.fields]
    assert len(named) == len(set(named))  # nothing is asked for twice


def test_who_has_handed_in_everything_is_done() -> None:
    assert is_done(DONE)
    assert not is_done({**DONE, "currently_due": ["external_account"]})
    assert not is_done({**DONE, "past_due": ["external_account"]})
    assert not is_done({**DONE, "details_submitted": False})


def test_countries_have_codes_and_names() -> None:
    assert len(NAMES) == 249
    assert all(len(c) == 2 and c.isupper() and name.strip() for c, name in NAMES.items())
    assert (country_name("DE"), country_name("??")) == ("Germany", "??")
