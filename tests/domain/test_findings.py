"""What an open clearing account means: cause by cause, sign by sign, and how long it is timing."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.books import Instruction
from reconciler.domain.evidence import finding
from reconciler.domain.findings import Cause, Finding, FindingKind, total
from reconciler.domain.open_clearing import Open, Received
from reconciler.domain.verdict import Verdict
from reconciler.domain.verdicts import judge
from reconciler.domain.windows import (
    BINDING_SECONDS,
    CUSTOMER_ACTS_SECONDS,
    REFUND_SECONDS,
    WEBHOOK_SECONDS,
)
from tests.domain.making import NOW, charge, dispute, examples, movement, refund, transfer

LATER = NOW + 400 * 86400
"""After anything that could be a matter of time."""


def case(object_id: str, books: int = 0, facts: int = 0, **given: Any) -> Open:
    """One open clearing. What the facts say came with a movement, unless told otherwise."""
    moved = (movement("charge", -facts, object_id),) if facts else ()
    fields: dict[str, Any] = {"currency": "usd", "snapshot": None, "movements": moved, "events": ()}
    return Open(object_id=object_id, books=books, facts=facts, **{**fields, **given})


def ordered(transfer_id: str) -> Instruction:
    """A payout of ours of 60.00, executed by that transfer (or by none)."""
    return Instruction("payout_1", "m1", 6000, "usd", transfer_id)


def received(created: int = NOW, status: str = "applied", error: str = "") -> Received:
    return Received("evt_1", "refund.updated", created, created + 1, "platform", status, error)


def entry(posted_at: int, reference: str = "ch_1", caused_at: int = 0) -> dict[str, Any]:
    return {
        "side": "books",
        "reference": reference,
        "posted_at": posted_at,
        "caused_at": caused_at,
    }


def verdict(open: Open, now: int = LATER, *, mirrored: bool = True) -> Verdict:
    return judge(open, now, mirrored=mirrored)


def expect(
    open: Open,
    kind: FindingKind,
    cause: Cause,
    clears_by: int = 0,
    *,
    now: int = LATER,
    mirrored: bool = True,
) -> None:
    """The verdict is this one, and it is timing exactly until the moment given."""
    found = verdict(open, now, mirrored=mirrored)
    assert (found.kind, found.cause, found.expected_clear_by) == (kind, cause, clears_by)
    result = finding(open, found, "platform", now)
    assert result.explanation
    assert not result.is_timing(clears_by)
    assert clears_by == 0 or result.is_timing(clears_by - 1)


# -- only in the books ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "seconds"),
    [("pending", REFUND_SECONDS), ("requires_action", CUSTOMER_ACTS_SECONDS)],
)
def test_a_refund_that_waits_may_take_its_thirty_days(status: str, seconds: int):
    open = case("re_1", books=-4000, snapshot=refund(4000, status=status))
    until = NOW + seconds
    expect(open, FindingKind.MISSING_AT_STRIPE, Cause.REFUND_PENDING, until)


def test_a_refund_that_waits_for_funds_says_so():
    waiting = refund(4000, status="pending", pending_reason="insufficient_funds")
    open = case("re_1", books=-4000, snapshot=waiting)
    until = NOW + REFUND_SECONDS
    expect(open, FindingKind.MISSING_AT_STRIPE, Cause.REFUND_WAITS_FOR_FUNDS, until)


def test_a_pending_refund_is_judged_as_one_even_while_movements_are_unread():
    open = case("re_1", books=-4000, snapshot=refund(4000, status="pending"))
    until = NOW + REFUND_SECONDS
    expect(open, FindingKind.MISSING_AT_STRIPE, Cause.REFUND_PENDING, until, mirrored=False)


@pytest.mark.parametrize("snapshot", [None, charge(100)])
def test_while_movements_are_unread_a_missing_one_may_be_among_them(snapshot: Any):
    open = case("ch_1", books=100, snapshot=snapshot)
    expect(
        open,
        FindingKind.MISSING_AT_STRIPE,
        Cause.NOT_MIRRORED_YET,
        LATER + BINDING_SECONDS,
        mirrored=False,
    )


def test_stripe_has_an_hour_to_list_the_movement_of_an_object():
    open = case("ch_1", books=10000, snapshot=charge(10000))
    until = NOW + BINDING_SECONDS
    expect(open, FindingKind.MISSING_AT_STRIPE, Cause.FEE_NOT_BOUND, until)


def test_the_hour_begins_when_the_books_were_posted_if_that_was_later():
    posted = (entry(NOW + 5000), entry(NOW), {**entry(NOW + 9999), "reference": "adj_1"})
    open = case("ch_1", books=10000, snapshot=charge(10000), entries=posted)
    until = NOW + 5000 + BINDING_SECONDS
    expect(open, FindingKind.MISSING_AT_STRIPE, Cause.FEE_NOT_BOUND, until)


def test_an_event_that_came_late_does_not_put_off_what_it_told_of():
    posted = (entry(NOW + 5000, caused_at=NOW + 7),)
    open = case("ch_1", books=10000, snapshot=charge(10000), entries=posted)
    until = NOW + 7 + BINDING_SECONDS
    expect(open, FindingKind.MISSING_AT_STRIPE, Cause.FEE_NOT_BOUND, until)


@pytest.mark.parametrize("status", ["succeeded", "from_the_future"])
def test_a_refund_that_is_not_pending_has_an_hour_and_no_thirty_days(status: str):
    open = case("re_1", books=-4000, snapshot=refund(4000, status=status))
    until = NOW + BINDING_SECONDS
    expect(open, FindingKind.MISSING_AT_STRIPE, Cause.MOVEMENT_NOT_BOUND, until)


def test_what_stands_in_the_books_for_an_object_never_shown_is_open_at_once():
    expect(case("tr_1", books=-6000), FindingKind.MISSING_AT_STRIPE, Cause.NOT_AT_STRIPE)


# -- only at Stripe ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "event", [received(status="dead", error="no"), received(status="received", error="no")]
)
def test_an_event_that_could_not_be_applied_is_the_cause(event: Received):
    open = case("ch_1", facts=-100, events=(received(), event))
    expect(open, FindingKind.MISSING_IN_BOOKS, Cause.EVENT_FAILED)
    assert verdict(open).repair == "replay evt_1"


def test_a_movement_of_minutes_ago_without_an_event_waits_for_its_webhook():
    until = NOW + WEBHOOK_SECONDS
    open = case("ch_1", facts=-100)
    kind = FindingKind.MISSING_IN_BOOKS
    expect(open, kind, Cause.WEBHOOK_ON_ITS_WAY, until, now=NOW)
    expect(open, kind, Cause.WEBHOOK_ON_ITS_WAY, until, now=until - 1)
    expect(open, kind, Cause.EVENT_NOT_RECEIVED, now=until)


def test_the_wait_begins_at_the_last_movement():
    moved = (movement("charge", 50, "ch_1"), movement("charge", 50, "ch_1", created=NOW + 300))
    open = case("ch_1", facts=-100, movements=moved)
    until = NOW + 300 + WEBHOOK_SECONDS
    expect(open, FindingKind.MISSING_IN_BOOKS, Cause.WEBHOOK_ON_ITS_WAY, until, now=until - 1)
    expect(open, FindingKind.MISSING_IN_BOOKS, Cause.EVENT_NOT_RECEIVED, now=until)


def test_an_object_whose_events_wait_to_be_read_is_timing_for_as_long():
    open = case("ch_1", facts=-100, events=(received(),))
    until = NOW + WEBHOOK_SECONDS
    expect(open, FindingKind.MISSING_IN_BOOKS, Cause.READ_PENDING, until)


@pytest.mark.parametrize("id", ["re_1", "pyr_1"])
def test_a_refund_that_no_event_ever_told_of_was_made_outside(id: str):
    expect(case(id, facts=100), FindingKind.MISSING_IN_BOOKS, Cause.MADE_OUTSIDE)


@pytest.mark.parametrize("id", ["ch_1", "py_1", "po_1", "dp_1"])
def test_a_movement_whose_event_never_came_is_a_lost_event(id: str):
    expect(case(id, facts=100), FindingKind.MISSING_IN_BOOKS, Cause.EVENT_NOT_RECEIVED)


def test_a_transfer_that_nobody_here_asked_for_was_made_outside():
    open = case("tr_1", facts=6000, snapshot=transfer(6000), events=(received(),))
    expect(open, FindingKind.MISSING_IN_BOOKS, Cause.MADE_OUTSIDE, now=NOW)
    expect(case("tr_1", facts=6000), FindingKind.MISSING_IN_BOOKS, Cause.MADE_OUTSIDE)


def test_a_transfer_not_heard_of_first_waits_for_its_webhook():
    until = NOW + WEBHOOK_SECONDS
    open = case("tr_1", facts=6000)
    expect(open, FindingKind.MISSING_IN_BOOKS, Cause.WEBHOOK_ON_ITS_WAY, until, now=NOW)


def test_a_second_transfer_for_one_payout_is_a_duplicate_to_be_reversed():
    second = transfer(6000, id="tr_2", payout="payout_1")
    open = case("tr_2", facts=6000, snapshot=second, payout=ordered("tr_9"))
    expect(open, FindingKind.DUPLICATE, Cause.SECOND_TRANSFER, now=NOW)
    assert verdict(open).repair == "reverse tr_2"


def test_a_transfer_that_names_a_payout_which_never_took_it_was_made_outside():
    sent = transfer(6000, payout="payout_1")
    open = case("tr_1", facts=6000, snapshot=sent, payout=ordered(""))
    expect(open, FindingKind.MISSING_IN_BOOKS, Cause.MADE_OUTSIDE, now=NOW)
    assert "payout_1" in verdict(open).explanation


def test_the_one_transfer_of_a_payout_fully_reversed_is_not_made_outside():
    """The books: 60.00 out and back. Stripe lists the way back within the hour."""
    back = transfer(6000, payout="payout_1", amount_reversed=6000, as_of=NOW + 100)
    open = case(
        "tr_1",
        books=0,
        facts=6000,
        snapshot=back,
        payout=ordered("tr_1"),
        events=(received(NOW), received(NOW + 100)),
        entries=(
            entry(NOW, "tr_1"),
            entry(NOW + 100, "tr_1"),
        ),
    )
    assert verdict(open, NOW + 101).kind is FindingKind.STATUS_DIFFERS
    assert verdict(open, NOW + 101).cause is Cause.MOVEMENT_NOT_BOUND


# -- both sides know it --------------------------------------------------------------------------


def test_a_movement_after_the_last_event_lacks_its_event():
    moved = (movement("refund_failure", 4000, "re_1", created=NOW + 50),)
    open = case(
        "re_1", -4000, 0, snapshot=refund(4000), movements=moved, events=(received(NOW + 49),)
    )
    until = NOW + 50 + WEBHOOK_SECONDS
    expect(open, FindingKind.STATUS_DIFFERS, Cause.EVENT_NOT_RECEIVED, until)


def test_without_events_the_moment_of_the_snapshot_says_what_was_known():
    moved = (movement("refund", -4000, "re_1", created=NOW + 50),)
    known = refund(4000, status="failed", as_of=NOW + 50)
    open = case("re_1", 0, 4000, snapshot=known, movements=moved)
    until = NOW + 50 + BINDING_SECONDS
    expect(open, FindingKind.STATUS_DIFFERS, Cause.MOVEMENT_NOT_BOUND, until)


def test_what_came_back_in_the_second_of_the_last_event_lacks_its_event_too():
    moved = (
        movement("refund", -4000, "re_1"),
        movement("refund_failure", 4000, "re_1", created=NOW + 50),
    )
    open = case("re_1", -4000, 0, snapshot=refund(4000, as_of=NOW + 50), movements=moved)
    until = NOW + 50 + WEBHOOK_SECONDS
    expect(open, FindingKind.STATUS_DIFFERS, Cause.EVENT_NOT_RECEIVED, until)


def test_of_a_transfer_that_came_back_in_two_parts_the_second_is_to_be_listed():
    sent = transfer(6000, payout="payout_1", amount_reversed=3000, as_of=NOW + 90)
    moved = (
        movement("transfer", -6000, "tr_1"),
        movement("transfer_reversal", 1000, "tr_1", created=NOW + 50),
    )
    told = (received(NOW + 50), received(NOW + 90))
    open = case(
        "tr_1", -3000, 5000, snapshot=sent, movements=moved, payout=ordered("tr_1"), events=told
    )
    until = NOW + 90 + BINDING_SECONDS
    expect(open, FindingKind.AMOUNT_DIFFERS, Cause.MOVEMENT_NOT_BOUND, until)


def test_amounts_that_differ_without_anything_received_later_lack_an_event_too():
    open = case("ch_1", 100, -120, movements=(movement("charge", 120, "ch_1", created=NOW + 1),))
    until = NOW + 1 + WEBHOOK_SECONDS
    expect(open, FindingKind.AMOUNT_DIFFERS, Cause.EVENT_NOT_RECEIVED, until)


def test_what_the_books_took_back_stripe_lists_within_the_hour():
    failed = refund(4000, status="failed", as_of=NOW + 50)
    open = case("re_1", 0, 4000, snapshot=failed)
    until = NOW + 50 + BINDING_SECONDS
    expect(open, FindingKind.STATUS_DIFFERS, Cause.MOVEMENT_NOT_BOUND, until)


def test_of_a_movement_listed_in_part_the_rest_comes_within_the_hour():
    open = case("ch_1", 10000, -4000, snapshot=charge(10000, as_of=NOW + 50))
    until = NOW + 50 + BINDING_SECONDS
    expect(open, FindingKind.AMOUNT_DIFFERS, Cause.MOVEMENT_NOT_BOUND, until)


def test_a_transfer_of_another_amount_than_decided_is_open_at_once():
    sent = transfer(6001, payout="payout_1")
    open = case("tr_1", -6000, 6001, snapshot=sent, payout=ordered("tr_1"))
    expect(open, FindingKind.AMOUNT_DIFFERS, Cause.DIFFERS_FROM_DECISION, now=NOW)


def test_more_at_stripe_than_in_the_books_with_nothing_to_say_why_is_unexplained():
    open = case("ch_1", 10000, -12000, snapshot=charge(10000))
    expect(open, FindingKind.AMOUNT_DIFFERS, Cause.UNEXPLAINED, now=NOW)


def test_a_difference_about_an_object_never_seen_is_unexplained_once_events_are_newer():
    open = case("ch_1", 12000, -10000, events=(received(NOW),))
    expect(open, FindingKind.AMOUNT_DIFFERS, Cause.UNEXPLAINED, now=NOW)


def test_open_in_two_currencies_is_a_difference_of_currency_whatever_else_is_known():
    for open in (
        case("ch_1", 100, snapshot=charge(100), other_currency_open=True),
        case("ch_1", 0, -100, currency="eur", other_currency_open=True),
    ):
        expect(open, FindingKind.CURRENCY_DIFFERS, Cause.UNEXPLAINED, now=NOW, mirrored=False)


def test_where_both_sides_differ_an_event_that_could_not_be_applied_is_the_cause():
    moved = (
        movement("refund", -4000, "re_1"),
        movement("refund_failure", 4000, "re_1", created=NOW + 50),
    )
    dead = received(NOW + 50, status="dead", error="amount is negative")
    open = case("re_1", -4000, 0, snapshot=refund(4000), movements=moved, events=(dead,))
    assert verdict(open, NOW + 60).cause is Cause.EVENT_FAILED


def test_an_object_read_after_its_last_movement_lacks_no_event():
    moved = (movement("dispute", -100, "dp_1", created=NOW + 50),)
    read = dispute("needs_response", 200, as_of=NOW + 90)
    open = case("dp_1", -200, 100, snapshot=read, movements=moved, events=(received(NOW),))
    assert verdict(open, NOW + 91).cause is Cause.MOVEMENT_NOT_BOUND


def test_reading_an_object_again_does_not_put_off_the_hour_of_its_movement():
    seen = case("ch_1", books=10000, snapshot=charge(10000))
    again = case("ch_1", books=10000, snapshot=charge(10000, as_of=NOW + BINDING_SECONDS - 1))
    assert verdict(again).expected_clear_by == verdict(seen).expected_clear_by


# -- signs ---------------------------------------------------------------------------------------


def made(books: int, facts: int, now: int = LATER) -> Finding:
    open = case("ch_1", books, facts, snapshot=charge(abs(books)))
    return finding(open, verdict(open, now), "platform", now)


def test_a_shortfall_at_stripe_is_negative_and_a_surplus_is_positive_drift():
    short, over = made(10000, -9000), made(10000, -12000)
    assert (short.stripe_amount, short.books_amount, short.difference) == (9000, 10000, -1000)
    assert (over.stripe_amount, over.books_amount, over.difference) == (12000, 10000, 2000)
    assert (short.at_risk, over.at_risk) == (1000, 2000)


@examples(100)
@given(st.integers(-(10**9), 10**9), st.integers(-(10**9), 10**9))
def test_swapping_the_sides_flips_the_sign(ours: int, theirs: int):
    assert made(ours, -theirs).difference == theirs - ours
    assert case("ch_1", ours, -theirs).difference == theirs - ours
    assert made(theirs, -ours).difference == -made(ours, -theirs).difference


def test_money_is_at_risk_only_once_a_difference_is_no_longer_timing():
    until = NOW + BINDING_SECONDS
    assert made(10000, 0, now=until - 1).at_risk == 0
    assert made(10000, 0, now=until).at_risk == 10000


def test_differences_are_summed_by_currency_and_with_their_signs():
    def one(currency: str, stripe: int) -> Finding:
        kind, cause = FindingKind.AMOUNT_DIFFERS, Cause.UNEXPLAINED
        return Finding(kind, cause, "platform", "ch_1", currency, stripe, 0, "")

    found = [one("usd", 10), one("usd", -4), one("eur", 100)]
    assert (total(found, "usd"), total(found, "eur"), total(found, "jpy")) == (6, 100, 0)


def test_a_finding_carries_everything_it_rests_on():
    open = case(
        "ch_1",
        10000,
        -12000,
        snapshot=charge(10000),
        events=(received(),),
        entries=({"ledger_transaction": "lt_1"},),
    )
    evidence = finding(open, verdict(open), "acct_1", LATER).evidence
    first_keys = [next(iter(item)) for item in evidence]
    assert first_keys == ["rule", "object", "balance_transaction", "event", "ledger_transaction"]
    assert finding(open, verdict(open), "acct_1", LATER).stripe_account == "acct_1"


snapshots = st.sampled_from(
    [
        None,
        charge(100),
        refund(100, status="pending"),
        refund(100, status="failed"),
        transfer(100),
        transfer(100, payout="payout_1"),
        dispute("lost", 100),
    ]
)
opens = st.builds(
    lambda id, books, facts, snapshot, events, two, payout, moved: case(
        id,
        books,
        facts,
        snapshot=snapshot,
        events=tuple(events),
        other_currency_open=two,
        payout=payout,
        movements=tuple(movement("charge", 1, id, created=NOW + at) for at in moved),
    ),
    st.sampled_from(["ch_1", "re_1", "pyr_1", "tr_1", "po_1", "dp_1"]),
    st.integers(-200, 200),
    st.integers(-200, 200),
    snapshots,
    st.lists(
        st.builds(
            received,
            st.integers(NOW - 100, NOW + 100),
            st.sampled_from(["applied", "dead", "received"]),
            st.sampled_from(["", "broken"]),
        ),
        max_size=2,
    ),
    st.booleans(),
    st.sampled_from([None, ordered(""), ordered("tr_1"), ordered("tr_9")]),
    st.lists(st.integers(-100, 100), max_size=2),
)


@examples(150)
@given(opens, st.integers(NOW, NOW + 7200))
def test_any_open_clearing_gets_a_verdict_that_says_what_it_is_and_ends(open: Open, now: int):
    found = finding(open, verdict(open, now), "platform", now)
    assert found.difference == -(open.books + open.facts)
    assert found.reference == open.object_id
    assert found.explanation
    assert found.is_timing(now) == (now < found.expected_clear_by)
    assert found.at_risk == (0 if found.is_timing(now) else abs(found.difference))
    # Nothing stays timing for ever once everything has been read.
    assert not finding(open, verdict(open, LATER), "platform", LATER).is_timing(LATER)


@examples(100)
@given(opens, st.integers(NOW, NOW + 7200), st.integers(0, 7200))
def test_what_is_open_never_becomes_timing_again_by_waiting(open: Open, now: int, wait: int):
    first, second = verdict(open, now), verdict(open, now + wait)
    if not now < first.expected_clear_by:
        assert not now + wait < second.expected_clear_by
