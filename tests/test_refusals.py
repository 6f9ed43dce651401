"""Every refusal that the code can give is on a page, with what to do."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
GIVEN = re.compile(r"\bRefusal\(\s*\"([a-z_]+)\"")


def _given() -> dict[str, str]:
    """Each code, and the module that gives it. What Stripe refuses is Stripe's to explain."""
    found: dict[str, str] = {}
    for package in ("reconciler", "handlers"):
        for path in sorted((ROOT / package).rglob("*.py")):
            ours = path.relative_to(ROOT).parts
            if "simulator" in ours or ours[-1] == "outcomes.py":
                continue
            found |= dict.fromkeys(GIVEN.findall(path.read_text()), "/".join(ours))
    return found


def _explained(*pages: str) -> set[str]:
    """The codes in the first column of the tables of these pages."""
    lines = [line for page in pages for line in (ROOT / "docs" / page).read_text().splitlines()]
    rows = [line for line in lines if line.startswith("| `")]
    return {code for row in rows for code in re.findall(r"`([a-z_]+)`", row.split("|")[1])}


def test_every_refusal_has_a_row_that_says_what_to_do() -> None:
    explained = _explained("refusals.md", "access.md")
    given = _given()
    assert len(given) > 30
    missing = {code: where for code, where in given.items() if code not in explained}
    assert not missing


def test_no_row_explains_a_refusal_that_is_never_given() -> None:
    assert _explained("refusals.md") <= _given().keys()


def test_every_refusal_has_a_test() -> None:
    tests = [path for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__)]
    quoted = {code for path in tests for code in re.findall(r"\"([a-z_]+)\"", path.read_text())}
    known = _given().keys() | _explained("refusals.md", "access.md")
    assert sorted(known - quoted) == []
