"""Turn looks into findings, bridges and the verdict of a run. Pure.

The findings of a currency sum to its bridge's differences; what is left would be `unexplained`.
Must not read or write anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.domain.bridge import Bridge, bridge, is_explained
from reconciler.domain.findings import Finding
from reconciler.reconciling.detecting.registry import detect
from reconciler.reconciling.look import Look


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of one reconciliation, before it is stored."""

    status: str
    findings: tuple[Finding, ...]
    bridges: tuple[Bridge, ...]
    coverage: dict[str, Any]


def report(looks: Sequence[Look], standing: Sequence[dict[str, Any]] = ()) -> Report:
    """The findings, the bridges and the status that follow from these looks, one for each Stripe
    account. `standing` are findings of somebody else's that have not cleared."""
    found = [(look, detect(look)) for look in looks]
    bridges = tuple(b for look, findings in found for b in _bridges(look, findings))
    coverage = _coverage(looks)
    timing = all(f.is_timing(look.now) for look, findings in found for f in findings)
    everything = tuple(finding for _, findings in found for finding in findings)
    clean = timing and not standing and is_explained(bridges, everything)
    status = "incomplete" if not coverage["complete"] else "clean" if clean else "drift"
    return Report(status, everything, bridges, coverage)


def _bridges(look: Look, found: Sequence[Finding]) -> Iterable[Bridge]:
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


def _coverage(looks: Sequence[Look]) -> dict[str, Any]:
    """What was read and what was not. A run with a hole in it is never clean."""
    walks = [walk for look in looks for walk in _walks(look)]
    errors = [error for look in looks for error in _errors(look)]
    errors += [f"{w['stream']}: {w['error']}" for w in walks if w["error"]]
    whole = all(look.mirrored.complete for look in looks)
    return {
        "stripe_accounts": [look.stripe_account for look in looks],
        "as_of": max((look.mirrored.as_of for look in looks), default=0),
        "walks": walks,
        "errors": errors,
        "complete": whole and not errors and all(w["complete"] for w in walks),
    }


def _walks(look: Look) -> list[dict[str, Any]]:
    others = [look.compared.coverage if look.compared else None, look.recovered]
    return [c.as_dict() for c in [*look.mirrored.coverage, *others] if c is not None]


def _errors(look: Look) -> Iterable[str]:
    if look.mirrored.error:
        yield look.mirrored.error
    if look.mirrored.raced:
        yield "Stripe's balance moved while its movements were read"
