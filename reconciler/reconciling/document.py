"""A run as a document: what is hashed, exported and verified. docs/runs.md defines it.

Pure. Times are written out, amounts are minor units.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.moments import rendered
from reconciler.reconciling.outcome import control
from reconciler.reconciling.pinning import canonical, digest

FORMAT = "reconciler.run/1"

RUN = (
    "id", "status", "started_at", "finished_at", "rules", "coverage", "bridge", "drift", "counts",
)  # fmt: skip
"""What a document tells of the run itself."""


def heading(run: Mapping[str, Any]) -> dict[str, Any]:
    """The run itself, as its document has it."""
    shown: dict[str, Any] = rendered({name: run[name] for name in RUN})
    return shown


def run_digest(run: Mapping[str, Any], findings: Sequence[Mapping[str, Any]], seen: str) -> str:
    """The SHA-256 that names a run for good: of its document, with what it read replaced by the
    SHA-256 of that, and without this digest itself."""
    body = {
        "control": control(findings),
        "findings": [rendered(finding) for finding in findings],
        "format": FORMAT,
        "run": heading(run),
        "seen": seen,
    }
    return digest(canonical(body))
