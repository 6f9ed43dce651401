"""Takes secrets and card numbers out of what is about to be kept for good.

The second line of defence: nothing should hand a secret over. Must err on the side of taking out
too much, but never touch an id or a digest of ours, which an auditor searches for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

LONGEST_TEXT: Final = 4_000
DEEPEST: Final = 12

SECRET: Final = "[secret]"  # noqa: S105 - what stands in its place
CARD: Final = "[card number]"

SECRET_NAMES: Final = frozenset(
    {
        *("access_token", "account_number", "api_key", "apikey", "authorization", "card_number"),
        *("client_secret", "cookie", "cvc", "cvv", "iban", "id_number", "pan", "password"),
        *("private_key", "refresh_token", "routing_number", "secret", "secret_key"),
        *("security_code", "signing_secret", "sort_code", "ssn", "token", "webhook_secret"),
    }
)
_SECRET_ENDINGS: Final = ("_secret", "_password", "_token", "_secret_key")

_SECRETS: Final = re.compile(
    r"""
      \b[a-z]+_\w+_secret_\w+                              # a client secret of Stripe's
    | (?:sk|rk|ek)_(?:test|live)_\w+                       # Stripe's keys
    | whsec_[\w+/=-]+                                     # what signs webhooks
    | rec_[\w-]{16,}                                       # our own API keys
    | \b(?:bearer|basic)\s+[\w.~+/=:-]+                    # a header's credentials
    | (?<=://)[^\s/@:]*:[^\s/@]+(?=@)                      # a password in an address
    | \beyJ[\w-]{8,}\.[\w-]+\.[\w-]*                       # a JSON web token
    | -----BEGIN[\w\s]*PRIVATE\sKEY-----.*?(?:-----END[\w\s]*-----|\Z)
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)

# Our ids, digests and UUIDs: digits in them follow each other by chance.
_NUMBERS_BY_CHANCE: Final = (
    r"(?<![0-9a-z])(?:[a-z]{2,8}_[0-9a-f]{24}|[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}"
    r"|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})(?![0-9a-z])"
)
_RUN_OF_DIGITS: Final = r"\d(?:(?:_|[^\w\n,;:]){0,3}\d)+"
_CARD_OR_ID: Final = re.compile(f"(?P<chance>{_NUMBERS_BY_CHANCE})|(?P<digits>{_RUN_OF_DIGITS})")
_SHORTEST_CARD, _LONGEST_CARD = 12, 19
_SHORTEST_CARD_AS_NUMBER: Final = 13  # an amount has at most twelve digits


def redacted(value: Any, name: str = "", depth: int = 0) -> Any:
    """`value` as plain JSON without secrets. Raises TypeError for what JSON has not, and floats."""
    if depth > DEEPEST:
        raise TypeError(f"nested deeper than {DEEPEST}")
    if _is_secret_name(name) and value not in (None, "", 0, False):
        return SECRET
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return _redacted_number(int(value))
    if isinstance(value, str):
        return redacted_text(str(value))
    if isinstance(value, Mapping):
        return {
            redacted_text(_text(key)): redacted(inner, _text(key), depth + 1)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [redacted(inner, name, depth + 1) for inner in value]
    raise TypeError(f"{type(value).__name__} has no place in the audit log")


def redacted_text(text: str) -> str:
    """`text` without secrets and card numbers, at most LONGEST_TEXT long, fit for any database."""
    clean = text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
    clean = _CARD_OR_ID.sub(_without_cards, _SECRETS.sub(SECRET, clean))
    if len(clean) > LONGEST_TEXT:
        return f"{clean[:LONGEST_TEXT]}… ({len(clean)} characters)"
    return clean


def _text(key: Any) -> str:
    if not isinstance(key, str):
        raise TypeError(f"{type(key).__name__} is no name in JSON")
    return key


def _is_secret_name(name: str) -> bool:
    plain = name.lower().replace("-", "_")
    return plain in SECRET_NAMES or plain.endswith(_SECRET_ENDINGS)


def _redacted_number(number: int) -> int | str:
    digits = str(abs(number))
    return CARD if len(digits) >= _SHORTEST_CARD_AS_NUMBER and _is_card(digits) else number


def _without_cards(match: re.Match[str]) -> str:
    """The match, or that it held a card number: its groups of digits, alone or put together."""
    run = match["digits"]
    if run is None:
        return match[0]
    groups = re.findall(r"\d+", run)
    for first in range(len(groups)):
        digits = ""
        for group in groups[first:]:
            digits += group
            if _is_card(digits.lstrip("0")):
                return CARD
            if len(digits) > 2 * _LONGEST_CARD:
                break
    return match[0]


def _is_card(digits: str) -> bool:
    """Whether these can be a card's number: the length of one, and its last digit is right."""
    if not _SHORTEST_CARD <= len(digits) <= _LONGEST_CARD or digits[0] == "0":
        return False
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (1 + place % 2)
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0
