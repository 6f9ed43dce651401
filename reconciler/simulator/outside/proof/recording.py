"""Recorded traffic with the real Stripe: read, and what it says about the account behind it.

A recording is a list of exchanges in order. What the account charges, how it converts and when its
money settles shows in the balance transactions, so a replay can be given the same account.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

Json = dict[str, Any]

ID = re.compile(
    r"(?<![A-Za-z0-9])(?:acct|ba|btok|card|ch|ct|cus|dp|du|evt|fee|file|fr|frr|mandate|person|pi|pm|pmc|po|pyr|py|re|"
    r"seti|setatt|src|tok|tr|trr|tu|txn|we)_[A-Za-z0-9]{6,}(?:_[A-Za-z0-9]{10,})?\b"
)
"""What looks like an id of Stripe's; `acct_invalid` and `pm_card_visa` are words, not ids."""

_WORDS = re.compile(r"_(?:card|usBankAccount|sepaDebit|visa|mastercard|invalid)")


class Exchange(NamedTuple):
    number: int
    moment: int
    method: str
    path: str
    query: str
    form: str
    account: str | None
    key: str | None
    version: str | None
    status: int
    body: Json


def read(path: Path) -> list[Exchange]:
    """The exchanges of a recording: a JSON list with method, uri, form, status and body."""
    items = msgspec.json.decode(path.read_bytes())
    return [_exchange(number, item) for number, item in enumerate(items)]


def _exchange(number: int, item: Json) -> Exchange:
    address = urlsplit(item["uri"])
    return Exchange(
        number=number,
        moment=int(parsedate_to_datetime(item["at"]).timestamp()),
        method=item["method"],
        path=address.path,
        query=address.query,
        form=item.get("form") or "",
        account=item.get("stripe_account"),
        key=item.get("idem"),
        version=item.get("api_version"),
        status=item["status"],
        body=item["body"],
    )


def ids_in(text: str) -> Iterator[str]:
    """Every id in a text, in order."""
    for found in ID.findall(text):
        if not _WORDS.search(found):
            yield found


def objects(view: Any) -> Iterator[Json]:
    """Every object in a body, however deep."""
    if isinstance(view, list):
        for below in view:
            yield from objects(below)
    elif isinstance(view, dict):
        if "object" in view:
            yield view
        for below in view.values():
            yield from objects(below)
