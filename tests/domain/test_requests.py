"""What makes two requests one: the order of fields and whitespace do not, everything else does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.requests import canonical, digest, is_key

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**15), 10**15)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=("Cs",)), max_size=5), inner, max_size=4
        )
    ),
    max_leaves=12,
)
bodies = st.dictionaries(st.text("abcde", min_size=1, max_size=3), values, max_size=5)


def typed(value: Any) -> Any:
    """The value with its types, so that `1`, `1.0` and `True` differ as they do in JSON."""
    if isinstance(value, dict):
        return {key: typed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [typed(item) for item in value]
    return type(value).__name__, repr(value)


def turned(value: Any) -> Any:
    """The same value with the fields of every object in the opposite order."""
    if isinstance(value, dict):
        return {key: turned(value[key]) for key in reversed(value)}
    if isinstance(value, list):
        return [turned(item) for item in value]
    return value


@given(bodies, st.sampled_from([None, 1, 4]), st.booleans())
def test_the_order_of_fields_and_whitespace_do_not_count(
    body: dict[str, Any], indent: int | None, ascii: bool
) -> None:
    written = json.dumps(turned(body), indent=indent, ensure_ascii=ascii)
    assert digest("POST", "/v1/payouts?", json.loads(written)) == digest(
        "POST", "/v1/payouts?", body
    )


@given(bodies, bodies)
def test_everything_else_counts(one: dict[str, Any], other: dict[str, Any]) -> None:
    same = typed(one) == typed(other)
    assert (digest("POST", "/", one) == digest("POST", "/", other)) == same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1}, {"a": True}),
        ({"a": 1}, {"a": 1.0}),
        ({"a": 1}, {"a": "1"}),
        ({"a": 0}, {"a": None}),
        ({"a": None}, {}),
        ({"a": []}, {"a": {}}),
        ({"a": ["b"]}, {"a": "b"}),
        ({"a": [1, 2]}, {"a": [2, 1]}),
        ({"a": "é"}, {"a": "e\u0301"}),
        ({"a": 'x","b":"y'}, {"a": "x", "b": "y"}),
        ({"a": 10**17}, {"a": 10**17 + 1}),
    ],
)
def test_values_that_are_alike_are_not_the_same(one: Any, other: Any) -> None:
    assert canonical(one) != canonical(other)


@given(st.text(max_size=6), st.text(max_size=6), st.text(max_size=6), st.text(max_size=6))
def test_method_and_path_count_and_cannot_run_into_each_other(
    method: str, path: str, other_method: str, other_path: str
) -> None:
    same = (method, path) == (other_method, other_path)
    assert (digest(method, path, {}) == digest(other_method, other_path, {})) == same


@given(st.text(max_size=300))
def test_a_key_is_1_to_255_printable_ascii_characters(text: str) -> None:
    allowed = 1 <= len(text) <= 255 and all(" " <= letter <= "~" for letter in text)
    assert is_key(text) == allowed


def test_a_key_of_255_characters_is_the_longest() -> None:
    assert is_key("k" * 255)
    assert not is_key("k" * 256)
