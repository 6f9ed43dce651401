"""Find what exists at Stripe for an instruction of ours: one list, walked to its end.

Lists are consistent at once; search is not, and is never asked. Must not decide what an absence
means: that is `domain.sending`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.gateway import fields
from reconciler.gateway.client import Gateway
from reconciler.gateway.fields import Json

PAGE = 100
LONGEST_LIST = 100


@dataclass(frozen=True, slots=True)
class Search:
    """Where an object that we asked for would be listed: the list, its filters, and the metadata
    key that holds the id of our instruction."""

    path: str
    parameters: Mapping[str, Any]
    metadata_key: str


class Incomplete(Exception):
    """The list could not be walked to its end, so it proves nothing."""


async def find(stripe: Gateway, search: Search, instruction: str, account: str) -> Json | None:
    """The oldest object made for the instruction; None if the whole list holds none.

    Raises StripeUnavailable, Unreadable, or Incomplete when the list was not read to its end.
    """
    found: Json | None = None
    cursor = ""
    for _ in range(LONGEST_LIST):
        more = {"starting_after": cursor} if cursor else {}
        page = await stripe.get(search.path, {**search.parameters, "limit": PAGE, **more}, account)
        rows = fields.rows(page, "data")
        for row in rows:  # newest first: the last one that fits is the oldest
            if fields.text(fields.inner(row, "metadata"), search.metadata_key) == instruction:
                found = row
        if page.get("has_more") is not True:
            return found
        cursor = fields.text(rows[-1], "id") if rows else ""
        if not cursor:
            break
    raise Incomplete(f"{search.path} has more rows than could be walked")
