"""Turn what is open into findings, bridges and the verdict of a run. Pure.

The findings of a currency sum to its bridge's differences; what is left would be `unexplained`.
Must not read or write anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.domain.bridge import Bridge, bridge, is_explained
from reconciler.domain.findings import Finding
from reconciler.invoicing.charged_twice import charged_twice
from reconciler.reconciling.detectors import Inputs, currencies, findings


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of one reconciliation, before it is stored."""

    status: str
    findings: tuple[Finding, ...]
    bridges: tuple[Bridge, ...]
    coverage: dict[str, Any]


def report(inputs: Inputs) -> Report:
    """The findings, the bridges and the status that follow from them."""
    found = [*findings(inputs), *charged_twice(inputs.gathered.charged_twice)]
    found.sort(key=lambda f: (f.currency, f.kind, f.reference))
    bridges = tuple(_bridges(inputs, found))
    coverage = _coverage(inputs)
    return Report(_status(inputs, found, bridges, coverage), tuple(found), bridges, coverage)


def _bridges(inputs: Inputs, found: Sequence[Finding]) -> Iterable[Bridge]:
    reading = inputs.mirrored.reading
    if reading is None:
        return
    account = inputs.mirrored.stripe_account
    for currency in currencies(inputs):
        yield bridge(
            account,
            currency,
            inputs.mirrored.as_of,
            inputs.now,
            inputs.gathered.balances.get(currency, {}),
            [f for f in found if f.currency == currency and f.stripe_account == account],
            reading.available.get(currency, 0),
            reading.pending.get(currency, 0),
        )


def _coverage(inputs: Inputs) -> dict[str, Any]:
    mirrored = inputs.mirrored
    walks = [c.as_dict() for c in mirrored.coverage]
    errors = [mirrored.error] if mirrored.error else []
    if mirrored.raced:
        errors.append("Stripe's balance moved while its movements were read")
    others = [inputs.compared.coverage if inputs.compared else None, inputs.recovered]
    for coverage in others:
        if coverage is not None:
            walks.append(coverage.as_dict())
    errors += [f"{w['stream']}: {w['error']}" for w in walks if w["error"]]
    return {
        "stripe_accounts": [mirrored.stripe_account],
        "as_of": mirrored.as_of,
        "walks": walks,
        "errors": errors,
        "complete": mirrored.complete and not errors and all(w["complete"] for w in walks),
    }


def _status(
    inputs: Inputs, found: Sequence[Finding], bridges: Sequence[Bridge], coverage: dict[str, Any]
) -> str:
    """`clean` only if everything was read, every cent has a name, and every name is timing."""
    if not coverage["complete"]:
        return "incomplete"
    timing_only = all(f.is_timing(inputs.now) for f in found)
    explained = is_explained(bridges, found)
    return "clean" if timing_only and explained and not inputs.gathered.invariants else "drift"
