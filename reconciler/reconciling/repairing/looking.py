"""Look at some findings' subjects again, and at nothing else: does what was found still stand?

Uses the detectors of every run on what is open at this moment. Must not judge Stripe's balance nor
clear what it could not have seen.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from reconciler.context import Context
from reconciler.domain.findings import Finding, FindingKind
from reconciler.domain.ledger import STRIPE_BALANCE
from reconciler.domain.refusals import Refusal
from reconciler.domain.snapshot import PLATFORM
from reconciler.gateway.budget import Priority
from reconciler.gateway.client import BalanceReading
from reconciler.intake.mirror_balance import STREAM, Mirrored, mirror_balance
from reconciler.intake.walk import Coverage
from reconciler.reconciling.compare_transfers import keep_compared
from reconciler.reconciling.detecting.registry import detect, gather
from reconciler.reconciling.look import Look
from reconciler.reconciling.repairing.asking import read_object, take_in
from reconciler.reconciling.tracking import track
from reconciler.store import books, findings
from reconciler.store.database import Session
from reconciler.store.runs import Key

Subject = tuple[str, str]
"""What a finding is about: a Stripe account, and a reference in it."""

NOT_SEEN = frozenset({FindingKind.INVARIANT_BROKEN.value, FindingKind.UNMIRRORED_BALANCE.value})
"""Kinds of findings that only a self-check, or a reading of Stripe's balance, can clear."""


def subject_of(finding: Any) -> Subject:
    return finding["stripe_account"], finding["reference"]


async def standing(session: Session, subjects: Collection[Subject], now: int) -> list[Finding]:
    """What a run would find about these subjects now, were Stripe's balance as it is mirrored."""
    found: list[Finding] = []
    # What is found about a connected account's events is found in the platform's look.
    for account in sorted({PLATFORM, *(account for account, _ in subjects)}):
        balances = await books.by_kind(session, account)
        held = {currency: kinds.get(STRIPE_BALANCE, 0) for currency, kinds in balances.items()}
        reading = BalanceReading(held, {}, livemode=False)
        covered = Coverage(STREAM, account, 0, now, 0, 0, 0, complete=True)
        mirrored = Mirrored(account, reading, now, False, (covered,), held=held)
        seen = await gather(session, account, now)
        found += detect(Look(mirrored, None, None, balances, seen, now))
    return [each for each in found if (each.stripe_account, each.reference) in subjects]


async def look_again(context: Context, subjects: Collection[Subject], *, fresh: bool) -> str:
    """The findings about these subjects are as they stand now: cleared, or kept. With `fresh`,
    Stripe's movements are read first; why that could not be done, if it could not."""
    unread = ""
    if fresh:
        for account in sorted({account for account, _ in subjects}):
            unread = unread or await _mirrored(context, account)
        for account, reference in sorted(subjects):
            unread = unread or await _compared(context, account, reference)
    now = context.now()
    async with context.database.read(snapshot=True) as session:
        found = await standing(session, subjects, now)
        before = await findings.about(session, subjects)
    unsure = {
        (row["stripe_account"], row["reference"], row["currency"], row["kind"])
        for row in before
        if row["kind"] in NOT_SEEN
        or (row["kind"] == FindingKind.MISSING_AT_STRIPE and not row["difference"])
    }

    def looked_at(key: Key) -> bool:
        return key[:2] in subjects and key not in unsure

    async with context.write_books() as session:
        await track(session, context, found, looked_at, now)
    return unread


async def _mirrored(context: Context, account: str) -> str:
    if context.stripe is None:
        return "no Stripe key is set"
    stripe = context.stripe.at(Priority.COMMAND_READ)
    read = await mirror_balance(context, stripe, account)
    return read.error or next((c.error for c in read.coverage if c.error), "")


async def _compared(context: Context, account: str, reference: str) -> str:
    """A transfer is read again and compared with its payout, as a run would find it."""
    if not reference.startswith("tr_"):
        return ""
    found = await read_object(context, reference, account)
    if isinstance(found, Refusal):
        return found.message
    transfers = [each for each in found if each.id == reference]
    async with context.write_books() as session:
        await take_in(session, context, found, "looked at again")
        await keep_compared(session, transfers, context.now())
    return ""


def as_it_would_be(finding: Any, found: Collection[Finding]) -> Finding | None:
    """The same difference among what would be found; None if it would have cleared."""
    key = (finding["kind"], finding["currency"])
    same = [each for each in found if (each.kind.value, each.currency) == key]
    others = [each for each in found if each.currency == finding["currency"]]
    return next(iter([*same, *others]), None)
