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
class Rest:
    """Something that a look rests on and did not read just now: `as_of` says how old it is, 0 that
    there is none; `count` how many there are, where they are counted. Older than `limit` seconds it
    is a hole; 0 sets no limit. What should be there and `never` was is a hole at once."""

    what: str
    stripe_account: str
    as_of: int
    count: int = 0
    limit: int = 0
    never: bool = False

    def age(self, now: int) -> int:
        return max(now - self.as_of, 0) if self.as_of else 0

    def is_hole(self, now: int) -> bool:
        return self.never or 0 < self.limit < self.age(now)


@dataclass(frozen=True, slots=True)
class Apart:
    """One thing on which the full audit and the clearing accounts say different: both sides of
    each, in minor units as movements of Stripe's balance."""

    reference: str
    currency: str
    audit_stripe: int
    audit_books: int
    clearing_stripe: int
    clearing_books: int


@dataclass(frozen=True, slots=True)
class Audited:
    """What a full audit of one Stripe account came to. `differences` counts the objects whose
    movements are not what their records say; `drift` is their sum, per currency; `apart` is where
    the incremental result says otherwise, as far as it is listed, and `disagreements` how often."""

    objects: int
    movements: int
    differences: int
    drift: Mapping[str, int]
    disagreements: int = 0
    apart: tuple[Apart, ...] = ()


@dataclass(frozen=True, slots=True)
class Look:
    """What one look saw. `compared` and `recovered` are None where they were not asked for;
    `balances` holds, for each currency, the sum of each kind of ledger account but clearing (minor
    units, debit positive); `seen` is what each detector gathered, by its name; `audited` is None
    but in a full audit."""

    mirrored: Mirrored
    compared: Compared | None
    recovered: Coverage | None
    balances: Mapping[str, Mapping[str, int]]
    seen: Mapping[str, Any]
    now: int
    rests: tuple[Rest, ...] = ()
    audited: Audited | None = None

    @property
    def stripe_account(self) -> str:
        return self.mirrored.stripe_account

    @property
    def currencies(self) -> list[str]:
        """Every currency that Stripe or the books name."""
        reading = self.mirrored.reading
        stated = (reading.available.keys() | reading.pending.keys()) if reading else set()
        return sorted(stated | self.balances.keys() | self.seen["clearings"].currencies)
