"""What a report says: which balance transactions it is about, and how they are summed up.

Everything is computed from the ledger when the report runs. The balances here are those of the
reports, where an automatic payout has left only on the day when it is expected to arrive.
"""

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, tzinfo
from io import StringIO
from itertools import groupby
from zoneinfo import ZoneInfo

from reconciler.simulator.kernel.world import Book, Json, World
from reconciler.simulator.objects.reporting.report_rows import (
    PAYOUT_CATEGORIES,
    Item,
    Statement,
    decimal,
    moment,
)
from reconciler.simulator.objects.reporting.report_types import ReportType


@dataclass(frozen=True)
class Asked:
    """The parameters of a run, with what they default to."""

    start: int = 0
    end: int = 0
    currency: str | None = None
    category: str | None = None
    payout: str | None = None
    timezone: str | None = None

    @property
    def zone(self) -> tzinfo:
        return ZoneInfo(self.timezone) if self.timezone else UTC

    def within(self, at: int) -> bool:
        return self.start <= at < self.end


def written(
    world: World, books: list[Book], type_: ReportType, asked: Asked, columns: list[str]
) -> bytes:
    """The whole file."""
    out = StringIO()
    lines = csv.writer(out, lineterminator="\n")
    lines.writerow(columns)
    for book in books:
        for row in _lines(world, book, type_, asked, columns):
            lines.writerow(row)
    return out.getvalue().encode()


def _lines(
    world: World, book: Book, type_: ReportType, asked: Asked, columns: list[str]
) -> Iterator[list[str]]:
    whose = _whose(book) if type_.connected else {}
    statement = Statement(book)
    if type_.itemized:
        own = [column for column in columns if column not in whose]
        for row in _chosen(statement, type_.family, asked):
            cells = dict(zip(own, Item(world, statement, row, asked.zone).cells(own), strict=True))
            yield [{**cells, **whose}[column] for column in columns]
        return
    if type_.family == "balance":
        summed = _balance(statement, asked)
    else:
        summed = _summed(statement, type_, asked)
    for cells in summed:
        yield [{**cells, **whose}[column] for column in columns]


def _whose(book: Book) -> dict[str, str]:
    profile = book.account.get("business_profile") or {}
    return {
        "connected_account": book.id,
        "connected_account_name": str(profile.get("name") or ""),
        "connected_account_country": str(book.account["country"]),
    }


# Which rows.


def _ledger(statement: Statement, asked: Asked) -> list[Json]:
    """The payments balance, one currency of it if that is asked for, oldest first."""
    return [
        row
        for row in statement.book.shelf("balance_transaction").values()
        if row["balance_type"] == "payments" and asked.currency in (None, row["currency"])
    ]


def _chosen(statement: Statement, family: str, asked: Asked) -> list[Json]:
    belongs = _FAMILIES[family]
    return [
        row
        for row in _ledger(statement, asked)
        if asked.category in (None, row["reporting_category"]) and belongs(statement, row, asked)
    ]


def _is_activity(statement: Statement, row: Json, asked: Asked) -> bool:
    return row["reporting_category"] not in PAYOUT_CATEGORIES and asked.within(row["created"])


def _is_payout(statement: Statement, row: Json, asked: Asked) -> bool:
    moved = row["reporting_category"] in PAYOUT_CATEGORIES
    return moved and asked.within(statement.effective_at(row))


def _was_paid_out(statement: Statement, row: Json, asked: Asked) -> bool:
    """Part of an automatic payout of this time; the payout itself is not part of it."""
    payout = statement.payout_of(row)
    if not payout or payout["balance_transaction"] == row["id"]:
        return False
    return asked.within(payout["arrival_date"])


def _was_paid_out_by(statement: Statement, row: Json, asked: Asked) -> bool:
    payout = statement.payout_of(row)
    mine = bool(payout) and payout["id"] == asked.payout
    return mine and payout["balance_transaction"] != row["id"]


def _was_left(statement: Statement, row: Json, asked: Asked) -> bool:
    """On the balance at the end: neither paid out by then nor itself an automatic payout."""
    if row["created"] >= asked.end:
        return False
    payout = statement.payout_of(row)
    if not payout:
        return statement.effective_at(row) < asked.end
    itself = payout["balance_transaction"] == row["id"]
    return not itself and asked.end <= int(payout["arrival_date"])


_FAMILIES: dict[str, Callable[[Statement, Json, Asked], bool]] = {
    "balance_change_from_activity": _is_activity,
    "payouts": _is_payout,
    "payout_reconciliation": _was_paid_out,
    "payout_reconciliation.by_id": _was_paid_out_by,
    "ending_balance_reconciliation": _was_left,
}


# Summing up.


def _summed(statement: Statement, type_: ReportType, asked: Asked) -> Iterator[dict[str, str]]:
    """Per currency one line for each category, and their total."""
    rows = sorted(_chosen(statement, type_.family, asked), key=lambda row: str(row["currency"]))
    for currency, group in groupby(rows, key=lambda row: str(row["currency"])):
        of_currency = list(group)
        for category in sorted({row["reporting_category"] for row in of_currency}):
            same = [row for row in of_currency if row["reporting_category"] == category]
            yield _sums(category, currency, same)
        yield _sums("total", currency, of_currency)


def _sums(category: str, currency: str, rows: list[Json]) -> dict[str, str]:
    return {
        "reporting_category": category,
        "currency": currency,
        "count": str(len(rows)),
        "gross": decimal(sum(row["amount"] for row in rows), currency),
        "fee": decimal(sum(row["fee"] for row in rows), currency),
        "net": decimal(sum(row["net"] for row in rows), currency),
    }


def _balance(statement: Statement, asked: Asked) -> Iterator[dict[str, str]]:
    """What there was, what came and went, what was left; of each currency."""
    rows = [(statement.effective_at(row), row) for row in _ledger(statement, asked)]
    known = sorted({row["currency"] for at, row in rows if at < asked.end})
    for currency in known or [asked.currency or statement.book.account["default_currency"]]:
        own = [(at, row) for at, row in rows if row["currency"] == currency]
        starting = sum(row["net"] for at, row in own if at < asked.start)
        moved = [row for at, row in own if asked.within(at)]
        payouts = sum(row["net"] for row in moved if row["reporting_category"] in PAYOUT_CATEGORIES)
        activity = sum(row["net"] for row in moved) - payouts
        begins, ends = (moment(at, asked.zone)[:10] for at in (asked.start, asked.end))
        for category, description, amount in (
            ("starting_balance", f"Starting balance ({begins})", starting),
            ("activity", "Balance change from activity", activity),
            ("payouts", "Total payouts", payouts),
            ("ending_balance", f"Ending balance ({ends})", starting + activity + payouts),
        ):
            yield {
                "category": category,
                "description": description,
                "net_amount": decimal(amount, currency),
                "currency": currency,
            }
