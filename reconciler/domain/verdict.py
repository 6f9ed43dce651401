"""A verdict: why two sides differ, until when that is only timing, and what to do."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.domain.findings import Cause, FindingKind


@dataclass(frozen=True, slots=True)
class Verdict:
    """`expected_clear_by` 0: it will not clear by itself. `rule` is the short, stable name of the
    rule that decided; docs/findings.md lists them by cause."""

    kind: FindingKind
    cause: Cause
    explanation: str
    expected_clear_by: int = 0
    repair: str = ""
    rule: str = ""
