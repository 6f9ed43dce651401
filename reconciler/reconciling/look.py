"""One look at one Stripe account: what was read at Stripe and here, before anybody judges it.

A look is plain data, so that it can be kept, and judged again later with the same outcome. Must
not read anything itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.intake.mirror_balance import Mirrored
from reconciler.intake.walk import Coverage
from reconciler.reconciling.compare_transfers import Compared


@dataclass(frozen=True, slots=True)
class Look:
    """What one look saw. `compared` and `recovered` are None where they were not asked for;
    `balances` holds, for each currency, the sum of each kind of ledger account but clearing (minor
    units, debit positive); `seen` is what each detector gathered, by its name."""

    mirrored: Mirrored
    compared: Compared | None
    recovered: Coverage | None
    balances: Mapping[str, Mapping[str, int]]
    seen: Mapping[str, Any]
    now: int

    @property
    def stripe_account(self) -> str:
        return self.mirrored.stripe_account

    @property
    def currencies(self) -> list[str]:
        """Every currency that Stripe or the books name."""
        reading = self.mirrored.reading
        stated = (reading.available.keys() | reading.pending.keys()) if reading else set()
        return sorted(stated | self.balances.keys() | self.seen["clearings"].currencies)
