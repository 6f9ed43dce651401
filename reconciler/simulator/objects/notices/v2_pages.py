"""Lists under /v2: newest first, page by page, by a token in the address of the next page."""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable
from itertools import dropwhile, islice
from urllib.parse import urlencode

from reconciler.simulator.kernel import refusals
from reconciler.simulator.kernel.world import Call, Json

_LIMIT = 20
_MOST = 100


def page(call: Call, url: str, rows: Iterable[Json], keep: Callable[[Json], bool]) -> Json:
    """One page of rows given newest first; the next page keeps to the same filters."""
    limit = call.form.integer("limit")
    limit = _LIMIT if limit is None else limit
    if not 1 <= limit <= _MOST:
        raise refusals.malformed("limit", f"limit must be between 1 and {_MOST}.")
    token = call.form.text("page")
    rest = iter(rows) if token is None else _after(rows, _cursor(token))
    found = list(islice(filter(keep, rest), limit + 1))
    more = len(found) > limit
    following = _address(call, url, found[limit - 1]["id"]) if more else None
    return {"data": found[:limit], "next_page_url": following, "previous_page_url": None}


def _after(rows: Iterable[Json], cursor: str) -> Iterable[Json]:
    return islice(dropwhile(lambda row: row["id"] != cursor, rows), 1, None)


def _cursor(token: str) -> str:
    try:
        return urlsafe_b64decode(token.encode()).decode()
    except (binascii.Error, ValueError):
        raise refusals.malformed("page", "The page token is invalid.") from None


def _address(call: Call, url: str, last: str) -> str:
    token = urlsafe_b64encode(last.encode()).decode()
    asked = {name: value for name, value in call.form.values.items() if name != "page"}
    return f"{url}?{urlencode([*_pairs(asked), ('page', token)])}"


def _pairs(asked: Json, prefix: str = "") -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for name, value in asked.items():
        key = f"{prefix}[{name}]" if prefix else str(name)
        if isinstance(value, list):
            value = {str(number): each for number, each in enumerate(value)}
        pairs += _pairs(value, key) if isinstance(value, dict) else [(key, str(value))]
    return pairs
