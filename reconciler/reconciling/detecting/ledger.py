"""Balances that are not the sum of their entries, where they do not sum to zero: somebody wrote to
them. The self-check compares every one; this notices at once, at the cost of what is open.

The entries cannot be changed and are right. Clearing accounts are summed from them anyway, and so
is suspense; of the others the difference is a line of the bridge.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.domain.bridge import HOLDINGS
from reconciler.domain.findings import Cause, Finding, FindingKind, rule
from reconciler.domain.ledger import STRIPE_BALANCE, account_kind
from reconciler.reconciling.look import Look
from reconciler.store import books
from reconciler.store.database import Row, Session

IN_THE_BRIDGE = frozenset(key for key, _ in HOLDINGS)


@dataclass(frozen=True, slots=True)
class Seen:
    wrong: tuple[Row, ...] = ()

    def off(self, currency: str, kind: str) -> int:
        """By how much the balances kept of one kind of account are above their entries."""
        return sum(
            _off(row)
            for row in self.wrong
            if row["currency"] == currency and account_kind(row["account"]) == kind
        )


async def gather(session: Session, stripe_account: str, now: int) -> Seen:
    if not await books.out_of_balance(session, stripe_account):
        return Seen()
    rows = await books.balances_that_differ(session)
    return Seen(tuple(row for row in rows if row["stripe_account"] == stripe_account))


def _off(row: Row) -> int:
    kept, entries = row["kept_books"] + row["kept_facts"], row["books"] + row["facts"]
    return int(kept - entries)


def detect(seen: Seen, look: Look) -> Iterable[Finding]:
    return [_finding(row) for row in seen.wrong]


def _finding(row: Row) -> Finding:
    kept, entries = row["kept_books"] + row["kept_facts"], row["books"] + row["facts"]
    in_bridge = account_kind(row["account"]) in IN_THE_BRIDGE
    because = (
        f"The balance kept for {row['account']} is not the sum of its entries, which cannot be"
        " changed: somebody else than this service wrote to it."
    )
    return Finding(
        FindingKind.AMOUNT_DIFFERS,
        Cause.OVERWRITTEN,
        row["stripe_account"],
        row["account"],
        row["currency"],
        -entries if in_bridge else 0,
        -kept if in_bridge else 0,
        because,
        at_risk=abs(_off(row)),
        repair="stop payouts; restore the balance from its entries",
        evidence=(rule("a_balance_is_not_its_entries", because), dict(row)),
    )


def stripe_balance(look: Look, currency: str) -> int:
    """What the mirrored movements sum to, by their entries."""
    held = look.balances.get(currency, {}).get(STRIPE_BALANCE, 0)
    return held - int(look.seen["ledger"].off(currency, STRIPE_BALANCE))
