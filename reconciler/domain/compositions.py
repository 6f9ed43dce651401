"""What a bank payout is made of: the movements that it carries to the bank, to the cent. Pure.

Stripe says it of automatic payouts. Of manual and instant ones it says nothing ("Payout
reconciliation": you are responsible for matching them), so it is inferred here by one fixed rule,
and every inference adds up or names what it cannot explain. Must not read anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Method(StrEnum):
    """Who says what a payout is made of."""

    GIVEN = "given"  # Stripe lists the movements of an automatic payout
    INFERRED = "inferred"  # allocated here, first in, first out


@dataclass(frozen=True, slots=True)
class Lot:
    """A movement, and how much of its net is not part of any earlier payout (minor units)."""

    balance_transaction: str
    net: int
    left: int
    available_on: int
    created: int

    @property
    def order(self) -> tuple[int, int, str]:
        return self.available_on, self.created, self.balance_transaction


@dataclass(frozen=True, slots=True)
class Part:
    """So much of a movement's net belongs to the payout."""

    balance_transaction: str
    amount: int


@dataclass(frozen=True, slots=True)
class Composition:
    """`total` is what the payout took from the balance, its own fee included. `remainder` is what
    the parts do not explain; zero proves the composition to the cent. `pool_from` is when the
    oldest money that stayed behind became available; 0 if nothing did."""

    method: Method
    total: int
    parts: tuple[Part, ...]
    pool_from: int = 0

    @property
    def explained(self) -> int:
        return sum(part.amount for part in self.parts)

    @property
    def remainder(self) -> int:
        return self.total - self.explained


def given(total: int, movements: Sequence[Part]) -> Composition:
    """Stripe's own list, without the payout's own row."""
    return Composition(Method.GIVEN, total, tuple(sorted(movements, key=_by_id)))


def inferred(total: int, moment: int, lots: Sequence[Lot]) -> Composition:
    """The composition of a payout that was made at `moment`, out of what was available then.

    What had lowered the balance by then (refunds, transfers, disputes, fees) is part of it whole:
    Stripe had already taken it off what could be paid out. Then money that had come in, the longest
    available first, until the total is reached; the last lot may be split, and its rest stays for
    the next payout. The same movements always give the same parts, whatever order they came in.
    """
    there = sorted(
        (lot for lot in lots if lot.left and max(lot.available_on, lot.created) <= moment),
        key=lambda lot: lot.order,
    )
    parts = [Part(lot.balance_transaction, lot.left) for lot in there if lot.left < 0]
    missing = total - sum(part.amount for part in parts)
    oldest = 0
    for lot in there:
        if lot.left < 0:
            continue
        taken = min(lot.left, max(missing, 0))
        missing -= taken
        if taken:
            parts.append(Part(lot.balance_transaction, taken))
        if taken < lot.left:
            oldest = oldest or lot.available_on
    later = min((lot.available_on for lot in lots if lot not in there and lot.left), default=0)
    return Composition(Method.INFERRED, total, tuple(sorted(parts, key=_by_id)), oldest or later)


def _by_id(part: Part) -> str:
    return part.balance_transaction
