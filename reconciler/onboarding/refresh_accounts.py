"""Sweep every connected account once a day: what no webhook said is found here.

All accounts are listed page by page, so many pages at a time, and the place is kept: whoever comes
next goes on there. Accounts of ours that are not in the list, retired ones included, are then read
one by one: Stripe's answer is the proof that a merchant has left. Runs as a job; must not hold a
transaction across a page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from reconciler.context import Context
from reconciler.domain.snapshot import Snapshot
from reconciler.gateway.accounts import page
from reconciler.gateway.budget import Priority
from reconciler.gateway.client import Gateway
from reconciler.gateway.fields import Unreadable
from reconciler.gateway.outcomes import StripeUnavailable
from reconciler.intake.reread import absorb_read
from reconciler.onboarding.account_access import regained
from reconciler.onboarding.read_account import read_account
from reconciler.store import account_sweep as stored

log = structlog.get_logger()

EVERY_SECONDS = 86400
PAGES = 20
"""Of a hundred accounts each, at one go."""

READS = 100
"""Accounts read one by one at one go."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What one go did. `complete` says that every account is known as it was within this round."""

    pages: int = 0
    accounts: int = 0
    read: int = 0
    lost: int = 0
    complete: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True)
class _Round:
    """One sweep of all accounts, as far as it has come."""

    started_at: int
    cursor: str = ""
    rows: int = 0
    listed: bool = False
    finished_at: int = 0


async def refresh_accounts(
    context: Context,
    stripe: Gateway,
    *,
    every: int = EVERY_SECONDS,
    pages: int = PAGES,
    reads: int = READS,
) -> Swept:
    """Go on with the round that is under way, or begin one if the last began `every` seconds ago.

    What Stripe does not answer is left for the next go, in the same round.
    """
    door = stripe.at(Priority.SWEEP)
    sweep = await _due(context, every)
    if sweep is None:
        return Swept(complete=True)
    try:
        swept, sweep = await _list(context, door, sweep, pages)
        if not sweep.listed:
            return swept
        return await _read_unseen(context, door, sweep, swept, reads)
    except (StripeUnavailable, Unreadable) as error:
        log.warning("accounts.sweep_stopped", error=str(error)[:200])
        return Swept(error=str(error)[:200])


async def _due(context: Context, every: int) -> _Round | None:
    now = context.now()
    async with context.database.read() as session:
        row = await stored.sweep(session)
    if row is None or (row["finished_at"] and row["started_at"] + every <= now):
        return _Round(started_at=now)
    if row["finished_at"]:
        return None
    return _Round(row["started_at"], row["cursor"], row["rows_seen"], bool(row["window_to"]))


async def _list(context: Context, door: Gateway, sweep: _Round, pages: int) -> tuple[Swept, _Round]:
    done = 0
    seen = 0
    while not sweep.listed and done < pages:
        read_at = context.now()
        listed = await page(door, sweep.cursor, read_at)
        await _keep(context, listed.rows, read_at)
        done, seen = done + 1, seen + len(listed.rows)
        rows = sweep.rows + len(listed.rows)
        sweep = _Round(sweep.started_at, listed.next, rows, not listed.next)
        await _save(context, sweep)
    return Swept(done, seen), sweep


async def _keep(context: Context, rows: Sequence[Snapshot], read_at: int) -> None:
    """One page is in the records; what had been given up and is there again is taken back."""
    await absorb_read(context, list(rows), read_at)
    ids = [row.id for row in rows]
    async with context.write() as session:
        await stored.seen(session, ids, read_at)
    async with context.database.read() as session:
        gone = await stored.given_up(session, ids)
    for account in gone:
        await regained(context, account)


async def _read_unseen(
    context: Context, door: Gateway, sweep: _Round, swept: Swept, reads: int
) -> Swept:
    """Accounts that the list did not show. If it shows none of ours at all, the fault is ours."""
    async with context.database.read() as session:
        known, seen = await stored.counts(session, sweep.started_at)
        unseen = await stored.unseen(session, sweep.started_at, reads)
    if known > 1 and not seen:
        error = (
            f"Stripe lists none of our {known} connected accounts: is STRIPE_SECRET_KEY the key of"
            " the platform that opened them?"
        )
        await _save(context, _Round(sweep.started_at))  # from the beginning, next time
        log.error("accounts.none_listed", known=known)
        return Swept(swept.pages, swept.accounts, error=error)
    lost = 0
    for account in unseen:
        read_at = context.now()
        if await read_account(context, door, account) is None:
            lost += 1
        else:
            await regained(context, account)
        async with context.write() as session:
            await stored.seen(session, [account], read_at)
    complete = len(unseen) < reads
    if complete:
        ended = _Round(sweep.started_at, "", sweep.rows, True, context.now())
        await _save(context, ended)
    return Swept(swept.pages, swept.accounts, len(unseen), lost, complete)


async def _save(context: Context, sweep: _Round) -> None:
    async with context.write() as session:
        await stored.save_sweep(
            session,
            started_at=sweep.started_at,
            cursor=sweep.cursor,
            rows_seen=sweep.rows,
            listed=sweep.listed,
            finished_at=sweep.finished_at,
        )
