"""Any order and any repetition of the same snapshots ends in the same record (promise 2)."""

from dataclasses import replace
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.lifecycle import STAGES, Kind
from reconciler.domain.snapshot import (
    CLOCK_SECONDS,
    REREADABLE,
    Need,
    Origin,
    Record,
    Snapshot,
    merge,
)
from tests.domain.making import OURS, examples, intent, refund, snapshot

OLD = "2020-08-27"
STATUSES = [*STAGES[Kind.REFUND], "from_the_future"]


def states(origin: Origin = Origin.EVENT, last: int = 4) -> st.SearchStrategy[Snapshot]:
    """One refund as it was at some second, so few of them that ties and repeats are common."""
    return st.builds(
        lambda status, amount, as_of, version, reason: refund(
            amount, status=status, as_of=as_of, origin=origin, api_version=version, reason=reason
        ),
        st.sampled_from(STATUSES),
        st.sampled_from([100, 200]),
        st.integers(1, last),
        st.sampled_from([OURS, OLD] if origin is Origin.EVENT else [OURS]),
        st.sampled_from(["", "duplicate"]),
    )


def record_of(*snapshots: Snapshot) -> Record:
    record = reduce(merge, snapshots, None)
    assert record is not None
    return record


@st.composite
def shuffled(draw: st.DrawFn, of: st.SearchStrategy[Snapshot]) -> tuple[list, list]:
    """Some snapshots, and the same ones in another order with repetitions."""
    first = draw(st.lists(of, min_size=1, max_size=6))
    again = draw(st.lists(st.sampled_from(first), max_size=6))
    return first, draw(st.permutations(first + again))


@examples(250)
@given(shuffled(states()))
def test_any_order_and_repetition_of_the_same_events_gives_the_same_record(pair: tuple):
    first, other = pair
    assert record_of(*first) == record_of(*other)


@examples(100)
@given(shuffled(states()))
def test_the_record_is_the_newest_second_and_knows_of_ties_and_of_the_furthest_stage(pair: tuple):
    events, _ = pair
    record = record_of(*events)
    newest = max(e.as_of for e in events)
    rivals = {e.content() for e in events if e.as_of == newest}
    assert record.snapshot in events
    assert record.snapshot.as_of == newest
    assert record.tied == (len(rivals) > 1)
    assert record.peak == max(e.stage for e in events)


@examples(120)
@given(st.lists(states(), max_size=6), states(Origin.FETCHED), st.data())
def test_what_was_read_after_all_events_settles_everything_wherever_it_falls(
    events: list[Snapshot], read: Snapshot, data: st.DataObject
):
    at = 5 + CLOCK_SECONDS
    read = replace(read, as_of=at)
    record = record_of(*data.draw(st.permutations([*events, read])))
    assert record == Record(read, read.stage, tied=False, fetched_at=at)
    assert not REREADABLE & set(record.needs(OURS))


def test_an_event_from_just_before_the_reading_is_not_taken_for_history():
    """Our clock may run ahead of Stripe's: what came after the reading may be dated before it."""
    read = refund(4000, status="pending", as_of=100, origin=Origin.FETCHED)
    for ahead in range(1, CLOCK_SECONDS + 3):
        late = refund(4000, status="failed", as_of=100 - ahead)
        doubtful = Need.TIE in record_of(read, late).needs(OURS)
        assert doubtful is (ahead <= CLOCK_SECONDS)
    same = replace(read, as_of=99, origin=Origin.EVENT)
    assert record_of(read, same).needs(OURS) == ()


@examples(120)
@given(st.lists(states(), min_size=1, max_size=4), states(Origin.FETCHED), states(), st.data())
def test_an_event_after_the_reading_wins_over_everything_before_it(
    events: list[Snapshot], read: Snapshot, last: Snapshot, data: st.DataObject
):
    read, last = replace(read, as_of=5), replace(last, as_of=6)
    record = record_of(*data.draw(st.permutations([*events, read])), last)
    assert record.snapshot == last
    assert record.peak == max(read.stage, last.stage)
    assert not record.tied
    assert record.fetched_at == 5


def test_the_first_snapshot_is_the_record():
    event = refund(100, as_of=3)
    assert record_of(event) == Record(event, 1)
    read = replace(event, origin=Origin.FETCHED)
    assert record_of(read) == Record(read, 1, fetched_at=3)


def test_a_newer_event_wins():
    older, newer = refund(100, status="pending", as_of=1), refund(100, as_of=2)
    assert record_of(older, newer).snapshot == newer


def test_an_older_event_never_overwrites():
    older, newer = refund(100, status="pending", as_of=1), refund(100, as_of=2)
    record = record_of(newer, older)
    assert record == record_of(newer)


def test_an_older_event_of_a_further_stage_leaves_its_trace():
    newer, older = refund(100, status="pending", as_of=2), refund(100, status="failed", as_of=1)
    record = record_of(newer, older)
    assert record.snapshot == newer
    assert record.needs(OURS) == (Need.STEP_BACK,)


def test_an_older_reading_does_not_overwrite_a_newer_event():
    event = refund(100, status="failed", as_of=2)
    read = refund(100, as_of=1, origin=Origin.FETCHED)
    assert record_of(event, read) == record_of(event)


def test_an_older_reading_does_not_overwrite_a_newer_one():
    newer = refund(100, status="failed", as_of=2, origin=Origin.FETCHED)
    older = refund(100, as_of=1, origin=Origin.FETCHED)
    assert record_of(newer, older) == record_of(newer)


def test_an_event_of_the_very_second_of_the_reading_is_read_again_and_never_dropped():
    read = refund(100, as_of=2, origin=Origin.FETCHED)
    event = refund(100, status="failed", as_of=2)
    assert record_of(read, event).needs(OURS) == (Need.TIE,)
    assert record_of(event, read).snapshot == read


def test_an_event_that_says_the_same_as_the_reading_of_its_second_changes_nothing():
    read = refund(100, as_of=2, origin=Origin.FETCHED)
    event = replace(read, origin=Origin.EVENT, api_version=OLD)
    assert record_of(read, event) == record_of(read)


def test_two_different_events_of_one_second_are_a_tie():
    one, other = refund(100, as_of=1, reason="duplicate"), refund(100, as_of=1)
    assert record_of(one, other).needs(OURS) == (Need.TIE,)


def test_a_repeated_event_is_no_tie():
    event = refund(100, as_of=1)
    assert record_of(event, event).needs(OURS) == ()


def test_a_later_event_ends_a_tie():
    one, other = refund(100, as_of=1, reason="duplicate"), refund(100, as_of=1)
    assert record_of(one, other, refund(100, as_of=2)).needs(OURS) == ()


def test_of_a_tie_the_further_stage_stands_until_it_is_read():
    one, other = refund(100, status="failed", as_of=1), refund(100, as_of=1)
    assert record_of(one, other).snapshot.status == "failed"
    assert record_of(other, one).snapshot.status == "failed"


def test_a_newer_snapshot_of_an_earlier_stage_is_a_step_back():
    done, back = refund(100, status="failed", as_of=1), refund(100, as_of=2)
    assert record_of(done, back).needs(OURS) == (Need.STEP_BACK,)


def test_statuses_of_one_stage_may_alternate_without_being_read_again():
    first = intent(0, status="processing", as_of=1)
    back = intent(0, status="requires_payment_method", as_of=2)
    assert record_of(first, back).needs(OURS) == ()


def test_an_event_of_another_api_version_is_read_again():
    assert record_of(refund(100, api_version=OLD)).needs(OURS) == (Need.API_VERSION,)


def test_the_same_content_in_our_version_needs_no_second_look_whichever_came_first():
    ours, old = refund(100, as_of=1), refund(100, as_of=1, api_version=OLD)
    assert record_of(ours, old).needs(OURS) == record_of(old, ours).needs(OURS) == ()


def test_what_was_read_by_us_is_never_read_again_for_its_version():
    read = refund(100, origin=Origin.FETCHED, api_version=OLD)
    assert record_of(read).needs(OURS) == ()


def test_an_unknown_status_is_named_and_kept():
    record = record_of(refund(100, status="from_the_future"))
    assert record.needs(OURS) == (Need.UNKNOWN_STATUS,)
    assert record.snapshot.status == "from_the_future"


def test_reading_again_does_not_make_an_unknown_status_known():
    read = refund(100, status="from_the_future", origin=Origin.FETCHED)
    assert record_of(read).needs(OURS) == (Need.UNKNOWN_STATUS,)
    assert Need.UNKNOWN_STATUS not in REREADABLE


def test_a_fee_that_is_no_amount_is_named():
    assert record_of(intent(100, platform_fee=-1)).needs(OURS) == (Need.BAD_FEE,)
    assert Need.BAD_FEE not in REREADABLE


def test_an_object_in_order_needs_nothing():
    assert record_of(intent(100)).needs(OURS) == ()
    assert record_of(snapshot(Kind.ACCOUNT, "acct_1", "deleted")).needs(OURS) == ()


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_has_its_stages(kind: Kind):
    assert STAGES[kind]
    assert min(STAGES[kind].values()) == 0
