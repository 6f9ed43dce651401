"""The evidence of a finding as small tables: one for each kind of thing that it names.

Pure. Evidence is whatever a run has stored: a kind of row unknown here still becomes a table. Must
not escape anything: cells are text, and the template escapes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from reconciler.domain.money import major
from reconciler.moments import MOMENTS

TITLES = {
    "rule": "The rule that decided",
    "object": "Stripe's object, as last seen",
    "balance_transaction": "Stripe's balance transactions",
    "event": "Events, how they were delivered, and what each told",
    "record": "Records that are not what their events say",
    "row": "Rows that somebody else wrote to",
    "clearing": "What each of our own links gives, from events to entries",
    "ledger_transaction": "Ledger entries in its clearing account, debits positive",
    "transfer_id": "Stripe's transfer",
    "stream": "What was read",
    "payout": "Our payout",
}
"""What a row is about, by the first field that it has of these, in the order they are shown."""

AMOUNTS = frozenset(
    {
        "amount",
        "fee",
        "amount_reversed",
        "posted",
        "adjusted",
        "position",
        "by_records",
        "by_events",
    }
)
MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True, slots=True)
class Cell:
    """One value. `moment` is set instead of `text` where it is a time, in epoch seconds."""

    text: str = ""
    moment: int = 0
    money: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Rows about one kind of thing; columns that say nothing are left out."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def money(amount: int, currency: str) -> str:
    """Minor units in major units, with a true minus sign."""
    return major(amount, currency).replace("-", MINUS)


def tables(evidence: Iterable[Mapping[str, Any]], currency: str) -> list[Table]:
    """The evidence by what it is about; amounts without a currency are in the finding's."""
    groups: dict[str, list[Mapping[str, Any]]] = {title: [] for title in TITLES.values()}
    for row in evidence:
        about = next((name for name in TITLES if name in row), "")
        groups.setdefault(TITLES.get(about, "More"), []).append(row)
    return [_table(title, rows, currency) for title, rows in groups.items() if rows]


def _table(title: str, rows: Sequence[Mapping[str, Any]], currency: str) -> Table:
    names = list(dict.fromkeys(name for row in rows for name in row))
    if any(name in AMOUNTS for name in names):
        names = [name for name in names if name != "currency"]
    names = [name for name in names if any(row.get(name) not in ("", None) for row in rows)]
    cells = (tuple(_cell(name, row, currency) for name in names) for row in rows)
    return Table(title, tuple(names), tuple(cells))


def _cell(name: str, row: Mapping[str, Any], currency: str) -> Cell:
    value = row.get(name)
    if value is None or value == "":
        return Cell()
    if isinstance(value, bool):
        return Cell("yes" if value else "no")
    if name in AMOUNTS and isinstance(value, int):
        unit = str(row.get("currency") or currency)
        return Cell(f"{money(value, unit)} {unit.upper()}".strip(), money=True)
    if name in MOMENTS and isinstance(value, int):
        return Cell(moment=value) if value else Cell()
    if isinstance(value, (list, dict)):
        return Cell(msgspec.json.encode(value).decode())
    return Cell(str(value))
