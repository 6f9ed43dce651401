"""The outcome of a run as it is written: its verdict, its bridges, its sums, in plain values.

Pure, so that whoever judges again what a run read comes to the same values. Must not know where
they are kept, nor how findings come by their ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from reconciler.domain.bridge import Bridge, BridgeLine
from reconciler.domain.findings import Cause, Finding
from reconciler.reconciling import canaries
from reconciler.reconciling.pinning import Pinned
from reconciler.reconciling.report import Report, report

Key = tuple[str, str, str, str]
"""What names one finding of a run: Stripe account, kind, currency, reference."""


def judge(pinned: Pinned) -> Report:
    """What follows from what was read, and from nothing else."""
    return report(pinned.looks, pinned.standing, canaries.judged(pinned.canary))


def judged_at(pinned: Pinned) -> int:
    """The moment at which a run tells timing from drift."""
    return max(look.now for look in pinned.looks)


def key_of(finding: Mapping[str, Any]) -> Key:
    """The key of a finding as it is stored."""
    return (
        finding["stripe_account"],
        finding["kind"],
        finding["currency"],
        finding["reference"],
    )


def not_yet_told(
    standing: Iterable[Mapping[str, Any]], found: Iterable[Finding]
) -> list[Mapping[str, Any]]:
    """Findings of somebody else's that stand, but for those of which this run says the same: that
    somebody else wrote to this very thing."""
    told = {finding.reference for finding in found if finding.cause is Cause.OVERWRITTEN}
    return [
        row
        for row in standing
        if row["cause"] != Cause.OVERWRITTEN.value or row["reference"] not in told
    ]


def in_order(found: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Findings in the order in which a run keeps them."""
    return sorted(found, key=lambda f: (f["currency"], f["kind"], f["reference"], f["id"]))


def told(finding: Finding, now: int) -> dict[str, Any]:
    """What a stored finding has from its rule; the rest is how long it is known and who has it."""
    return {
        **finding.told(),
        "status": finding.status(now),
        "difference": finding.difference,
        "expected_clear_by": finding.expected_clear_by,
        "proposed_repair": finding.repair,
        "explanation": finding.explanation,
        "suppression": finding.suppression,
    }


def written(outcome: Report, found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The verdict with its bridges and sums; `found` are its findings as they are stored."""
    ids = {key_of(finding): finding["id"] for finding in found}
    counts: dict[str, int] = {"open": 0, "timing": 0, "suppressed": 0}
    for finding in found:
        counts[finding["status"]] += 1
    return {
        "status": outcome.status,
        "coverage": outcome.coverage,
        "bridge": [_bridge(bridge, ids) for bridge in outcome.bridges],
        "drift": {
            "drift": _sums((b.currency, b.drift) for b in outcome.bridges),
            "timing": _sums((b.currency, b.timing) for b in outcome.bridges),
            "suppressed": _sums((b.currency, b.suppressed) for b in outcome.bridges),
        },
        "counts": counts,
    }


def control(findings: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What a reader can add up again: how many findings, and their sums per currency."""
    totals = Control()
    for finding in findings:
        totals.add(finding)
    return totals.told()


class Control:
    """The control totals, as findings go by."""

    NAMES = (
        ("differences", "difference"),
        ("stripe_amounts", "stripe_amount"),
        ("books_amounts", "books_amount"),
        ("at_risk", "at_risk"),
    )

    def __init__(self) -> None:
        self._findings = 0
        self._sums: dict[str, dict[str, int]] = {name: {} for name, _ in self.NAMES}

    def add(self, finding: Mapping[str, Any]) -> None:
        self._findings += 1
        currency = finding["currency"]
        if currency:
            for name, field in self.NAMES:
                sums = self._sums[name]
                sums[currency] = sums.get(currency, 0) + finding[field]

    def told(self) -> dict[str, Any]:
        sums = {name: dict(sorted(of.items())) for name, of in self._sums.items()}
        return {"findings": self._findings, **sums}


def _sums(amounts: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Per currency, those that are not zero."""
    sums: dict[str, int] = {}
    for currency, amount in amounts:
        sums[currency] = sums.get(currency, 0) + amount
    return {currency: amount for currency, amount in sums.items() if amount}


def _bridge(bridge: Bridge, ids: Mapping[Key, str]) -> dict[str, Any]:
    return {
        "stripe_account": bridge.stripe_account,
        "currency": bridge.currency,
        "as_of": bridge.as_of,
        "books": bridge.books,
        "holdings": [_line(line, bridge, ids) for line in bridge.holdings],
        "differences": [_line(line, bridge, ids) for line in bridge.differences],
        "unexplained": bridge.unexplained,
        "stripe": bridge.stripe,
        "available": bridge.available,
        "pending": bridge.pending,
        "drift": bridge.drift,
        "timing": bridge.timing,
        "suppressed": bridge.suppressed,
    }


def _line(line: BridgeLine, bridge: Bridge, ids: Mapping[Key, str]) -> dict[str, Any]:
    account, currency = bridge.stripe_account, bridge.currency
    keys = [(account, line.kind, currency, reference) for reference in line.references]
    return {
        "key": line.key,
        "label": line.label,
        "amount": line.amount,
        "timing": line.timing,
        "suppressed": line.suppressed,
        "findings": [ids.get(key, "") for key in keys],
    }
