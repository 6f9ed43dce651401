"""The detectors, and what all of them do together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from reconciler.domain.findings import Finding
from reconciler.reconciling.detecting import (
    balance,
    bank_payouts,
    clearings,
    continuity,
    deliveries,
    doubts,
    fees,
    full_audit,
    invoices,
    ledger,
    legs,
    returns,
    rows,
    sendings,
    suppressed,
    suspense,
    transfers,
)
from reconciler.reconciling.look import Look
from reconciler.store.database import Session


class Detector(Protocol):
    """What the module of a detector has."""

    @property
    def Seen(self) -> type[Any]: ...

    async def gather(self, session: Session, stripe_account: str, now: int) -> Any:
        """What is open in this Stripe account, as `Seen`."""

    def detect(self, seen: Any, look: Look) -> Iterable[Finding]:
        """The findings in it. Pure."""


DETECTORS: Mapping[str, Detector] = {
    "clearings": clearings,
    "ledger": ledger,
    "suspense": suspense,
    "balance": balance,
    "transfers": transfers,
    "deliveries": deliveries,
    "continuity": continuity,
    "sendings": sendings,
    "doubts": doubts,
    "invoices": invoices,
    "bank_payouts": bank_payouts,
    "returns": returns,
    "legs": legs,
    "fees": fees,
    "rows": rows,
    "full_audit": full_audit,
    "suppressed": suppressed,
}
"""By the name under which a look keeps what they gathered. Earlier ones speak first: where a
later one says the same of the same object, and moves no money by it, it is silent."""


async def gather(session: Session, stripe_account: str, now: int) -> dict[str, Any]:
    """What every detector gathers, by its name."""
    return {
        name: await detector.gather(session, stripe_account, now)
        for name, detector in DETECTORS.items()
    }


def detect(look: Look) -> list[Finding]:
    """Everything that does not agree, in order of currency, kind and reference. Pure."""
    found: dict[tuple[str, str, str], Finding] = {}
    for name, detector in DETECTORS.items():
        for finding in detector.detect(look.seen[name], look):
            key = (finding.currency, finding.kind.value, finding.reference)
            assert key not in found or not finding.difference, f"two findings of one cent: {key}"
            found.setdefault(key, finding)
    in_order = [found[key] for key in sorted(found)]
    return suppressed.mark(look.seen["suppressed"], in_order, look.now)
