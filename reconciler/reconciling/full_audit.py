"""The full audit: everything recomputed from records and movements, and held beside the ledger.

Two ways to one result: what differs between records and movements, joined directly, must be exactly
the clearing accounts that are open; and what the movements come to must be what the ledger says of
Stripe's side. Where they part, the service is wrong, and says so. Must not repair anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler.domain.facts import STRAIGHT
from reconciler.domain.ledger import FEES, FX, STRIPE_BALANCE, SUSPENSE
from reconciler.reconciling.look import Apart, Audited
from reconciler.store import full_audit as store
from reconciler.store.database import Row, Session

FACTS = frozenset({STRIPE_BALANCE, FEES, FX, SUSPENSE, *STRAIGHT.values()})
"""The ledger accounts, but clearing, that facts are posted to."""

LISTED = 100
"""How many disagreements are named; the others are counted."""

Key = tuple[str, str]
"""What the two results are held together by: an object or a ledger account, and a currency."""
Sides = tuple[int, int]
"""What Stripe moved, and what the books expect, as movements of Stripe's balance."""


async def full_audit(session: Session, account: str) -> Audited:
    """One Stripe account, in the caller's snapshot: what it came to, and where the ledger says
    otherwise. Costs one pass over everything, and the memory of what differs between the two."""
    categories = await store.by_category(session, account)
    tally = _Tally()
    async for rows in store.differences(session, account):
        tally.recomputed(rows)
    async for rows in store.open_clearings(session, account):
        tally.in_ledger(rows)
    apart = tally.apart() + await _totals(session, account, categories)
    return Audited(
        objects=await store.records(session, account),
        movements=sum(row["movements"] for row in categories),
        differences=tally.differences,
        drift={currency: amount for currency, amount in sorted(tally.drift.items()) if amount},
        disagreements=len(apart),
        apart=tuple(apart[:LISTED]),
    )


class _Tally:
    """What the two results have in common falls away as it comes; what is left sets them apart."""

    def __init__(self) -> None:
        self.differences = 0
        self.drift: dict[str, int] = {}
        self._audit: dict[Key, Sides] = {}
        self._ledger: dict[Key, Sides] = {}

    def recomputed(self, rows: Sequence[Row]) -> None:
        for row in rows:
            moved, expected, currency = row["moved"], row["expected"], row["currency"]
            self.differences += 1
            self.drift[currency] = self.drift.get(currency, 0) + moved - expected
            self._audit[row["id"], currency] = (moved, expected)

    def in_ledger(self, rows: Sequence[Row]) -> None:
        for row in rows:
            key, sides = (row["id"], row["currency"]), (row["moved"], row["expected"])
            if self._audit.get(key) == sides:
                del self._audit[key]
            else:
                self._ledger[key] = sides

    def apart(self) -> list[Apart]:
        return [
            _apart(key, self._audit.get(key, (0, 0)), self._ledger.get(key, (0, 0)))
            for key in sorted(self._audit.keys() | self._ledger.keys())
        ]


def _apart(key: Key, audit: Sides, ledger: Sides) -> Apart:
    return Apart(*key, *audit, *ledger)


async def _totals(session: Session, account: str, categories: Sequence[Row]) -> list[Apart]:
    """Ledger accounts whose facts are not what the movements come to."""
    recomputed = _by_account(categories)
    posted = {
        (row["name"], row["currency"]): row["facts"]
        for row in await store.posted(session, account, FACTS)
    }
    return [
        _apart(key, (recomputed.get(key, 0), 0), (posted.get(key, 0), 0))
        for key in sorted(recomputed.keys() | posted.keys())
        if recomputed.get(key, 0) != posted.get(key, 0)
    ]


def _by_account(categories: Sequence[Mapping[str, int | str]]) -> dict[Key, int]:
    """What the movements should have posted, by ledger account and currency."""
    sums: dict[Key, int] = {}

    def add(account: str, currency: str, amount: int) -> None:
        sums[account, currency] = sums.get((account, currency), 0) + amount

    for row in categories:
        currency, own = str(row["currency"]), str(row["source_currency"] or row["currency"])
        add(STRIPE_BALANCE, currency, int(row["net"]))
        add(FEES, currency, int(row["fee"]))
        category = str(row["reporting_category"])
        if not row["clears"]:
            add(STRAIGHT.get(category, SUSPENSE), currency, -int(row["amount"]))
        elif own != currency:
            add(FX, currency, -int(row["amount"]))
            add(FX, own, int(row["own"]))
    return {key: amount for key, amount in sums.items() if amount}
