"""A second person's word, bare: bound to what was seen, never one's own, in time, and once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.approvals import ApprovalStatus, Request, Waiting, refused

WHAT = Waiting("pyt_1", "payout", "bakery", "acct_1", 5_000, "usd")
ASKED = Request(WHAT, WHAT.digest, "key_asker", 1_000, ApprovalStatus.WAITING)


def why(asked: Request = ASKED, **given: Any) -> str | None:
    said = {"by": "key_other", "digest": WHAT.digest, "now": 999, **given}
    refusal = refused(asked, **said)
    return refusal.code if refusal else None


def test_another_key_that_sends_the_digest_in_time_may_decide() -> None:
    assert why() is None


@pytest.mark.parametrize("status", [s for s in ApprovalStatus if s is not ApprovalStatus.WAITING])
def test_what_is_decided_stays_decided(status: ApprovalStatus) -> None:
    assert why(replace(ASKED, status=status)) == "already_decided"


def test_nobody_decides_on_their_own_request() -> None:
    assert why(by="key_asker") == "own_request"
    assert why(by="") == "own_request"


def test_the_last_second_is_not_too_late_and_the_next_one_is() -> None:
    assert why(now=999) is None
    assert why(now=1_000) == "approval_expired"


@pytest.mark.parametrize("digest", ["", "0" * 64, WHAT.digest[:-1], WHAT.digest.upper(), "é"])
def test_a_digest_of_something_else_approves_nothing(digest: str) -> None:
    assert why(digest=digest) == "digest_mismatch"


@pytest.mark.parametrize(
    "changed",
    [
        {"amount": 5_001},
        {"currency": "eur"},
        {"destination": "acct_2"},
        {"instruction": "pyt_2"},
        {"kind": "refund"},
        {"merchant": "florist"},
    ],
)
def test_an_instruction_that_was_changed_since_is_not_approved(changed: dict[str, Any]) -> None:
    what = replace(WHAT, **changed)
    assert what.digest != WHAT.digest
    asked = replace(ASKED, what=what)
    assert why(asked) == "instruction_changed"
    assert why(asked, digest=what.digest) == "instruction_changed"


def test_declining_needs_no_digest_and_may_stop_what_was_changed() -> None:
    assert why(digest=None) is None
    assert why(replace(ASKED, what=replace(WHAT, amount=1)), digest=None) is None
    assert why(digest=None, by="key_asker") == "own_request"
    assert why(digest=None, now=1_000) == "approval_expired"


texts = st.text(max_size=6)
waitings = st.builds(Waiting, texts, texts, texts, texts, st.integers(1, 10**12), texts)


@given(waitings, waitings)
def test_two_things_never_have_one_digest(one: Waiting, other: Waiting) -> None:
    assert (one.digest == other.digest) == (one == other)
