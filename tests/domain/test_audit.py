"""The chain of the audit log, bare: what it hashes, and what tampering it shows."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from reconciler.domain.audit import (
    CONTENT,
    GENESIS,
    Action,
    Actor,
    Audit,
    Content,
    chained,
    content,
    encoded,
    hash_of,
    plain_json,
)
from reconciler.domain.audit_chain import Anchor, Fault, Verifier

NOW = 1_790_000_000
TEXT = st.text(max_size=12)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**11), 10**11) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
CHANGE = st.none() | st.dictionaries(TEXT, PLAIN, max_size=3)
ENTRIES = st.builds(
    Audit,
    st.builds(Actor, TEXT, TEXT, TEXT, TEXT, TEXT),
    st.sampled_from(Action),
    TEXT,
    CHANGE,
    CHANGE,
    TEXT,
)
Row = dict[str, Any]


def chain(entries: list[Audit]) -> list[Row]:
    rows: list[Row] = []
    for number, entry in enumerate(entries, 1):
        before = rows[-1]["hash"] if rows else GENESIS
        rows.append(chained(content(entry, NOW + number), number, before))
    return rows


def faults(rows: list[Row], head: Anchor | None, anchors: tuple[Anchor, ...] = ()) -> list[Fault]:
    verifier = Verifier(anchors)
    for row in rows:
        verifier.take(row)
    verifier.end(head.seq if head else None, head.hash if head else "")
    return verifier.faults


def anchor(row: Row) -> Anchor:
    return Anchor(row["seq"], row["hash"])


CHAINS = st.lists(ENTRIES, min_size=1, max_size=8).map(chain)


@given(CHAINS, st.data())
def test_a_chain_as_it_was_written_is_unbroken(rows: list[Row], data: st.DataObject) -> None:
    known = data.draw(st.lists(st.sampled_from([Anchor(0, GENESIS), *map(anchor, rows)])))
    assert faults(rows, anchor(rows[-1]), tuple(known)) == []


@given(CHAINS, st.data())
def test_an_edit_of_any_column_of_any_row_is_found(rows: list[Row], data: st.DataObject) -> None:
    head = anchor(rows[-1])
    row = data.draw(st.sampled_from(rows))
    column = data.draw(st.sampled_from([*CONTENT, "hash"]))
    value = data.draw(st.integers() if CONTENT.get(column) is int else st.text() | st.binary())
    assume(value != row[column])
    row[column] = value
    assert faults(rows, head)


@given(CHAINS, st.data())
def test_an_edit_with_a_new_hash_is_found_in_the_row_after(
    rows: list[Row], data: st.DataObject
) -> None:
    head = anchor(rows[-1])
    row = data.draw(st.sampled_from(rows))
    row["reason"] += "!"
    row["hash"] = hash_of(row)
    found = faults(rows, head)
    assert {fault.seq for fault in found} <= {row["seq"], row["seq"] + 1}
    assert found


@given(CHAINS, st.data())
def test_rows_that_are_missing_are_found(rows: list[Row], data: st.DataObject) -> None:
    head = anchor(rows[-1])
    gone = data.draw(st.sets(st.sampled_from(range(len(rows))), min_size=1))
    left = [row for at, row in enumerate(rows) if at not in gone]
    found = faults(left, head)
    codes = {fault.code for fault in found}
    assert codes <= {"missing", "truncated"}
    assert min(gone) + 1 == found[0].seq


@given(CHAINS, st.data())
def test_rows_that_changed_places_are_found(rows: list[Row], data: st.DataObject) -> None:
    assume(len(rows) > 1)
    head = anchor(rows[-1])
    one, other = data.draw(
        st.lists(st.sampled_from(range(len(rows))), min_size=2, max_size=2, unique=True)
    )
    rows[one], rows[other] = rows[other], rows[one]
    assert faults(rows, head)  # as they lie
    rows[one]["seq"], rows[other]["seq"] = rows[other]["seq"], rows[one]["seq"]
    assert faults(rows, head)  # and with their numbers changed too


@given(CHAINS, ENTRIES, st.data())
def test_a_row_put_in_between_is_found(rows: list[Row], entry: Audit, data: st.DataObject) -> None:
    head = anchor(rows[-1])
    at = data.draw(st.integers(0, len(rows)))
    before = rows[at - 1]["hash"] if at else GENESIS
    later = [{**row, "seq": row["seq"] + 1} for row in rows[at:]]
    assert faults([*rows[:at], chained(content(entry, NOW), at + 1, before), *later], head)
    assert faults([chained(content(entry, NOW), 0, GENESIS), *rows], head)


@given(CHAINS, st.data())
def test_a_log_written_anew_is_found_with_an_anchor_and_only_with_one(
    rows: list[Row], data: st.DataObject
) -> None:
    known = data.draw(st.sampled_from(rows))
    first = data.draw(st.integers(0, known["seq"] - 1))
    forged = [dict(row) for row in rows[:first]]
    for row in rows[first:]:
        words = {name: row[name] for name in CONTENT}
        words["reason"] = "nothing of the sort" if row["reason"] != "nothing of the sort" else ""
        before = forged[-1]["hash"] if forged else GENESIS
        forged.append(chained(words, row["seq"], before))
    head = anchor(forged[-1])
    assert faults(forged, head) == []  # what the chain cannot show by itself; docs/audit.md says so
    assert {fault.code for fault in faults(forged, head, (anchor(known),))} == {"anchor"}


@given(CHAINS, st.data())
def test_a_tail_cut_off_with_its_head_is_found_with_an_anchor(
    rows: list[Row], data: st.DataObject
) -> None:
    left = data.draw(st.integers(0, len(rows) - 1))
    head = anchor(rows[left - 1]) if left else Anchor(0, GENESIS)
    assert faults(rows[:left], head) == []
    known = data.draw(st.sampled_from(rows[left:]))
    found = faults(rows[:left], head, (anchor(known),))
    assert [(fault.seq, fault.code) for fault in found] == [(known["seq"], "truncated")]


def test_a_head_that_is_gone_or_says_something_else_is_found() -> None:
    rows = chain([Audit(Actor("", "a", "b"), Action.KEY_CREATED, str(n)) for n in range(3)])
    assert [fault.code for fault in faults(rows, None)] == ["head"]
    assert [fault.code for fault in faults(rows, Anchor(3, GENESIS))] == ["head"]
    assert [fault.code for fault in faults(rows, anchor(rows[1]))] == ["head"]
    assert [fault.code for fault in faults(rows, Anchor(9, GENESIS))] == ["truncated"]
    assert [fault.code for fault in faults([], None)] == ["head"]


def test_of_very_many_faults_the_first_are_named_and_all_counted() -> None:
    rows = chain([Audit(Actor("", "a", "b"), Action.KEY_CREATED, str(n)) for n in range(100)])
    for row in rows:
        row["subject"] = "x"
    verifier = Verifier()
    for row in rows:
        verifier.take(row)
    assert verifier.fault_count == 100
    assert [fault.seq for fault in verifier.faults] == list(range(1, Verifier.MOST + 1))


# What is hashed.


def decoded(data: bytes) -> dict[str, str | int]:
    """The content again, from its bytes alone: so no two contents share them."""
    _, _, rest = data.partition(b"\n")
    found: dict[str, str | int] = {}
    while rest:
        name, kind, length, rest = rest.split(b" ", 3)
        value, rest = rest[: int(length)], rest[int(length) + 1 :]
        text = value.decode("utf-8", "surrogatepass")
        found[name.decode()] = text if kind == b"text" else int(text)
    return found


@given(st.dictionaries(st.sampled_from(list(CONTENT)), st.text() | st.integers()))
def test_the_bytes_that_are_hashed_say_one_thing_only(fields: Content) -> None:
    assert decoded(encoded(fields)) == fields
    shuffled = list(fields.items())
    random.Random(1).shuffle(shuffled)
    assert encoded(dict(shuffled)) == encoded(fields)


def test_the_encoding_is_the_one_that_old_rows_were_written_with() -> None:
    actor = Actor("key_1", "Zoë", "admin", "192.0.2.7", "req_1")
    entry = Audit(actor, Action.POLICY_CHANGED, "usd", {"b": 1, "a": None}, {"a": [True]}, "more")
    row = chained(content(entry, NOW), 1, GENESIS)
    assert (row["before_json"], row["after_json"]) == ('{"a":null,"b":1}', '{"a":[true]}')
    assert row["hash"] == "9f697d15c4b523e7400e6b19d8070c46a5b288dc87fe72b6db60a8b291a31b5a"


@pytest.mark.parametrize(
    "value", [{"a": 1.5}, {"a": {"b": b"x"}}, {1: "a"}, {"a": {1, 2}}, {"a": object()}]
)
def test_what_is_not_plain_json_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        plain_json(value)


def test_a_change_without_end_is_refused_or_cut_to_a_digest() -> None:
    nested: dict[str, Any] = {}
    for _ in range(20):
        nested = {"a": nested}
    with pytest.raises(TypeError):
        plain_json(nested)
    text = plain_json({"a": [f"word {number}" for number in range(10_000)]})
    assert len(text) < 200
    assert "sha256" in text


@pytest.mark.parametrize(
    "written", ["", "1", "1:", ":" + "a" * 64, "1:" + "g" * 64, "-1:" + "a" * 64, "1:" + "a" * 63]
)
def test_an_anchor_is_a_number_and_a_hash(written: str) -> None:
    with pytest.raises(ValueError, match="SEQ:HASH"):
        Anchor.parse(written)
    right = Anchor.parse(f" 12:{'AB' * 32}\n")
    assert right == Anchor(12, "ab" * 32)
    assert Anchor.parse(str(right)) == right
