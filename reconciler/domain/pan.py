"""Card numbers, found where they must not be: in anything that somebody types into this service.

A number is 13 to 19 digits whose check digit is right. Written in one piece, that is enough; in
groups, or as a part of something longer, it must also begin like a card, or every second timestamp
would be taken for one. Pure; must not keep or repeat what it finds.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping

SHORTEST, LONGEST = 13, 19

_BY_CHANCE = re.compile(
    r"(?<![0-9A-Za-z])(?:[a-z]{2,8}_(?=\d*[a-f])[0-9a-f]{24}|(?=\d*[a-f])[0-9a-f]{32,64}"
    r"|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})(?![0-9A-Za-z])"
)
"""Ids of ours, digests and UUIDs: their digits follow each other by chance."""

_GROUPS = re.compile(r"\d+(?:[^0-9A-Za-z]{1,3}\d+)*")
"""Digits, and more of them behind no more than a few signs that are neither letters nor digits."""


def card_number(value: object) -> str:
    """Where in this value a card number stands, in words; empty if nowhere.

    Looks into the keys and items of mappings and lists. Never returns the number.
    """
    for place, item in _leaves(value, ""):
        if holds_card_number(item):
            return place or "value"
    return ""


def holds_card_number(text: str) -> bool:
    """Whether a card number stands anywhere in this text, in whatever digits and groups."""
    if len(text) < SHORTEST and text.isascii():
        return False
    plain = "".join(_as_ascii(letter) for letter in unicodedata.normalize("NFKC", text))
    plain = _BY_CHANCE.sub("x", plain)
    return any(_in_groups(re.findall(r"\d+", run[0])) for run in _GROUPS.finditer(plain))


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the others (ISO/IEC 7812)."""
    odd, even = digits[-1::-2], digits[-2::-2]
    doubled = sum(sum(divmod(2 * int(digit), 10)) for digit in even)
    return (sum(map(int, odd)) + doubled) % 10 == 0


def begins_like_a_card(digits: str) -> bool:
    """Whether the first digits are those of a card network."""
    if digits[0] in "456":
        return True
    if digits[0] == "3":
        return digits[1] in "0456789"
    return 2221 <= int(digits[:4]) <= 2720


def _leaves(value: object, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield place or "a field's name", str(key)
            yield from _leaves(item, str(key)[:40])
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _leaves(item, place)
    elif isinstance(value, (str, int, float)) and not isinstance(value, bool):
        yield place, str(value)


def _as_ascii(letter: str) -> str:
    """Every script's digits are digits; what cannot be seen is not there."""
    if letter.isdecimal():
        return str(unicodedata.decimal(letter))
    return "" if unicodedata.category(letter) == "Cf" else letter


def _in_groups(groups: list[str]) -> bool:
    for start, first in enumerate(groups):
        if SHORTEST <= len(first) <= LONGEST and luhn(first):
            return True
        if _within(first):
            return True
        joined = first
        for group in groups[start + 1 :]:
            joined += group
            if len(joined) > LONGEST:
                break
            if len(joined) >= SHORTEST and luhn(joined) and begins_like_a_card(joined):
                return True
    return False


def _within(digits: str) -> bool:
    """Whether a part of a longer run is a number of 15 or 16 digits, as nearly all cards have."""
    for length in (16, 15):
        for start in range(len(digits) - length + 1):
            part = digits[start : start + length]
            if begins_like_a_card(part) and luhn(part):
                return True
    return False
