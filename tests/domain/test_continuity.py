"""Whether updates join each other: what is proof of a missed event, and what is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.continuity import REPEATED_WITHIN_SECONDS, Break, Told, breaks

OURS, OLDER = "2026-10-28.endive", "2020-08-27"


def told(
    number: int,
    created: int,
    previous: Mapping[str, Any] | None = None,
    version: str = OURS,
    **state: Any,
) -> Told:
    full = {"id": "ch_1", "object": "charge", **state}
    return Told(f"evt_{number}", "charge.updated", created, version, full, previous)


def one(*events: Told) -> Break:
    [found] = breaks(events)
    return found


def test_an_update_joins_what_the_event_before_it_left() -> None:
    first = told(1, 10, description="a")
    assert breaks([first, told(2, 20, {"description": "a"}, description="b")]) == []
    assert breaks([told(2, 20, {"description": "a"}, description="b")]) == []


def test_previous_values_that_nobody_left_are_proof() -> None:
    found = one(told(1, 10, description="a"), told(3, 30, {"description": "b"}, description="c"))
    assert (found.event.event_id, found.before.event_id) == ("evt_3", "evt_1")
    [field] = found.fields
    assert (field.field, field.left, field.found) == ("description", "a", "b")


def test_a_field_that_never_changes_silently_and_is_new_is_proof() -> None:
    left = told(1, 10, description="a", status="pending")
    found = one(left, told(2, 20, {"description": "a"}, description="b", status="succeeded"))
    assert [field.field for field in found.fields] == ["status"]
    silent = told(2, 20, {"description": "a"}, description="b", status="pending", disputed=True)
    assert breaks([left, silent]) == []


def test_inside_an_object_only_the_keys_that_changed_are_told() -> None:
    left = told(1, 10, metadata={"a": "1", "b": "2"})
    joins = told(
        2, 20, {"metadata": {"a": "1", "c": None}}, metadata={"a": "x", "b": "2", "c": "3"}
    )
    assert breaks([left, joins]) == []
    found = one(left, told(2, 20, {"metadata": {"a": "9"}}, metadata={"a": "x", "b": "2"}))
    assert [field.field for field in found.fields] == ["metadata.a"]


def test_within_one_second_nothing_is_decided() -> None:
    left = told(1, 10, description="a")
    tied = [told(n, 20, {"description": "?"}, description=f"t{n}") for n in (2, 3)]
    assert breaks([left, *tied]) == []
    joins = told(4, 30, {"description": "t2"}, description="d")
    assert breaks([left, *tied, joins]) == []
    found = one(left, *tied, told(4, 30, {"description": "z"}, description="d"))
    assert found.event.event_id == "evt_4"


def test_two_events_of_one_change_are_no_break() -> None:
    changed = {"previous": {"description": "a"}, "description": "b"}
    events = [told(1, 10, description="a"), told(2, 20, **changed), told(3, 21, **changed)]
    assert breaks(events) == []
    back_and_forth = told(4, 90, **changed)
    assert one(*events, back_and_forth).event == back_and_forth


def test_what_a_failed_refund_takes_back_is_no_proof_and_what_a_missed_one_adds_is() -> None:
    left = told(1, 10, amount_refunded=500, refunded=True)
    fallen = told(2, 20, {"amount_refunded": 0}, amount_refunded=100, refunded=False)
    assert breaks([left, fallen]) == []
    found = one(left, told(2, 20, {"amount_refunded": 700}, amount_refunded=900, refunded=True))
    assert [field.field for field in found.fields] == ["amount_refunded"]


def test_between_two_api_versions_only_a_field_that_was_dropped_is_named() -> None:
    left = told(1, 10, version=OLDER, description="a")
    assert breaks([left, told(2, 20, {"description": "b"}, description="c")]) == []
    assert breaks([left, told(2, 20, {"trace_id": None}, trace_id="x")]) == []
    found = one(left, told(2, 20, {"trace_id": {"status": "pending"}}, trace_id="x"))
    assert found.dropped
    assert [field.field for field in found.fields] == ["trace_id"]


def test_an_object_that_is_written_out_counts_as_its_id() -> None:
    left = told(1, 10, customer={"id": "cus_1", "object": "customer", "name": "A"})
    assert breaks([left, told(2, 20, {"description": None}, customer="cus_1")]) == []
    assert breaks([left, told(2, 20, {"customer": "cus_1"}, customer="cus_2")]) == []


VALUES = st.sampled_from(["a", "b", "c", None])
FIELDS = ("description", "status", "receipt_email", "metadata", "disputed")


def steps_of(shortest: int) -> st.SearchStrategy[list[tuple[int, dict[str, Any]]]]:
    """What changes, and so many seconds after what was before it."""
    changes = st.dictionaries(st.sampled_from(FIELDS), VALUES, min_size=1, max_size=3)
    return st.lists(st.tuples(st.integers(shortest, 400), changes), min_size=1, max_size=8)


def life(steps: list[tuple[int, dict[str, Any]]]) -> list[Told]:
    """Every event of an object that changes in these steps; what changes nothing says nothing."""
    state: dict[str, Any] = {"description": "a", "status": "pending", "metadata": {"k": "a"}}
    events, now = [told(0, 1, None, **state)], 1
    for number, (later, changes) in enumerate(steps, 1):
        now += later
        wanted = {k: {"k": v} if k == "metadata" else v for k, v in changes.items()}
        new = {k: v for k, v in wanted.items() if state.get(k) != v}
        if not new:
            continue
        previous = {
            k: {"k": (state.get(k) or {}).get("k")} if k == "metadata" else state.get(k)
            for k in new
        }
        state = {**state, **new}
        events.append(told(number, now, previous, **state))
    return events


@given(steps_of(1), st.randoms())
def test_a_complete_life_has_no_break_in_any_order_and_with_repetitions(
    steps: list[tuple[int, dict[str, Any]]], chance: Any
) -> None:
    events = life(steps)
    shuffled = events + chance.choices(events, k=3)
    chance.shuffle(shuffled)
    assert breaks(shuffled) == []


@given(steps_of(REPEATED_WITHIN_SECONDS + 1), st.data())
def test_a_missing_update_in_the_middle_breaks_exactly_the_one_after_it(
    steps: list[tuple[int, dict[str, Any]]], data: st.DataObject
) -> None:
    events = life(steps)
    if len(events) < 3:
        return
    at = data.draw(st.integers(1, len(events) - 2))
    left = events[:at] + events[at + 1 :]
    found = breaks(data.draw(st.permutations(left)))
    missed, following = events[at], events[at + 1]
    assert missed.previous is not None
    assert following.previous is not None
    lasting = {
        name
        for name in missed.previous.keys() - {"disputed"}
        if events[at - 1].state.get(name)
        != (following.previous[name] if name in following.previous else missed.state[name])
    }
    told_of = missed.previous.keys() & following.previous.keys()
    if lasting or told_of:
        assert [broken.event.event_id for broken in found] == [following.event_id]
    else:
        assert found == []
