"""Looking back: the journal and the objects as people read them, for the log and the console.

It reads the world and changes nothing in it.
"""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from itertools import islice
from typing import NamedTuple

import msgspec

from reconciler.simulator.kernel.journal import Entry
from reconciler.simulator.kernel.world import Book, Json, World

_ID = re.compile(r'"([a-z]+(?:_[A-Za-z0-9]+)+)"')
_MONEY = ("available", "pending")


class Wanted(NamedTuple):
    """Which entries are asked for; `type` may hold `*`."""

    object: str | None = None
    kind: str | None = None
    type: str | None = None
    account: str | None = None

    def fits(self, entry: Entry) -> bool:
        if self.kind and entry["kind"] != self.kind:
            return False
        if self.account and entry["account"] != self.account:
            return False
        return not self.type or fnmatchcase(str(entry["type"]), self.type)


def entries(
    world: World, wanted: Wanted, before: int | None, limit: int
) -> tuple[list[Entry], bool]:
    """So many entries, newest first, and whether there are older ones."""
    found = list(islice(_matching(world, wanted, before), limit + 1))
    return found[:limit], len(found) > limit


def _matching(world: World, wanted: Wanted, before: int | None) -> Iterator[Entry]:
    for entry in world.journal.newest(wanted.object, before):
        if not _possible(entry, wanted):
            continue
        told = told_about(world, entry)
        if wanted.fits(told):
            yield told


def _possible(entry: Entry, wanted: Wanted) -> bool:
    """What can be said at once, before anything is looked up."""
    return not (wanted.kind and entry["kind"] != wanted.kind)


def told_about(world: World, entry: Entry) -> Entry:
    """An entry with its type, and with what its objects say about it."""
    kind = entry["kind"]
    if kind == "money":
        found = world.find(entry["about"][0])
        return {**entry, "type": "", **_movement(found[1])} if found else {**entry, "type": ""}
    if kind == "request":
        return {**entry, "type": f"{entry['method']} {entry['path']}"}
    return {**entry, "type": entry.get("type") or entry.get("act") or entry.get("control") or ""}


def _movement(row: Json) -> Json:
    names = ("type", "amount", "fee", "net", "currency", "status", "available_on", "source")
    return {name: row[name] for name in names}


def balances(book: Book) -> Json:
    """Per currency: both figures of the balance, and what its movements sum to."""
    sums: dict[str, int] = {}
    for row in book.shelf("balance_transaction").values():
        sums[row["currency"]] = sums.get(row["currency"], 0) + row["net"]
    currencies = sorted({*book.totals, *sums})
    return {
        "account": book.id,
        "deleted": book.deleted,
        "balances": [
            {
                "currency": currency,
                **{side: book.totals.get(currency, {}).get(side, 0) for side in _MONEY},
                "movements": sums.get(currency, 0),
            }
            for currency in currencies
        ],
    }


def counts(book: Book) -> dict[str, int]:
    """How many objects of each kind an account holds."""
    return {kind: len(shelf) for kind, shelf in sorted(book.shelves.items()) if shelf}


def name(book: Book) -> str:
    """What people call an account, if it says so."""
    profile = book.account.get("business_profile") or {}
    return str(profile.get("name") or book.account.get("email") or "")


def linked_json(world: World, thing: Json) -> list[list[tuple[str, str | None]]]:
    """An object as lines of JSON, cut where an id begins that can be followed."""
    text = msgspec.json.format(msgspec.json.encode(thing), indent=2).decode()
    return [list(_pieces(world, thing["id"], line)) for line in text.split("\n")]


def _pieces(world: World, own: str, line: str) -> Iterator[tuple[str, str | None]]:
    start = 0
    for found in _ID.finditer(line):
        id_ = found[1]
        if id_ != own and world.find(id_) is not None:
            yield line[start : found.start(1)], None
            yield id_, id_
            start = found.end(1)
    yield line[start:], None
