"""The ledger's words: accounts, lines, and transactions whose lines sum to zero per currency.

Debit is positive. What we believe (`Side.BOOKS`) and what Stripe says (`Side.FACTS`) about one
object meet in its clearing account; it is zero when they agree. Must not know which event causes
which lines: `books` and `facts` do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

STRIPE_BALANCE = "stripe_balance"
PLATFORM_SHARE = "platform"
UNATTRIBUTED = "unattributed"
FEES = "fees"
DISPUTES = "disputes"
RESERVES = "reserves"
FX = "fx"
BANK = "bank"
SUSPENSE = "suspense"
FOREIGN = "foreign"
RECEIVED = "received"
OWN = "own"


class Side(StrEnum):
    """Who says so: the books (recorded or decided by us) or Stripe's balance transactions."""

    BOOKS = "books"
    FACTS = "facts"


def clearing(object_id: str) -> str:
    """Where books and facts about one Stripe object meet."""
    return f"clearing:{object_id}"


def merchant(merchant_id: str) -> str:
    """What we owe this merchant (a credit, so negative, while we owe)."""
    return f"merchant:{merchant_id}"


def foreign(owner: str) -> str:
    """Money of another application on the same Stripe account."""
    return f"{FOREIGN}:{owner}"


def reserved(command_id: str) -> str:
    """Money of a command that is decided and not yet accepted by Stripe."""
    return f"reserved:{command_id}"


def account_kind(account: str) -> str:
    """The part of an account's name before its id: ``clearing``, ``merchant``, ``fees`` …"""
    return account.partition(":")[0]


def account_owner(account: str) -> str:
    """The id in an account's name, or an empty string where the account has none."""
    return account.partition(":")[2]


@dataclass(frozen=True, slots=True, order=True)
class Line:
    """One signed amount, in minor units, on one account."""

    account: str
    currency: str
    amount: int


class Unbalanced(AssertionError):
    """Lines that do not sum to zero in some currency: a defect of ours, never a fact."""


def total(lines: Iterable[Line]) -> tuple[Line, ...]:
    """The same money with one line for each account and currency, none of them zero, sorted."""
    sums: dict[tuple[str, str], int] = {}
    for line in lines:
        key = (line.account, line.currency)
        sums[key] = sums.get(key, 0) + line.amount
    return tuple(
        Line(account, currency, amount)
        for (account, currency), amount in sorted(sums.items())
        if amount
    )


def difference(target: Sequence[Line], held: Sequence[Line]) -> tuple[Line, ...]:
    """The lines that turn what is posted into what should be."""
    if not held:
        return total(target)
    return total([*target, *(Line(line.account, line.currency, -line.amount) for line in held)])


def balanced(lines: Sequence[Line]) -> Sequence[Line]:
    """The lines, once it is sure that they sum to zero per currency. Raises Unbalanced."""
    sums: dict[str, int] = {}
    for line in lines:
        sums[line.currency] = sums.get(line.currency, 0) + line.amount
    if any(sums.values()):
        raise Unbalanced(f"lines do not sum to zero: {sums}")
    return lines


@dataclass(frozen=True, slots=True)
class Posting:
    """One ledger transaction. `(reference, side, version)` is unique, so posting twice is
    impossible."""

    reference: str
    side: Side
    version: int
    kind: str
    stripe_account: str
    occurred_at: int
    lines: tuple[Line, ...]
