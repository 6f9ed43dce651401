"""A run as a file: JSON for machines, CSV for spreadsheets, with control totals.

Cells that a spreadsheet would take for a formula are disarmed. The same run gives the same bytes.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

import msgspec

from reconciler.domain.money import major
from reconciler.moments import moment, rendered

COLUMNS = (
    "id", "status", "kind", "cause", "stripe_account", "reference", "currency", "stripe_amount",
    "books_amount", "difference", "at_risk", "first_seen", "expected_clear_by", "explanation",
    "proposed_repair",
)  # fmt: skip
FORMULA_STARTS = ("=", "+", "-", "@")


def as_json(run: dict[str, Any], findings: Sequence[dict[str, Any]]) -> bytes:
    """The whole run with its findings; amounts in minor units, times in RFC 3339."""
    document = {"run": run, "findings": list(findings), "control": control(findings)}
    body = msgspec.json.encode(rendered(document), order="sorted")
    return msgspec.json.format(body, indent=2) + b"\n"


def control(findings: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What a reader can add up again: how many findings, and their differences per currency."""
    sums: dict[str, int] = {}
    for finding in findings:
        if finding["currency"]:
            sums[finding["currency"]] = sums.get(finding["currency"], 0) + finding["difference"]
    return {"findings": len(findings), "differences": dict(sorted(sums.items()))}


def as_csv(run: dict[str, Any], findings: Sequence[dict[str, Any]]) -> bytes:
    """One row for each finding, then one control row for each currency."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(["run", *COLUMNS, "difference_major"])
    for finding in findings:
        cells = [_shown(finding, name) for name in COLUMNS]
        shown = _major(finding["difference"], finding["currency"])
        writer.writerow([run["id"], *map(_cell, cells), shown])
    for currency, difference in control(findings)["differences"].items():
        row = {"status": "control", "kind": "sum", "currency": currency, "difference": difference}
        shown = _major(difference, currency)
        writer.writerow([run["id"], *(row.get(name, "") for name in COLUMNS), shown])
    return out.getvalue().encode()


def _shown(finding: dict[str, Any], name: str) -> Any:
    moments = ("first_seen", "expected_clear_by")
    return moment(finding[name]) or "" if name in moments else finding[name]


def _major(amount: int, currency: str) -> str:
    return major(amount, currency).replace(",", "") if currency else ""


def _cell(value: Any) -> Any:
    """A value as a cell. Text from outside must not run in the reader's spreadsheet."""
    if isinstance(value, str) and value.lstrip().startswith(FORMULA_STARTS):
        return "'" + value
    return value
