"""A run as an XLSX workbook: the run, its bridges, its findings, its control totals.

Every text is a text: none becomes a formula, a number or a link. Rows are written as they come and
kept nowhere, so a workbook of any length costs the same memory. Must not read anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import xlsxwriter
from xlsxwriter.worksheet import Worksheet

from reconciler.domain.money import exponent
from reconciler.moments import moment
from reconciler.reconciling.outcome import Control

MOST_ROWS = 1_000_000
"""Of one sheet: the format ends at 1,048,576. What is more goes on in another."""

OPTIONS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}
LONGEST_TEXT = 32_767
"""What one cell can hold."""

Row = tuple[Mapping[str, Any], Sequence[Any]]
"""A finding, and its cells; the last is the difference in major units."""


class Spreadsheet:
    """A workbook while it is written. Close it, whatever happened."""

    def __init__(self, path: Path, run: Mapping[str, Any], columns: Sequence[str]) -> None:
        self._book = xlsxwriter.Workbook(str(path), {**OPTIONS, "tmpdir": str(path.parent)})
        # Otherwise the moment of writing would be in it, and no two files would be the same.
        at = datetime.fromtimestamp(run["finished_at"], UTC).replace(tzinfo=None)
        self._book.set_properties({"created": at, "title": f"Run {run['id']}"})
        self._heading = self._book.add_format({"bold": True, "bottom": 1})
        self._bold = self._book.add_format({"bold": True})
        self._money: dict[int, Any] = {}
        self._columns = (*columns, "difference_major")
        self._control = Control()
        self._about(run)
        self._bridges(run["bridge"])
        self._sheet, self._row, self._sheets = self._findings(), 1, 1

    def add(self, rows: Sequence[Row]) -> None:
        """Some findings more, in order."""
        for finding, cells in rows:
            if self._row > MOST_ROWS:
                self._sheets += 1
                self._sheet, self._row = self._findings(self._sheets), 1
            self._control.add(finding)
            sheet, row = self._sheet, self._row
            for column, value in enumerate(cells[:-1]):
                if isinstance(value, int):
                    sheet.write_number(row, column, value)
                elif value:
                    sheet.write_string(row, column, _plain(value))
            self._major(sheet, row, len(cells) - 1, cells[-1], finding["currency"])
            self._row += 1

    def close(self) -> None:
        """The control totals stand at the end; the file is whole."""
        self._totals(self._control.told())
        self._book.close()

    def _findings(self, number: int = 1) -> Worksheet:
        name = "Findings" if number == 1 else f"Findings {number}"
        sheet = self._book.add_worksheet(name)
        # Most texts hold nothing to escape, and asking three patterns about each cell is a third of
        # the time. Should the library call this otherwise one day, it will merely be slower.
        sheet._escape_control_characters = _escaped
        widths = {"explanation": 60, "proposed_repair": 30, "reference": 30, "cause": 24}
        for column, title in enumerate(self._columns):
            sheet.set_column(column, column, widths.get(title, 17))
        sheet.freeze_panes(1, 0)
        for column, title in enumerate(self._columns):
            sheet.write_string(0, column, title, self._heading)
        return sheet

    def _about(self, run: Mapping[str, Any]) -> None:
        sheet = self._book.add_worksheet("Run")
        sheet.set_column(0, 0, 22)
        sheet.set_column(1, 1, 80)
        coverage = run["coverage"]
        told = {
            "run": run["id"],
            "status": run["status"],
            "as of": moment(coverage["as_of"]) or "",
            "started": moment(run["started_at"]) or "",
            "finished": moment(run["finished_at"]) or "",
            "everything read": "yes" if coverage["complete"] else "no",
            "not covered": "; ".join(coverage["errors"]),
            "judged by rules": run["rules"],
            "SHA-256": run["sha256"],
        }
        for row, (name, value) in enumerate(told.items()):
            sheet.write_string(row, 0, name, self._bold)
            sheet.write_string(row, 1, str(value)[:LONGEST_TEXT])

    def _bridges(self, bridges: Sequence[Mapping[str, Any]]) -> None:
        """Each currency's statement, from the books to Stripe; `unexplained` is always a line."""
        sheet = self._book.add_worksheet("Bridge")
        sheet.set_column(0, 0, 22)
        sheet.set_column(2, 2, 52)
        sheet.set_column(3, 4, 18)
        titles = ("stripe_account", "currency", "line", "amount", "amount_major")
        for column, title in enumerate(titles):
            sheet.write_string(0, column, title, self._heading)
        row = 1
        for bridge in bridges:
            for label, amount in _statement(bridge):
                sheet.write_string(row, 0, bridge["stripe_account"])
                sheet.write_string(row, 1, bridge["currency"])
                sheet.write_string(row, 2, label)
                sheet.write_number(row, 3, amount)
                self._in_major(sheet, row, 4, amount, bridge["currency"])
                row += 1

    def _totals(self, control: Mapping[str, Any]) -> None:
        sheet = self._book.add_worksheet("Control totals")
        sheet.set_column(0, 3, 18)
        for column, title in enumerate(("total", "currency", "amount", "amount_major")):
            sheet.write_string(0, column, title, self._heading)
        sheet.write_string(1, 0, "findings")
        sheet.write_number(1, 2, control["findings"])
        row = 2
        for name, _ in Control.NAMES:
            for currency, amount in control[name].items():
                sheet.write_string(row, 0, name)
                sheet.write_string(row, 1, currency)
                sheet.write_number(row, 2, amount)
                self._in_major(sheet, row, 3, amount, currency)
                row += 1

    def _in_major(self, sheet: Worksheet, row: int, column: int, amount: int, unit: str) -> None:
        self._major(sheet, row, column, str(Decimal(amount).scaleb(-exponent(unit))), unit)

    def _major(self, sheet: Worksheet, row: int, column: int, shown: str, unit: str) -> None:
        """An amount in major units, with the decimals of its currency."""
        if not unit:
            return
        decimals = exponent(unit)
        if decimals not in self._money:
            pattern = "#,##0" + ("." + "0" * decimals if decimals else "")
            self._money[decimals] = self._book.add_format({"num_format": pattern})
        # As a decimal: a float would be written with the digits that it really has.
        sheet.write_number(row, column, Decimal(shown), self._money[decimals])


def _escaped(text: str) -> str:
    """What the library makes of a text, at once where that is the text itself."""
    if text.isprintable() and "_x" not in text:
        return text
    escaped: str = Worksheet._escape_control_characters(text)
    return escaped


def _plain(text: str) -> str:
    """A text as one cell holds it. xlsxwriter takes one in these tags for markup of its own."""
    return f"'{text}"[:LONGEST_TEXT] if text.startswith("<r>") else text[:LONGEST_TEXT]


def _statement(bridge: Mapping[str, Any]) -> list[tuple[str, int]]:
    """A bridge as lines of a label and an amount in minor units."""
    differences = [
        (f"{line['label']}{' (timing)' if line['timing'] else ''}", line["amount"])
        for line in bridge["differences"]
    ]
    return [
        *((line["label"], line["amount"]) for line in bridge["holdings"]),
        ("the books say Stripe holds", bridge["books"]),
        *differences,
        ("unexplained", bridge["unexplained"]),
        ("Stripe says it holds", bridge["stripe"]),
        ("of this available", bridge["available"]),
        ("of this pending", bridge["pending"]),
        ("drift", bridge["drift"]),
    ]
