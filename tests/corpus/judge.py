"""The judge: what a run says, beside what is known to have been planted.

A label is found by its object, currency and kind; then its amount, cause and whether it is timing
must be right. A finding that no label asks for is a false alarm, unless it moves no money and
speaks of the same thing as a label does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from reconciler.domain.findings import FindingKind
from tests.corpus.labels import Label

Found = dict[str, Any]

NO_FINDING, NO_LABEL = "(no finding)", "(no label)"

WATCH = frozenset({FindingKind.DELIVERY_GAP.value, FindingKind.BROKEN_CHAIN.value})
"""Kinds that watch deliveries. Without money they are right about whatever was lost."""


@dataclass
class Judgement:
    """What came of one month or many. `confusion` counts pairs of causes: planted, and found."""

    labels: int = 0
    misses: list[str] = field(default_factory=list)
    false_alarms: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)  # cause
    amounts: list[str] = field(default_factory=list)
    timing: list[str] = field(default_factory=list)
    bridges: list[str] = field(default_factory=list)
    evidence: list[str] = field(default_factory=list)
    not_healed: list[str] = field(default_factory=list)
    confusion: Counter[tuple[str, str]] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)

    def add(self, other: Judgement) -> None:
        self.labels += other.labels
        for name in WRONGS:
            getattr(self, name).extend(getattr(other, name))
        self.confusion += other.confusion
        self.kinds += other.kinds

    def wrongs(self) -> list[str]:
        """Everything that is wrong, each with its name."""
        return [f"{name}: {line}" for name in WRONGS for line in getattr(self, name)]

    @property
    def spotless(self) -> bool:
        return not self.wrongs()


WRONGS = (
    "misses",
    "false_alarms",
    "wrong",
    "amounts",
    "timing",
    "bridges",
    "evidence",
    "not_healed",
)
"""What can be wrong, by name: a difference was not found, a finding is of nothing, its cause, its
amount or its being timing is wrong, the bridge does not close, evidence is missing, the sweep did
not heal what it should."""


def judge(where: str, run: dict[str, Any], labels: Sequence[Label]) -> Judgement:
    """The findings of this run beside the labels. `where` names the month in what is wrong."""
    result = Judgement(labels=len(labels))
    left = {(f["reference"], f["currency"], f["kind"]): f for f in run["found"]}
    for label in labels:
        result.kinds[label.kind.value] += 1
        found = left.pop((label.object, label.currency, label.kind.value), None)
        found = found or _of_another_kind(left, label)
        _compare(where, result, label, found)
    for finding in left.values():
        if not _spoken_for(finding, labels):
            result.confusion[NO_LABEL, finding["cause"]] += 1
            result.false_alarms.append(f"{where}: {_said(finding)}")
    _bridges(where, result, run, labels)
    if run["status"] == "clean" and not all(label.timing for label in labels):
        result.bridges.append(f"{where}: falsely clean")
    result.evidence += [f"{where}: {_said(f)}: {why}" for f in run["found"] for why in _thin(f)]
    return result


def _of_another_kind(left: dict[tuple[str, str, str], Found], label: Label) -> Found | None:
    """A finding about the same money under another kind; the kind is then wrong."""
    for key, finding in left.items():
        if key[:2] == (label.object, label.currency) and finding["difference"] == label.amount:
            return left.pop(key)
    return None


def _compare(where: str, result: Judgement, label: Label, found: Found | None) -> None:
    cause = found["cause"] if found else NO_FINDING
    result.confusion[label.cause.value, cause] += 1
    if found is None:
        result.misses.append(f"{where}: {label}")
        return
    said = f"{where}: {_said(found)}; planted {label.kind.value} {label.cause.value}"
    if cause != label.cause.value or found["kind"] != label.kind.value:
        result.wrong.append(said)
    if found["difference"] != label.amount:
        result.amounts.append(f"{said} {label.amount}")
    if (found["status"] == "timing") is not label.timing:
        result.timing.append(f"{said} timing={label.timing}")


def _said(finding: Found) -> str:
    what = f"{finding['kind']} {finding['cause']} {finding['reference']}"
    money = f"{finding['difference']} {finding['currency']} ({finding['status']})"
    return f"{what} {money}: {finding['explanation']}"


def _spoken_for(finding: Found, labels: Iterable[Label]) -> bool:
    """Whether a finding without money says something beside a planted one, and truly."""
    if finding["difference"]:
        return False
    if finding["kind"] in WATCH and finding["cause"] != "event_failed":
        return True
    return any(
        finding["cause"] in {cause.value for cause in label.also}
        and finding["reference"] in {label.object, *label.about}
        for label in labels
    )


def _bridges(where: str, result: Judgement, run: dict[str, Any], labels: Iterable[Label]) -> None:
    """Every cent has a name, and what is not timing is drift."""
    planted: Counter[tuple[str, bool]] = Counter()
    for label in labels:
        planted[label.currency, label.timing] += label.amount
    for bridge in run["bridge"]:
        currency = bridge["currency"]
        if bridge["unexplained"]:
            result.bridges.append(f"{where}: {bridge['unexplained']} {currency} unexplained")
        for name, timing in (("drift", False), ("timing", True)):
            if bridge[name] != planted[currency, timing]:
                text = f"{bridge[name]} {currency} of {name}, planted {planted[currency, timing]}"
                result.bridges.append(f"{where}: {text}")


HEALED = frozenset({"event_not_received", "webhook_on_its_way"})
"""Causes that the sweep of Stripe's events does away with, without a person."""


def judge_healed(where: str, run: dict[str, Any]) -> list[str]:
    """What still lacks an event after the sweep has brought all that Stripe made."""
    left = (f for f in run["found"] if f["cause"] in HEALED and f["difference"])
    return [f"{where}: {_said(finding)}" for finding in left]


def _thin(finding: Found) -> Iterable[str]:
    """What a finding should have brought as evidence and did not."""
    evidence = finding["evidence"]
    if not evidence or not evidence[0].get("rule") or not evidence[0].get("because"):
        yield "no rule"
    money = finding["difference"] and finding["kind"] != FindingKind.UNMIRRORED_BALANCE.value
    names = ("balance_transaction", "ledger_transaction", "account")
    if money and not any(name in item for item in evidence for name in names):
        yield "neither a balance transaction nor an entry"
