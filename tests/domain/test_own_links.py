"""Verdicts on links of our own: each broken one is named, and comes before what Stripe did."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler.domain.evidence import finding
from reconciler.domain.findings import Cause, FindingKind
from reconciler.domain.open_clearing import NOT_HELD, Books, Open, Received
from reconciler.domain.record_versions import How, Parted
from reconciler.domain.snapshot import Need
from reconciler.domain.verdicts import judge
from reconciler.domain.windows import WEBHOOK_SECONDS
from tests.domain.making import NOW, bank_payout, charge, movement, refund, transfer

LATER = NOW + 400 * 86400


def event(created: int = NOW, **more: Any) -> Received:
    fields: dict[str, Any] = {"status": "applied", "error": "", **more}
    return Received("evt_1", "refund.updated", created, created + 1, "platform", **fields)


def refunded(books: int = -4000, facts: int = 2000, **more: Any) -> Open:
    """A refund of 20.00 at Stripe that the books hold at 40.00, unless told otherwise."""
    fields: dict[str, Any] = {
        "snapshot": refund(abs(facts)),
        "movements": (movement("refund", -facts, "re_1"),),
        "events": (event(),),
        **more,
    }
    return Open("re_1", "usd", books, facts, **fields)


def judged(case: Open, now: int = LATER) -> tuple[FindingKind, Cause, str]:
    found = judge(case, now, mirrored=True)
    return found.kind, found.cause, found.rule


def parted(how: How) -> Parted:
    return Parted("re_1", how, "evt_1", {"amount": (4000, 2000)})


@pytest.mark.parametrize(
    ("how", "cause", "rule"),
    [
        (How.OLDER, Cause.APPLIED_OUT_OF_ORDER, "an_older_event_stands"),
        (How.OTHER, Cause.OVERWRITTEN, "the_record_is_not_its_newest_event"),
        (How.LOST, Cause.OVERWRITTEN, "the_record_is_gone"),
    ],
)
def test_a_record_that_parted_from_its_events_is_the_cause(how: How, cause: Cause, rule: str):
    own = Books(-4000, 0, -4000, -4000, -2000)
    case = refunded(own=own, parted=(parted(how),))
    assert judged(case) == (FindingKind.AMOUNT_DIFFERS, cause, rule)


def test_a_record_that_parted_without_an_effect_on_the_books_is_not_the_cause():
    own = Books(-4000, 0, -4000, -4000, -4000)
    case = refunded(own=own, parted=(parted(How.OTHER),))
    assert judged(case)[1] is not Cause.OVERWRITTEN


def test_a_position_that_is_not_its_entries_was_written_to_by_somebody():
    own = Books(posted=-4000, position=-2000, by_records=-2000, by_events=-2000)
    rule = "position_is_not_its_entries"
    assert judged(refunded(own=own)) == (FindingKind.AMOUNT_DIFFERS, Cause.OVERWRITTEN, rule)


def test_entries_that_no_rule_gives_are_a_defect_unless_somebody_wrote_to_a_row():
    own = Books(posted=-4000, position=-4000, by_records=-2000, by_events=-2000)
    rule = "entries_are_not_what_the_rules_give"
    assert judged(refunded(own=own))[1:] == (Cause.SERVICE_DEFECT, rule)
    row = {"relation": "positions", "id": "re_1", "change": "updated", "about": "re_1"}
    assert judged(refunded(own=own, changed_rows=(row,)))[1] is Cause.OVERWRITTEN


def test_an_adjustment_is_not_taken_for_a_broken_link_and_named_where_it_outlived_its_reason():
    own = Books(posted=-2000, adjusted=-2000, position=-2000, by_records=-2000, by_events=-2000)
    assert judged(refunded(own=own))[1:] == (
        Cause.ADJUSTMENT_OUTLIVED,
        "an_adjustment_is_all_that_is_left",
    )
    short = Books(posted=-4000, adjusted=1000, position=-4000, by_records=-4000, by_events=-4000)
    assert judged(refunded(-3000, own=short))[1] is Cause.MOVEMENT_NOT_BOUND


def test_a_partly_adjusted_difference_stays_what_it_was():
    sent = transfer(7500)
    moved = (movement("transfer", -7500, "tr_1"),)
    whole = Open("tr_1", "usd", 0, 7500, sent, moved, (event(),), own=Books())
    part = replace(whole, books=-2500, own=Books(adjusted=-2500))
    assert judged(part) == judged(whole)
    assert judged(part)[1] is Cause.MADE_OUTSIDE
    assert finding(part, judge(part, LATER, mirrored=True), "platform", LATER).difference == -5000


@pytest.mark.parametrize("need", [Need.TIE, Need.STEP_BACK])
def test_where_the_order_is_not_known_it_is_timing_until_the_object_should_be_read(need: Need):
    other = event(says=refund(4000))
    case = refunded(needs=(need,), events=(other, event(says=refund(2000))))
    found = judge(case, LATER, mirrored=True)
    assert (found.cause, found.rule) == (
        Cause.APPLIED_OUT_OF_ORDER,
        "the_order_of_events_is_not_known",
    )
    assert found.expected_clear_by == NOW + 1 + WEBHOOK_SECONDS


def test_two_states_of_one_second_that_say_the_same_of_money_leave_nothing_in_doubt():
    twice = (event(says=refund(2000)), event(says=refund(2000, failure="x")))
    assert judged(refunded(needs=(Need.TIE,), events=twice))[1] is not Cause.APPLIED_OUT_OF_ORDER


def test_a_row_that_somebody_wrote_to_is_the_cause_where_nothing_that_came_is():
    row = {"relation": "objects", "id": "re_1", "change": "updated", "about": "re_1"}
    case = refunded(changed_rows=(row,))
    assert judged(case)[1:] == (Cause.OVERWRITTEN, "somebody_else_wrote_to_the_row")
    mirrored = {**row, "relation": "balance_transactions"}
    assert judged(refunded(changed_rows=(mirrored,)))[1] is not Cause.OVERWRITTEN


def test_an_event_that_waits_in_the_inbox_says_so():
    case = refunded(events=(event(status="received"),))
    assert judged(case)[1:] == (Cause.READ_PENDING, "an_event_waits_in_the_inbox")


def test_a_field_that_the_event_lacks_is_the_cause_only_of_what_it_told():
    old = event(lacks=("amount_captured",), api_version="2019-12-03")
    case = refunded(events=(old,), needs=(Need.API_VERSION,))
    assert judged(case)[1:] == (Cause.FIELD_DROPPED, "the_event_lacks_a_field")
    assert "amount_captured" in judge(case, LATER, mirrored=True).explanation
    newer = refunded(2000, events=(event(NOW - 9, lacks=("amount_captured",)), event()))
    assert judged(newer)[1] is not Cause.FIELD_DROPPED


def test_what_stripe_lists_and_we_do_not_hold_was_sent_and_not_received():
    listed = event(NOW + 50, status=NOT_HELD)
    moved = (movement("refund", -4000, "re_1", created=NOW + 50),)
    case = refunded(-4000, 8000, movements=moved, events=(event(), listed))
    assert judged(case)[1:] == (Cause.EVENT_NOT_RECEIVED, "stripe_lists_an_event_we_do_not_hold")


def test_what_stripe_does_not_list_though_its_list_was_read_was_never_sent():
    moved = (movement("charge", 100, "ch_1", created=NOW + 50),)
    fields: dict[str, Any] = {"listed_from": NOW, "listed_to": NOW + 50 + WEBHOOK_SECONDS + 1}
    case = Open("ch_1", "usd", 0, -100, None, moved, (), **fields)
    assert judged(case)[1:] == (Cause.EVENT_NEVER_SENT, "stripe_lists_no_event")
    for short in ({"listed_to": NOW + 50 + WEBHOOK_SECONDS}, {"listed_from": NOW + 51}):
        case = Open("ch_1", "usd", 0, -100, None, moved, (), **{**fields, **short})
        assert judged(case)[1:] == (Cause.EVENT_NOT_RECEIVED, "no_event_tells_of_the_movement")


def test_a_command_without_an_answer_that_fits_is_the_cause():
    moved = (movement("refund", -100, "re_1"),)
    case = Open("re_1", "usd", 0, 100, None, moved, (), command="Refund rfq_1")
    assert judged(case)[1:] == (Cause.NO_ANSWER, "a_command_without_answer_fits")


def test_an_old_failed_event_is_not_blamed_for_what_came_after_it():
    dead = event(NOW - 50, status="dead", error="no")
    case = refunded(events=(dead, event()))
    assert judged(case)[1] is not Cause.EVENT_FAILED


# -- conversions, parts, pending payments, payouts -------------------------------------------------


def test_two_currencies_are_a_conversion_where_the_movement_does_not_tell_its_source():
    made = charge(100, currency="gbp")
    moved = (movement("charge", 127, "ch_1"),)
    for currency, books, facts in (("gbp", 100, 0), ("usd", 0, -127)):
        case = Open("ch_1", currency, books, facts, made, moved, (), other_currency_open=True)
        rule = "the_conversion_is_not_told"
        assert judged(case) == (FindingKind.CURRENCY_DIFFERS, Cause.FX, rule)


def test_a_part_capture_booked_whole_waits_an_hour_for_what_is_let_go():
    made = charge(4000, amount=9000)
    moved = (movement("charge", 9000, "ch_1", created=NOW),)
    case = Open("ch_1", "usd", 4000, -9000, made, moved, (event(),))
    found = judge(case, NOW + 5, mirrored=True)
    assert (found.cause, found.expected_clear_by) == (Cause.PARTIAL_CAPTURE, NOW + 3600)


def test_books_that_hold_what_was_let_go_are_wrong_at_once():
    made = charge(9000)
    let_go = movement("partial_capture_reversal", -5000, "ch_1")
    moved = (movement("charge", 9000, "ch_1"), let_go)
    case = Open("ch_1", "usd", 9000, -4000, made, moved, (event(),))
    found = judge(case, NOW + 5, mirrored=True)
    assert (found.cause, found.expected_clear_by) == (Cause.PARTIAL_CAPTURE, 0)


def test_a_pending_payment_that_is_booked_waits_until_its_money_is_available():
    made = charge(0, amount=6000, status="pending")
    moved = (movement("charge", 6000, "ch_1", available_on=NOW + 86400),)
    case = Open("ch_1", "usd", 0, -6000, made, moved, (event(),))
    found = judge(case, NOW + 5, mirrored=True)
    assert (found.cause, found.expected_clear_by) == (Cause.PAYMENT_PENDING, NOW + 2 * 86400)


def test_a_bank_payout_under_way_is_in_transit_until_it_arrives():
    sent = bank_payout("in_transit", 5000)
    detail = {"arrival_date": NOW + 3 * 86400}
    sent = type(sent)(**{**{f: getattr(sent, f) for f in sent.__slots__}, "detail": detail})
    case = Open("po_1", "usd", -5000, 0, sent, (), (event(),))
    found = judge(case, NOW + 5, mirrored=True)
    assert (found.cause, found.expected_clear_by) == (Cause.IN_TRANSIT, NOW + 4 * 86400)


def test_a_returned_bank_payout_comes_back_within_the_banks_days_or_the_hour():
    failed = bank_payout("failed", 5000)
    moved = (movement("payout", -5000, "po_1"),)
    case = Open("po_1", "usd", 0, 5000, failed, moved, (event(),))
    found = judge(case, NOW + 5, mirrored=True)
    assert (found.kind, found.cause) == (FindingKind.STATUS_DIFFERS, Cause.IN_TRANSIT)
    assert 5 * 86400 < found.expected_clear_by - NOW < 9 * 86400


def test_a_refund_without_funds_waits_until_enough_becomes_available():
    waiting = refund(4000, status="pending", pending_reason="insufficient_funds")
    coming = ((NOW + 86400, 1000), (NOW + 2 * 86400, 5000))
    case = Open("re_1", "usd", -4000, 0, waiting, (), (), becoming_available=coming)
    found = judge(case, NOW, mirrored=True, available={"usd": -500})
    assert found.cause is Cause.REFUND_WAITS_FOR_FUNDS
    assert found.expected_clear_by == NOW + 3 * 86400
    short = judge(case, NOW, mirrored=True, available={"usd": -9000})
    assert short.expected_clear_by == NOW + 30 * 86400


def test_evidence_opens_with_the_rule_and_shows_deliveries_and_versions():
    told = event(says=refund(4000), pending_webhooks=0, request="req_1")
    listed = event(NOW + 50, status=NOT_HELD)
    own = Books(-4000, 0, -4000, -4000, -2000)
    case = refunded(own=own, parted=(parted(How.OTHER),), events=(told, listed))
    evidence = finding(case, judge(case, LATER, mirrored=True), "platform", LATER).evidence
    assert evidence[0]["rule"] == "the_record_is_not_its_newest_event"
    assert evidence[0]["because"]
    shown, missed = (item for item in evidence if "event" in item)
    assert shown["version"] == {"as_of": NOW, "status": "succeeded", "amount": 4000}
    assert (shown["delivery"], shown["request"], shown["pending_webhooks"]) == (
        "applied",
        "req_1",
        0,
    )
    assert missed["delivery"] == "not received"
    assert any(item.get("fields") == {"amount": [4000, 2000]} for item in evidence)
