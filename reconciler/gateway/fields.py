"""Fields of Stripe's JSON, read with suspicion: each reader returns what it promises or names what
is wrong. Must not know which object a field belongs to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.domain.money import NotMoney, checked_amount, checked_currency

LONGEST_TEXT = 500
LATEST_MOMENT = 253_402_300_799
"""The end of the year 9999, beyond which no date can be written."""

Json = Mapping[str, Any]


class Unreadable(ValueError):
    """A body that is not what Stripe sends; the message names the field and what is wrong."""


def text(body: Json, key: str) -> str:
    """A text field, empty when absent or null. An expanded object counts as its id."""
    value = body.get(key)
    if value is None:
        return ""
    if type(value) is not str and isinstance(value, Mapping):
        value = value.get("id") or ""
    if not isinstance(value, str) or not _storable(value):
        raise Unreadable(f"{key} is not usable text")
    return value


def _storable(value: str) -> bool:
    """Whether both databases can keep it: no NUL, no half of a surrogate pair, not too long."""
    if len(value) > LONGEST_TEXT or "\x00" in value:
        return False
    return value.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in value)


def texts(body: Json, key: str) -> list[str]:
    """A list of short texts, empty when absent."""
    value = body.get(key)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(t, str) and _storable(t) for t in value):
        raise Unreadable(f"{key} is not a list of texts")
    return list(value)


def amount(body: Json, key: str, default: int | None = None, *, signed: bool = False) -> int:
    """An amount in minor units. Raises Unreadable when it is missing, not an integer, negative
    where it cannot be, or too large to be money."""
    value = body.get(key, default)
    if value is None and default is not None:
        value = default
    try:
        checked = checked_amount(value, key)
    except NotMoney as error:
        raise Unreadable(str(error)) from None
    if checked < 0 and not signed:
        raise Unreadable(f"{key} is negative: {checked}")
    return checked


def currency(body: Json, key: str = "currency") -> str:
    try:
        return checked_currency(body.get(key), key)
    except NotMoney as error:
        raise Unreadable(str(error)) from None


def seconds(body: Json, key: str, default: int | None = None) -> int:
    """A moment in epoch seconds; the default, if there is one, when absent or null."""
    value = body.get(key)
    if value is None and default is not None:
        return default
    if type(value) is not int or not 0 <= value <= LATEST_MOMENT:
        raise Unreadable(f"{key} is not a moment in epoch seconds")
    return value


def inner(body: Json, key: str) -> Json:
    """A nested object, empty when absent or null."""
    value = body.get(key)
    if value is None:
        return {}
    if type(value) is not dict and not isinstance(value, Mapping):
        raise Unreadable(f"{key} is not an object")
    return value


def rows(body: Json, key: str) -> list[Json]:
    """The objects in a list that must be there. Raises Unreadable when it is not."""
    if not isinstance(body.get(key), list):
        raise Unreadable(f"{key} is missing")
    return items(body, key)


def next_cursor(body: Json) -> str:
    """The cursor of the page after this one of a list, empty on the last. Raises Unreadable if
    there is one and it cannot be asked for."""
    data = rows(body, "data")
    if body.get("has_more") is not True:
        return ""
    cursor = text(data[-1], "id") if data else ""
    if not cursor:
        raise Unreadable("data has more rows and none to go on from")
    return cursor


def items(body: Json, key: str) -> list[Json]:
    """The objects in an embedded list (or bare array), empty when absent."""
    value = body.get(key)
    if isinstance(value, Mapping):
        value = value.get("data")
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise Unreadable(f"{key} is not a list of objects")
    return value
