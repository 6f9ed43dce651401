"""The full audit beside the ledger: where the two say different, somebody else wrote to what one of
them rests on, as a finding says; or the service itself is wrong.

None of it moves the balance: what differs between Stripe and the books has its finding already.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass

from reconciler.domain.findings import Cause, Finding, FindingKind, rule
from reconciler.domain.ledger import account_kind, account_owner
from reconciler.reconciling.detecting.clearings import CLEARING
from reconciler.reconciling.full_audit import FACTS
from reconciler.reconciling.look import Apart, Look
from reconciler.store.database import Session

REFERENCE = "full_audit:"
"""Begins the references of these findings: only another full audit can tell that one has gone."""

REPORT = "stop payouts and report this: the service itself is wrong"
MEND = "stop payouts; mend what was written to, and find out who did it"


@dataclass(frozen=True, slots=True)
class Seen:
    """Nothing of its own: a look carries the audit, where there was one."""


async def gather(session: Session, stripe_account: str, now: int) -> Seen:
    return Seen()


def detect(seen: Seen, look: Look) -> Iterable[Finding]:
    if look.audited is not None:
        touched = _touched(look)
        for apart in look.audited.apart:
            yield _disagreement(apart, look.stripe_account, touched)


def _touched(look: Look) -> frozenset[str]:
    """Objects and ledger accounts of which another finding says that somebody else wrote to what
    they rest on. A movement that was changed shows in its object, and in what all come to."""
    rows = look.seen["rows"].changed
    ids = {row[name] for row in rows for name in ("id", "about")}
    accounts = {_reference(row["account"]) for row in look.seen["ledger"].wrong}
    moved = any(row["relation"] == "balance_transactions" for row in rows)
    return frozenset(ids | accounts | (FACTS if moved else frozenset()))


def _reference(account: str) -> str:
    """As the audit names what a ledger account is about."""
    return account_owner(account) if account_kind(account) == CLEARING else account


def _disagreement(apart: Apart, account: str, touched: Collection[str]) -> Finding:
    audited = apart.audit_stripe - apart.audit_books
    cleared = apart.clearing_stripe - apart.clearing_books
    text = (
        f"Recomputed from records and movements, {apart.reference} differs by {audited}; the ledger"
        f" says {cleared} (minor units, Stripe less books)."
    )
    because = "two ways to the same figure, and they do not meet"
    ours = apart.reference not in touched
    if not ours:
        because += ": somebody else than this service wrote to what one of them rests on"
    return Finding(
        FindingKind.INVARIANT_BROKEN,
        Cause.SERVICE_DEFECT if ours else Cause.OVERWRITTEN,
        account,
        f"{REFERENCE}{apart.reference}",
        apart.currency,
        0,
        0,
        text,
        at_risk=abs(audited - cleared) or abs(apart.audit_stripe - apart.clearing_stripe),
        repair=REPORT if ours else MEND,
        evidence=(rule("full_audit", because), asdict(apart)),
    )
