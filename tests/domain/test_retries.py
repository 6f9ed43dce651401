"""The retry plan: on other days, not too often, and never where the networks forbid it."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.invoices import InvoiceStatus, after_decline
from reconciler.domain.retries import (
    MOST_RETRIES,
    RETRY_AFTER_DAYS,
    Answer,
    Try,
    Verdict,
    card_has_expired,
    may_try,
    next_try,
    verdict,
)

DAY = date(2026, 11, 22)

HARD = """
do_not_try_again lost_card stolen_card pickup_card restricted_card fraudulent stop_payment_order
revocation_of_all_authorizations revocation_of_authorization
""".split()  # noqa: SIM905
SOFT = """
insufficient_funds issuer_not_available processing_error try_again_later reenter_transaction
generic_decline do_not_honor something_new
""".split()  # noqa: SIM905

codes = st.sampled_from([*HARD, *SOFT, "expired_card", "authentication_required", "incorrect_cvc"])
advice = st.sampled_from(["", "do_not_try_again", "try_again_later", "confirm_card_data"])


@pytest.mark.parametrize("code", HARD)
def test_a_hard_decline_is_for_ever(code: str) -> None:
    assert verdict(Answer("card_declined", code)) is Verdict.NEVER


@pytest.mark.parametrize("code", SOFT)
def test_a_soft_decline_may_be_tried_again(code: str) -> None:
    assert verdict(Answer("card_declined", code)) is Verdict.LATER


@given(codes)
def test_advice_not_to_try_again_outweighs_every_code(code: str) -> None:
    assert verdict(Answer(code, code, "do_not_try_again")) is Verdict.NEVER


@given(codes, advice)
def test_a_refused_request_is_no_answer_of_a_card(code: str, said: str) -> None:
    assert verdict(Answer(code, code, said, declined=False)) is Verdict.OURS


@given(st.lists(st.integers(0, 20), max_size=30))
def test_the_plan_never_tries_a_card_twice_on_a_day_nor_too_often(late_by: list[int]) -> None:
    """Whatever days the runs are late by: each try is later than the last, and they end."""
    tries: list[Try] = []
    today = DAY
    for late in [*late_by, *([0] * 10)]:
        planned = next_try(tries, "pm_1")
        if planned is None:
            break
        today = max(today, planned) + timedelta(days=late)
        assert all(each.day < today for each in tries)
        assert may_try(tries, "pm_1", today)
        tries.append(Try("pm_1", today))
        assert not may_try(tries, "pm_1", today)
    assert len(tries) <= 1 + MOST_RETRIES
    assert next_try(tries, "pm_1") is None or len(tries) <= MOST_RETRIES


def test_on_time_the_plan_is_days_1_3_5_and_7() -> None:
    tries, days = [Try("pm_1", DAY)], []
    while planned := next_try(tries, "pm_1"):
        days.append((planned - DAY).days)
        tries.append(Try("pm_1", planned))
    assert days == [1, 3, 5, 7]
    assert sum(RETRY_AFTER_DAYS) < 30  # Visa counts over 30 days
    assert len(tries) <= 15


def test_another_card_begins_a_plan_of_its_own() -> None:
    used_up = [Try("pm_1", DAY + timedelta(days=n)) for n in range(5)]
    assert next_try(used_up, "pm_1") is None
    assert next_try(used_up, "pm_2") == date.min
    assert may_try(used_up, "pm_2", used_up[-1].day)


@given(codes, advice, st.integers(1, 6))
def test_only_a_soft_decline_is_ever_planned_again(code: str, said: str, tried: int) -> None:
    tries = [Try("pm_1", DAY + timedelta(days=n)) for n in range(tried)]
    answer = Answer("card_declined", code, said)
    standing = after_decline(answer, tries, "pm_1")
    planned = standing.status is InvoiceStatus.SCHEDULED
    assert planned is bool(standing.next_try_on)
    if planned:
        assert verdict(answer) is Verdict.LATER
        assert standing.next_try_on > tries[-1].day.isoformat()
    if verdict(answer) is not Verdict.LATER:
        assert standing.status is InvoiceStatus.REQUIRES_CUSTOMER
        assert standing.attention


def test_a_card_is_good_until_the_end_of_its_month() -> None:
    assert not card_has_expired(11, 2026, date(2026, 11, 30))
    assert card_has_expired(11, 2026, date(2026, 12, 1))
    assert not card_has_expired(1, 2027, date(2026, 12, 31))
