"""Turn looks into findings, bridges and the verdict of a run. Pure.

The findings of a currency sum to its bridge's differences; what is left would be `unexplained`.
Must not read or write anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.domain.bridge import Bridge, bridge, is_explained
from reconciler.domain.findings import Finding
from reconciler.reconciling.coverage import coverage
from reconciler.reconciling.detecting.registry import detect
from reconciler.reconciling.look import Look

UNTESTED: dict[str, Any] = {"planted": 0, "found": 0, "missed": []}


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of one reconciliation, before it is stored."""

    status: str
    findings: tuple[Finding, ...]
    bridges: tuple[Bridge, ...]
    coverage: dict[str, Any]


def report(
    looks: Sequence[Look],
    standing: Sequence[Mapping[str, Any]] = (),
    canaries: dict[str, Any] = UNTESTED,
) -> Report:
    """The findings, the bridges and the status that follow from these looks, one for each Stripe
    account. `standing` are findings of somebody else's that have not cleared; `canaries` says what
    became of the differences that were planted."""
    found = [(look, detect(look)) for look in looks]
    bridged = tuple(b for look, findings in found for b in bridges(look, findings))
    covered = coverage(looks, canaries)
    timing = all(f.is_timing(look.now) for look, findings in found for f in findings)
    everything = tuple(finding for _, findings in found for finding in findings)
    clean = timing and not standing and is_explained(bridged, everything)
    status = "incomplete" if not covered["complete"] else "clean" if clean else "drift"
    return Report(status, everything, bridged, covered)


def bridges(look: Look, found: Sequence[Finding]) -> Iterable[Bridge]:
    """The bridge of each currency of a look; none where Stripe's balance could not be read."""
    reading = look.mirrored.reading
    if reading is None:
        return
    for currency in look.currencies:
        yield bridge(
            look.stripe_account,
            currency,
            look.mirrored.as_of,
            look.now,
            look.balances.get(currency, {}),
            [f for f in found if f.currency == currency],
            reading.available.get(currency, 0),
            reading.pending.get(currency, 0),
        )
