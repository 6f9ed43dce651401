"""Stripe's balance beside the movements that it lists: what they do not add up to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.domain.bridge import unmirrored
from reconciler.domain.findings import Cause, Finding, FindingKind, rule
from reconciler.domain.ledger import STRIPE_BALANCE
from reconciler.reconciling.detecting import ledger
from reconciler.reconciling.look import Look
from reconciler.store.database import Session


@dataclass(frozen=True, slots=True)
class Seen:
    """Nothing of its own: Stripe's balance and the ledger's are part of every look."""


async def gather(session: Session, stripe_account: str, now: int) -> Seen:
    return Seen()


def detect(seen: Seen, look: Look) -> Iterable[Finding]:
    reading = look.mirrored.reading
    if reading is None:
        return
    for currency in look.currencies:
        held = {STRIPE_BALANCE: ledger.stripe_balance(look, currency)}
        gap = unmirrored(held, reading.total(currency))
        if not gap:
            continue
        complete = look.mirrored.complete
        cause = Cause.UNEXPLAINED if complete else Cause.NOT_MIRRORED_YET
        text = (
            "Stripe's balance is not the sum of the movements it lists."
            if complete
            else "Not every movement could be read; what is missing makes up this amount."
        )
        yield Finding(
            FindingKind.UNMIRRORED_BALANCE,
            cause,
            look.stripe_account,
            "balance",
            currency,
            reading.total(currency),
            reading.total(currency) - gap,
            text,
            at_risk=abs(gap),
            repair="check again" if not complete else "ask Stripe for a balance report",
            evidence=(
                rule(
                    "the_movements_do_not_add_up" if complete else "not_read_to_the_end",
                    text,
                    available=reading.available.get(currency, 0),
                    pending=reading.pending.get(currency, 0),
                    mirrored=reading.total(currency) - gap,
                ),
                *(c.as_dict() for c in look.mirrored.coverage),
            ),
        )
