"""What may be sent, when, and what an answer proves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain import sending
from reconciler.domain.sending import (
    KEY_SECONDS,
    SETTLED_SECONDS,
    STUCK_SECONDS,
    Ending,
    Progress,
    Status,
    Step,
    after_answer,
)
from tests.domain.making import NOW, examples

HTTP = (0, 200, 400, 401, 402, 403, 404, 409, 424, 429, 500, 502, 503)


def test_another_attempt_has_another_key():
    keys = {sending.key("payout", "pyt_1", n) for n in range(1, 5)}
    assert len(keys) == 4
    assert sending.key("payout", "x", 1) != sending.key("refund", "x", 1)


@pytest.mark.parametrize("repeated", [False, True])
@pytest.mark.parametrize("http", HTTP)
def test_no_answer_is_a_no_only_if_it_proves_it(http: int, repeated: bool):
    unknown = after_answer(Ending.UNKNOWN, http, repeated=repeated)
    begun = http == 429 and not repeated
    assert unknown is (Status.READY if begun else Status.UNKNOWN)
    refused = after_answer(Ending.REFUSED, http, repeated=repeated)
    at_the_door = repeated and http in (401, 403)
    assert refused is (Status.UNKNOWN if at_the_door else Status.REFUSED)
    assert after_answer(Ending.ACCEPTED, http, repeated=repeated) is Status.ACCEPTED


def unknown(age: int, **more: int | str) -> Progress:
    return Progress(Status.UNKNOWN, str(more.get("code", "")), NOW - age, NOW - age)


def test_the_same_request_is_repeated_until_the_key_may_be_forgotten():
    assert sending.step(unknown(0), NOW) is Step.REPEAT
    assert sending.step(unknown(KEY_SECONDS - 1), NOW) is Step.REPEAT
    assert sending.step(unknown(KEY_SECONDS), NOW) is Step.LOOK
    assert sending.step(unknown(0, code="idempotency_error"), NOW) is Step.LOOK


def test_a_call_under_way_is_left_alone_until_it_must_be_over():
    def under_way(age: int) -> Progress:
        return Progress(Status.SENDING, "", NOW - age, NOW - age)

    assert sending.step(under_way(STUCK_SECONDS - 1), NOW) is Step.WAIT
    assert sending.step(under_way(STUCK_SECONDS), NOW) is Step.REPEAT
    assert sending.step(under_way(KEY_SECONDS), NOW) is Step.LOOK


@pytest.mark.parametrize("status", [Status.READY, Status.UNKNOWN])
def test_nothing_is_done_before_its_time(status: Status):
    early = Progress(status, "", NOW - 5, NOW - 5, next_attempt_at=NOW + 1)
    assert sending.step(early, NOW) is Step.WAIT
    assert sending.step(early, NOW + 1) is not Step.WAIT


@pytest.mark.parametrize("status", [Status.ACCEPTED, Status.REFUSED])
def test_what_is_settled_is_settled(status: Status):
    for age in (0, STUCK_SECONDS, KEY_SECONDS, 10 * KEY_SECONDS):
        assert sending.step(Progress(status, "", NOW - age, NOW - age), NOW) is Step.WAIT


def test_absence_proves_something_only_once_stripe_can_no_longer_act():
    young = Progress(Status.UNKNOWN, "", NOW, NOW)
    assert not sending.absence_is_proof(young, NOW + KEY_SECONDS - 1)
    assert sending.absence_is_proof(young, NOW + KEY_SECONDS)
    late = Progress(Status.UNKNOWN, "", NOW, NOW + KEY_SECONDS - 1)
    assert not sending.absence_is_proof(late, NOW + KEY_SECONDS)
    assert sending.absence_is_proof(late, NOW + KEY_SECONDS - 1 + SETTLED_SECONDS)


@given(st.integers(0, 10**6))
@examples(100)
def test_waiting_grows_to_a_minute_and_no_further(sends: int):
    assert 5 <= sending.wait_seconds(sends) <= 60
    assert sending.wait_seconds(sends + 1) >= sending.wait_seconds(sends)


@given(
    st.sampled_from(list(Status)),
    st.integers(0, 3 * KEY_SECONDS),
    st.integers(0, 3 * KEY_SECONDS),
    st.integers(-100, 100),
    st.sampled_from(["", "no_answer", "idempotency_error"]),
)
@examples(500)
def test_nothing_new_is_ever_sent_for_what_may_have_happened(
    status: Status, first: int, since: int, next_: int, code: str
):
    """Only what nothing was sent of is sent; only a key that Stripe surely knows is repeated."""
    progress = Progress(status, code, NOW - first, NOW - min(first, since), NOW + next_)
    step = sending.step(progress, NOW)
    if step is Step.SEND:
        assert status is Status.READY
    if step is Step.REPEAT:
        assert status in (Status.UNKNOWN, Status.SENDING)
        assert first < KEY_SECONDS
        assert not sending.absence_is_proof(progress, NOW)
