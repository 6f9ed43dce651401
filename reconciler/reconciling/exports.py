"""A run as a file, piece by piece: JSON that can be verified, CSV and XLSX for spreadsheets.

Findings are read some at a time, so that a file of any length costs the same memory. The same run
gives the same bytes. Cells that a spreadsheet would take for a formula are disarmed.
"""

from __future__ import annotations

import asyncio
import csv
import io
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from reconciler.context import Context
from reconciler.domain.money import major
from reconciler.moments import moment, rendered
from reconciler.reconciling.document import FORMAT, heading
from reconciler.reconciling.outcome import Control
from reconciler.reconciling.pinning import canonical, restored
from reconciler.reconciling.spreadsheet import Spreadsheet
from reconciler.store import kept_runs

FORMATS = ("json", "csv", "xlsx")

COLUMNS = (
    "id", "status", "kind", "cause", "stripe_account", "reference", "currency", "stripe_amount",
    "books_amount", "difference", "at_risk", "first_seen", "expected_clear_by", "explanation",
    "proposed_repair",
)  # fmt: skip
FORMULA_STARTS = ("=", "+", "-", "@")
AT_ONCE = 1000
PIECE_BYTES = 1 << 16

Findings = Sequence[Mapping[str, Any]]
Run = Mapping[str, Any]


def exported(context: Context, run: Run, format: str) -> AsyncIterator[bytes]:
    """The file of a run, in one of FORMATS, piece by piece."""
    return {"json": _json, "csv": _csv, "xlsx": _xlsx}[format](context, run)


async def pages(context: Context, run_id: str) -> AsyncIterator[Findings]:
    """A run's findings in their order, some at a time. Runs never change, so no moment is held."""
    after = (-1, "")
    while True:
        async with context.database.read() as session:
            rows = await kept_runs.findings_after(session, run_id, after, AT_ONCE)
        if not rows:
            return
        yield [msgspec.json.decode(row["body"]) for row in rows]
        after = (rows[-1]["place"], rows[-1]["finding_id"])


async def _json(context: Context, run: Run) -> AsyncIterator[bytes]:
    """The document of docs/runs.md, in its canonical form and one line."""
    control = Control()
    async for page in pages(context, run["id"]):
        for finding in page:
            control.add(finding)
    digests = {"run": run["sha256"], "seen": run["seen_sha256"]}
    yield b'{"control":' + canonical(control.told())
    yield b',"digest":' + canonical(digests) + b',"findings":['
    between = b""
    async for page in pages(context, run["id"]):
        yield between + b",".join(canonical(rendered(finding)) for finding in page)
        between = b","
    yield b'],"format":' + canonical(FORMAT) + b',"run":' + canonical(heading(run))
    async with context.database.read() as session:
        seen = await kept_runs.seen(session, run["id"])
    yield b',"seen":' + (restored(seen) if seen else b"null") + b"}\n"


async def _csv(context: Context, run: Run) -> AsyncIterator[bytes]:
    """One row for each finding, then one control row for each currency."""
    control = Control()
    yield _lines([["run", *COLUMNS, "difference_major"]])
    async for page in pages(context, run["id"]):
        for finding in page:
            control.add(finding)
        yield _lines([[run["id"], *_disarmed(cells(finding))] for finding in page])
    for currency, difference in control.told()["differences"].items():
        row = {"status": "control", "kind": "sum", "currency": currency, "difference": difference}
        shown = in_major(difference, currency)
        yield _lines([[run["id"], *(row.get(name, "") for name in COLUMNS), shown]])


def _lines(rows: Sequence[Sequence[Any]]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return out.getvalue().encode()


def cells(finding: Mapping[str, Any]) -> list[Any]:
    """A finding as a row: COLUMNS, and the difference in major units."""
    moments = ("first_seen", "expected_clear_by")
    shown = [moment(finding[n]) or "" if n in moments else finding[n] for n in COLUMNS]
    return [*shown, in_major(finding["difference"], finding["currency"])]


def in_major(amount: int, currency: str) -> str:
    """Minor units in major units as a spreadsheet reads a number; nothing without a currency."""
    return major(amount, currency).replace(",", "") if currency else ""


def _disarmed(row: Sequence[Any]) -> list[Any]:
    """A row in which no text from outside can run in the reader's spreadsheet; the last is a
    number of ours."""
    return [*map(_cell, row[:-1]), row[-1]]


def _cell(value: Any) -> Any:
    armed = isinstance(value, str) and value.lstrip().startswith(FORMULA_STARTS)
    return "'" + value if armed else value


async def _xlsx(context: Context, run: Run) -> AsyncIterator[bytes]:
    """A workbook, written beside the others in a thread, and sent when it is whole: the list of
    what is in a ZIP file stands at its end."""
    with tempfile.TemporaryDirectory(prefix="reconciler-export-") as folder:
        path = Path(folder) / "run.xlsx"
        book = await asyncio.to_thread(Spreadsheet, path, run, COLUMNS)
        try:
            async for page in pages(context, run["id"]):
                rows = [(finding, cells(finding)) for finding in page]
                await asyncio.to_thread(book.add, rows)
        finally:
            await asyncio.to_thread(book.close)
        with path.open("rb") as file:
            while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
                yield piece
