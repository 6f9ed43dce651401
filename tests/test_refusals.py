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


def test_every_refusal_has_a_row_that_says_what_to_do() -> None:
    rows = [
        line
        for page in ("refusals.md", "access.md")
        for line in (ROOT / "docs" / page).read_text().splitlines()
        if line.startswith("| `")
    ]
    explained = {code for row in rows for code in re.findall(r"`([a-z_]+)`", row.split("|")[1])}
    given = _given()
    assert len(given) > 30
    missing = {code: where for code, where in given.items() if code not in explained}
    assert not missing


def test_no_row_explains_a_refusal_that_is_never_given() -> None:
    text = (ROOT / "docs" / "refusals.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    explained = {code for row in rows for code in re.findall(r"`([a-z_]+)`", row.split("|")[1])}
    assert explained <= _given().keys()
