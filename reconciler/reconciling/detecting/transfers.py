"""Stripe's transfers beside our payouts, where they disagree in more than the balance."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.domain.findings import Cause, Finding, FindingKind, rule
from reconciler.domain.snapshot import PLATFORM
from reconciler.reconciling.compare_transfers import Comparison
from reconciler.reconciling.look import Look
from reconciler.store import accounts, instructions, mirror, payouts
from reconciler.store.database import Row, Session

FINDINGS = {
    Comparison.NO_PAYOUT: (FindingKind.MISSING_IN_BOOKS, Cause.MADE_OUTSIDE),
    Comparison.SECOND_TRANSFER: (FindingKind.DUPLICATE, Cause.SECOND_TRANSFER),
    Comparison.AMOUNT_DIFFERS: (FindingKind.AMOUNT_DIFFERS, Cause.DIFFERS_FROM_DECISION),
    Comparison.CURRENCY_DIFFERS: (FindingKind.CURRENCY_DIFFERS, Cause.DIFFERS_FROM_DECISION),
    Comparison.DESTINATION_DIFFERS: (FindingKind.STATUS_DIFFERS, Cause.DIFFERS_FROM_DECISION),
    Comparison.STATUS_DIFFERS: (FindingKind.STATUS_DIFFERS, Cause.DIFFERS_FROM_DECISION),
}


@dataclass(frozen=True, slots=True)
class Seen:
    """`relinked` names the transfers that went to another account of the very same merchant."""

    disagreeing: tuple[Row, ...] = ()
    relinked: tuple[str, ...] = ()


async def gather(session: Session, stripe_account: str, now: int) -> Seen:
    if stripe_account != PLATFORM:
        return Seen()
    disagreeing = await mirror.comparisons_open(session)
    elsewhere = [row for row in disagreeing if row["verdict"] == Comparison.DESTINATION_DIFFERS]
    relinked = [row["transfer_id"] for row in elsewhere if await _relinked(session, row)]
    return Seen(tuple(disagreeing), tuple(relinked))


async def _relinked(session: Session, row: Row) -> bool:
    """Whether the merchant whose payout this is has, or had, the account that the money went to."""
    payout = await instructions.get(session, payouts.TABLE, row["payout_id"])
    tenures = await accounts.of_account(session, row["destination"])
    return payout is not None and any(t["merchant"] == payout["merchant"] for t in tenures)


def detect(seen: Seen, look: Look) -> Iterable[Finding]:
    """A transfer whose money does not agree either has a finding already: that one is enough."""
    named = {case.object_id for case in look.seen["clearings"].open}
    for row in seen.disagreeing:
        if row["transfer_id"] in named:
            continue
        kind, cause = FINDINGS[Comparison(row["verdict"])]
        if row["transfer_id"] in seen.relinked:
            cause = Cause.ACCOUNT_RELINKED
        about = f"payout {row['payout_id']}" if row["payout_id"] else "no payout of ours"
        because = (
            f"Transfer {row['transfer_id']} to {row['destination']} belongs to {about}:"
            f" {row['verdict'].replace('_', ' ')}."
        )
        yield Finding(
            kind,
            cause,
            PLATFORM,
            row["transfer_id"],
            row["currency"],
            0,
            0,
            because,
            at_risk=row["amount"] - row["amount_reversed"],
            repair=f"adopt {row['transfer_id']} as a payout, or reverse it",
            evidence=(rule(f"stripe_lists_it_and_{row['verdict']}", because), dict(row)),
        )
    for payout in look.compared.missing_at_stripe if look.compared else ():
        if payout["transfer_id"] in named:
            continue
        because = f"Payout {payout['id']} was completed by a transfer that Stripe does not list."
        yield Finding(
            FindingKind.MISSING_AT_STRIPE,
            Cause.NOT_AT_STRIPE,
            PLATFORM,
            payout["transfer_id"],
            payout["currency"],
            0,
            0,
            because,
            at_risk=payout["amount"],
            repair=f"resync {payout['transfer_id']}",
            evidence=(rule("stripe_does_not_list_the_transfer", because), dict(payout)),
        )
