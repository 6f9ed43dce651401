"""The balance bridge: from what the books say Stripe holds to what Stripe says, line by line.

All ledger entries sum to zero, so `Stripe's balance - the books' balance` is exactly the sum of the
named lines: clearing accounts by cause, suspense, what is not yet mirrored. `unexplained` is what
is left; it is always shown. Pure; amounts in minor units of one currency.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from reconciler.domain.findings import Finding, FindingKind
from reconciler.domain.ledger import STRIPE_BALANCE, SUSPENSE

HOLDINGS = (
    ("merchant", "owed to merchants"),
    ("platform", "the platform's own share"),
    ("reserved", "reserved for commands on their way"),
    ("unattributed", "of payments whose owner is not known yet"),
    ("fees", "Stripe's fees, paid"),
    ("disputes", "withdrawn by disputes"),
    ("reserves", "held in reserve by Stripe"),
    ("fx", "converted between currencies"),
    ("foreign", "of other applications on this Stripe account"),
    ("received", "received from the platform"),
    ("own", "of the account's own payments"),
    ("bank", "paid out to the bank, less top-ups"),
)
"""The ledger accounts that make up the books' balance, in the order a reader wants them."""


@dataclass(frozen=True, slots=True)
class BridgeLine:
    """One named part. `references` are those of the findings behind it, all of one `kind`."""

    key: str
    label: str
    amount: int
    timing: bool = False
    suppressed: bool = False
    references: tuple[str, ...] = ()
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Bridge:
    """One currency of one Stripe account at one moment."""

    stripe_account: str
    currency: str
    as_of: int
    books: int
    holdings: tuple[BridgeLine, ...]
    differences: tuple[BridgeLine, ...]
    unexplained: int
    stripe: int
    available: int
    pending: int

    @property
    def drift(self) -> int:
        """Stripe minus books, without what should clear by itself."""
        return self.stripe - self.books - self.timing

    @property
    def timing(self) -> int:
        return sum(line.amount for line in self.differences if line.timing)

    @property
    def suppressed(self) -> int:
        """What people have set aside: a part of the drift, and never taken from it."""
        return sum(line.amount for line in self.differences if line.suppressed)


def bridge(
    stripe_account: str,
    currency: str,
    as_of: int,
    now: int,
    balances: Mapping[str, int],
    findings: Sequence[Finding],
    available: int,
    pending: int,
) -> Bridge:
    """The bridge of one currency: Stripe's balance as of `as_of`, its differences judged `now`.

    `balances` holds each kind of ledger account's sum (debit positive, clearing left out);
    `findings` are those of this account and currency.
    """
    holdings = tuple(
        BridgeLine(key, label, -balances[key])
        for key, label in HOLDINGS
        if balances.get(key, 0) != 0
    )
    books = sum(line.amount for line in holdings)
    stripe = available + pending
    differences = tuple(_by_cause(findings, now))
    explained = sum(line.amount for line in differences)
    return Bridge(
        stripe_account,
        currency,
        as_of,
        books,
        holdings,
        differences,
        stripe - books - explained,
        stripe,
        available,
        pending,
    )


def _by_cause(findings: Iterable[Finding], now: int) -> list[BridgeLine]:
    groups: dict[tuple[str, str, str], list[Finding]] = {}
    for finding in findings:
        if finding.difference:
            key = (finding.status(now), finding.kind.value, finding.cause.value)
            groups.setdefault(key, []).append(finding)
    return [
        BridgeLine(
            f"{kind}.{cause}",
            f"{kind.replace('_', ' ')}: {cause.replace('_', ' ')}",
            sum(f.difference for f in members),
            status == "timing",
            status == "suppressed",
            tuple(sorted(f.reference for f in members)),
            kind,
        )
        for (status, kind, cause), members in sorted(groups.items(), key=_in_order)
    ]


def _in_order(group: tuple[tuple[str, str, str], list[Finding]]) -> tuple[int, str, str]:
    """What is open first, then what was set aside, then timing."""
    (status, kind, cause), _ = group
    return ("open", "suppressed", "timing").index(status), kind, cause


def unmirrored(balances: Mapping[str, int], stripe: int) -> int:
    """What Stripe holds beyond (or short of) the movements that have been mirrored."""
    return stripe - balances.get(STRIPE_BALANCE, 0)


def suspense(balances: Mapping[str, int]) -> int:
    """What moved for reasons that this version does not know."""
    return -balances.get(SUSPENSE, 0)


def is_explained(bridges: Sequence[Bridge], findings: Sequence[Finding]) -> bool:
    """Whether every cent has a name, and none of the names is "not mirrored"."""
    gap = any(f.kind is FindingKind.UNMIRRORED_BALANCE for f in findings)
    return not gap and all(b.unexplained == 0 for b in bridges)
