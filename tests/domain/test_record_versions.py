"""A record beside the events that told of it: older, other, lost, or just what they say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.record_versions import How, Version, differing, parted
from reconciler.domain.snapshot import Origin, Record, Snapshot, merge
from tests.domain.making import NOW, charge, examples, refund


def record(snapshot: Snapshot, **more: Any) -> Record:
    return Record(snapshot, snapshot.stage, **more)


def versions(*says: Snapshot) -> list[Version]:
    return [Version(f"evt_{number}", one) for number, one in enumerate(says)]


MADE = refund(4000, status="succeeded")
FAILED = refund(4000, status="failed", as_of=NOW + 60)


def test_a_record_that_is_its_newest_event_has_not_parted():
    assert parted("re_1", record(FAILED), versions(MADE, FAILED)) is None
    assert parted("re_1", record(FAILED), versions(FAILED, MADE)) is None


def test_an_older_events_state_over_a_newer_one_is_older():
    found = parted("re_1", record(MADE), versions(MADE, FAILED))
    assert found is not None
    how, told = found
    assert (how.how, how.event_id) == (How.OLDER, "evt_1")
    assert how.fields == {"status": ("succeeded", "failed")}
    assert told.snapshot == FAILED


@pytest.mark.parametrize(
    "changed", [{"amount": 4100}, {"status": "canceled"}, {"currency": "eur"}, {"as_of": NOW}]
)
def test_what_no_event_says_is_other(changed: dict[str, Any]):
    odd = replace(FAILED, **{"amount": 4100, **changed})
    found = parted("re_1", record(odd), versions(MADE, FAILED))
    assert found is not None
    assert found[0].how is How.OTHER


def test_a_record_that_is_gone_is_lost():
    found = parted("re_1", None, versions(MADE))
    assert found is not None
    assert found[0].how is How.LOST


def test_without_an_event_about_the_object_itself_nothing_can_be_told():
    assert parted("re_1", record(MADE), []) is None
    assert parted("re_1", None, []) is None


def test_what_was_read_or_told_of_elsewhere_after_the_events_is_believed():
    read = replace(FAILED, origin=Origin.FETCHED, amount=4100)
    assert parted("re_1", record(read), versions(MADE, FAILED)) is None
    embedded = replace(FAILED, as_of=NOW + 61, amount=4100)
    assert parted("re_1", record(embedded), versions(MADE, FAILED)) is None


def test_a_record_of_a_moment_of_which_there_is_no_event_is_other():
    ahead = replace(FAILED, as_of=NOW + 9_999)
    assert parted("re_1", record(ahead), versions(MADE, FAILED), {NOW, NOW + 9_999}) is None
    found = parted("re_1", record(ahead), versions(MADE, FAILED), {NOW, NOW + 60})
    assert found is not None
    assert found[0].how is How.OTHER
    assert found[0].fields == {"as_of": (NOW + 9_999, NOW + 60)}
    read = replace(ahead, origin=Origin.FETCHED)
    assert parted("re_1", record(read), versions(MADE, FAILED), {NOW, NOW + 60}) is None


def test_two_states_of_one_second_are_in_doubt_and_not_parted():
    twin = replace(FAILED, amount=4100)
    assert parted("re_1", record(twin, tied=True), versions(FAILED, twin)) is None


def test_a_detail_that_only_one_version_of_the_service_knows_does_not_differ():
    old = replace(MADE, detail={k: v for k, v in MADE.detail.items() if k != "reason"})
    assert differing(old, MADE) == {}


def test_whose_a_payment_is_depends_on_settings_and_is_not_compared():
    one, other = charge(100, merchant="bakery"), charge(100, merchant="books")
    assert differing(one, other) == {}
    assert differing(one, charge(90, amount=100)) == {"amount_captured": (100, 90)}


told_of = st.builds(
    lambda status, amount, at: refund(amount, status=status, as_of=NOW + at),
    st.sampled_from(["pending", "succeeded", "failed"]),
    st.integers(1, 3),
    st.integers(0, 3),
)


@examples(200)
@given(st.lists(told_of, min_size=1, max_size=5), st.randoms())
def test_what_the_service_itself_merges_never_seems_to_be_overwritten(says: Any, chance: Any):
    held: Record | None = None
    arriving = list(says)
    chance.shuffle(arriving)
    for one in arriving:
        held = merge(held, one)
    assert parted("re_1", held, versions(*says)) is None
