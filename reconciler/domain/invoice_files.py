"""Invoices in a CSV file: each line a draft, or named with its column and what is wrong with it.

Pure. A file is taken as spreadsheets write it: a byte-order mark, CRLF, commas, semicolons or tabs,
quoted line breaks. Must not guess at money: an amount is whole minor units or it is refused.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from reconciler.domain.invoices import Draft, Flaw, amount_hint, flaws
from reconciler.domain.pan import holds_card_number

REQUIRED = ("id", "customer", "amount", "currency", "due_on")
OPTIONAL = ("merchant", "description")
COLUMNS = (*REQUIRED, *OPTIONAL)
MOST_LINES = 100_000
LONGEST_FIELD = 2_000


@dataclass(frozen=True, slots=True)
class BadLine:
    """Line numbers are the file's own, the heading being line 1. `column` is empty where the whole
    line is meant."""

    line: int
    column: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Read:
    """What a file holds: drafts by the line they begin on, and what could not be read. `repeated`
    are lines that say again what one above them says."""

    drafts: tuple[tuple[int, Draft], ...]
    bad: tuple[BadLine, ...]
    repeated: int
    lines: int


def read(content: bytes) -> Read:
    """Every line of a CSV file with a heading."""
    text = _text(content)
    if isinstance(text, BadLine):
        return Read((), (text,), 0, 0)
    if not text.strip():
        return Read(
            (), (BadLine(1, "", "empty_file", f"Begin with a heading: {_heading()}."),), 0, 0
        )
    rows = _rows(text)
    first = next(rows)
    bad = [first] if isinstance(first, BadLine) else _heading_flaws(first[1])
    if bad or isinstance(first, BadLine):
        return Read((), tuple(bad), 0, 0)
    return _lines([_name(cell) for cell in first[1]], rows)


def _lines(names: list[str], rows: Iterator[tuple[int, list[str]] | BadLine]) -> Read:
    drafts: dict[str, tuple[int, Draft]] = {}
    bad: list[BadLine] = []
    repeated = lines = 0
    for row in rows:
        if isinstance(row, BadLine):
            bad.append(row)
            break
        number, cells = row
        if not any(cell.strip() for cell in cells):
            continue
        lines += 1
        if lines > MOST_LINES:
            message = f"A file may hold {MOST_LINES} invoices; split it."
            bad.append(BadLine(number, "", "too_many_lines", message))
            break
        draft = _draft(number, names, cells)
        if not isinstance(draft, Draft):
            bad += draft
            continue
        before = drafts.setdefault(draft.id, (number, draft))
        repeated += before != (number, draft) and before[1] == draft
        if before[1] != draft:
            message = f"Line {before[0]} has the same id with other content; ids must be unique."
            bad.append(BadLine(number, "id", "duplicate_id", message))
    return Read(tuple(drafts.values()), tuple(bad), repeated, lines)


def _text(content: bytes) -> str | BadLine:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return BadLine(1, "", "not_utf8", "The file is UTF-16; save it as CSV in UTF-8.")
    if content.startswith(b"PK\x03\x04"):
        return BadLine(1, "", "not_csv", "The file is a spreadsheet; save it as CSV in UTF-8.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return BadLine(line, "", "not_utf8", "The file is not in UTF-8; save it as CSV in UTF-8.")
    if "\x00" in text:
        line = text.count("\n", 0, text.index("\x00")) + 1
        return BadLine(line, "", "not_text", "The file holds a character of code 0; it is no text.")
    return text


def _rows(text: str) -> Iterator[tuple[int, list[str]] | BadLine]:
    """Each row with the number of the line it begins on; a broken one is the last."""
    heading = text.partition("\n")[0]
    separator = max(",;\t", key=heading.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    while True:
        begins = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            said = str(error)
            why = "a quote is not closed" if "end of data" in said else said
            message = f"The line cannot be read ({why}); what follows it was left out."
            yield BadLine(begins, "", "broken_line", message)
            return
        yield begins, row


def _heading() -> str:
    return ", ".join(COLUMNS)


def _name(cell: str) -> str:
    return cell.strip().lower()


def _heading_flaws(cells: Sequence[str]) -> list[BadLine]:
    names = [_name(cell) for cell in cells]
    found = [
        BadLine(1, name[:40], "unknown_column", f"There is no such column; use {_heading()}.")
        for name in names
        if name not in COLUMNS
    ]
    found += [
        BadLine(1, name, "missing_column", f"The heading lacks {name}; it needs {_heading()}.")
        for name in REQUIRED
        if name not in names
    ]
    twice = sorted({name for name in names if names.count(name) > 1 and name in COLUMNS})
    found += [BadLine(1, name, "repeated_column", "The heading has it twice.") for name in twice]
    return found


def _draft(line: int, names: list[str], cells: list[str]) -> Draft | list[BadLine]:
    if len(cells) != len(names):
        message = f"The line has {len(cells)} fields and the heading {len(names)}."
        return [BadLine(line, "", "wrong_number_of_fields", message)]
    row = dict(zip(names, (cell.strip() for cell in cells), strict=True))
    found = []
    for name, cell in row.items():
        if holds_card_number(cell):
            message = "This looks like a card number; take it out of the file, and of where it is."
            found.append(BadLine(line, name, "card_number_refused", message))
        elif len(cell) > LONGEST_FIELD:
            found.append(BadLine(line, name, "too_long", f"{name} is too long."))
    if found:
        return found
    written, currency = row["amount"], row["currency"].lower()
    good = written.isascii() and written.isdigit() and len(written) <= 12
    draft = Draft(
        row["id"],
        row["customer"],
        row.get("merchant", ""),
        int(written) if good else 1,
        currency,
        row["due_on"],
        " ".join(row.get("description", "").split()),
    )
    wrong = [flaw for flaw in flaws(draft) if good or flaw.field != "amount"]
    if not good:
        wrong.append(Flaw("amount", "bad_amount", amount_hint(written, currency)))
    return [BadLine(line, f.field, f.code, f.message) for f in wrong] or draft
