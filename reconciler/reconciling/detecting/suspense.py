"""Suspense: movements of a kind that this version does not know; their fee is already in fees."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.domain import bridge
from reconciler.domain.facts import BalanceTransaction
from reconciler.domain.findings import Cause, Finding, FindingKind, rule
from reconciler.domain.ledger import SUSPENSE
from reconciler.reconciling.look import Look
from reconciler.store import mirror
from reconciler.store.database import Session

LISTED = 200
REST = "More movements of unknown kinds than are listed here make up this amount."


@dataclass(frozen=True, slots=True)
class Seen:
    movements: tuple[BalanceTransaction, ...] = ()


async def gather(session: Session, stripe_account: str, now: int) -> Seen:
    """The oldest movements in suspense, up to a number a reader can bear."""
    return Seen(tuple(await mirror.in_suspense(session, stripe_account, LISTED)))


def detect(seen: Seen, look: Look) -> list[Finding]:
    """One finding for each movement, and one for what is not listed, in each currency."""
    listed = [_movement(m) for m in seen.movements if m.counts and m.amount]
    return [*listed, *_unlisted(look, listed)]


def _movement(movement: BalanceTransaction) -> Finding:
    because = (
        f"Stripe moved the balance as {movement.type} ({movement.reporting_category}), which this"
        " version does not know."
    )
    return Finding(
        FindingKind.UNKNOWN_MOVEMENT,
        Cause.UNKNOWN_TYPE,
        movement.stripe_account,
        movement.id,
        movement.currency,
        movement.amount,
        0,
        because,
        at_risk=abs(movement.amount),
        repair="post an adjustment",
        evidence=(
            rule("the_category_is_not_known", because),
            {
                "balance_transaction": movement.id,
                "type": movement.type,
                "reporting_category": movement.reporting_category,
                "amount": movement.amount,
                "fee": movement.fee,
                "currency": movement.currency,
                "description": movement.description,
                "created": movement.created,
            },
        ),
    )


def _unlisted(look: Look, listed: list[Finding]) -> Iterable[Finding]:
    """What suspense holds beyond the movements that were listed, so that every cent has a name."""
    for currency, balances in sorted(look.balances.items()):
        suspended = bridge.suspense(balances) + look.seen["ledger"].off(currency, SUSPENSE)
        rest = suspended - sum(f.difference for f in listed if f.currency == currency)
        if rest:
            yield Finding(
                FindingKind.UNKNOWN_MOVEMENT,
                Cause.UNKNOWN_TYPE,
                look.stripe_account,
                "suspense",
                currency,
                rest,
                0,
                REST,
                at_risk=abs(rest),
                repair="upgrade the service",
                evidence=(rule("more_than_are_listed", REST, listed=len(listed)),),
            )
