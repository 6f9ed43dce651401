"""Mirror Stripe's balance: every movement kept once and posted, between readings of the balance.

The readings tell whether the mirror is whole: the movements must add up to what Stripe says it
holds. If they do not, and Stripe's balance stood still meanwhile, there is a hole somewhere below
the newest row, and the whole list is walked again. Must not judge differences: `reconcile` does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from reconciler.context import Context
from reconciler.domain.facts import BalanceTransaction, posting
from reconciler.domain.ledger import STRIPE_BALANCE
from reconciler.domain.snapshot import PLATFORM
from reconciler.gateway.client import BalanceReading, Gateway, Page, Window
from reconciler.gateway.fields import Unreadable
from reconciler.gateway.outcomes import StripeUnavailable
from reconciler.intake.walk import Coverage, walk
from reconciler.store import books, mirror, outside_changes
from reconciler.store.database import Session

STREAM = "balance_transactions"
WHOLE_STREAM = "balance_transactions_whole"
READINGS = 3
WHOLE_WALK_SECONDS = 3600
"""A whole walk that found nothing is not repeated within the hour."""


@dataclass(frozen=True, slots=True)
class Mirrored:
    """What was read of one account. `reading` is Stripe's balance, None if it could not be read;
    `raced` says that it moved while its movements were read, each time we tried; `held` is what the
    mirrored movements summed to at the reading, per currency."""

    stripe_account: str
    reading: BalanceReading | None
    as_of: int
    raced: bool
    coverage: tuple[Coverage, ...]
    error: str = ""
    held: Mapping[str, int] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every movement up to the reading is known."""
        return self.reading is not None and not self.raced and self.coverage[-1].complete


async def mirror_balance(
    context: Context, stripe: Gateway, account: str = PLATFORM, pages: int | None = None
) -> Mirrored:
    """Stripe's movements are kept and posted as far as they could be read."""
    try:
        return await _mirror(context, stripe, account, pages)
    except (StripeUnavailable, Unreadable) as error:
        return Mirrored(account, None, context.now(), False, (), str(error))


async def _mirror(context: Context, stripe: Gateway, account: str, pages: int | None) -> Mirrored:
    before = await stripe.balance(account)
    coverage: list[Coverage] = []
    for _ in range(READINGS):
        coverage.append(await _walk(context, stripe, account, STREAM, pages))
        as_of = context.now()
        after = await stripe.balance(account)
        held = await _held(context, account)
        stood_still = after == before
        if not coverage[-1].complete or _adds_up(held, after) or stood_still:
            break
        before = after
    raced = coverage[-1].complete and not stood_still and not _adds_up(held, after)
    if coverage[-1].complete and not raced and not _adds_up(held, after):
        # It stood still, so what is missing is below what the walk looked at.
        coverage += await _walk_whole(context, stripe, account, pages)
        held = await _held(context, account)
    return Mirrored(account, after, as_of, raced, tuple(coverage), held=held)


async def _walk(
    context: Context, stripe: Gateway, account: str, stream: str, pages: int | None
) -> Coverage:
    async def read_page(window: Window, cursor: str) -> Page[BalanceTransaction]:
        return await stripe.balance_transactions(window, cursor, account)

    async def keep(session: Session, rows: Sequence[BalanceTransaction]) -> int:
        return await keep_movements(session, rows, context.now())

    limit = {} if pages is None else {"pages": pages}
    return await walk(context, stream, read_page, keep, account=account, **limit)


async def keep_movements(session: Session, rows: Sequence[BalanceTransaction], now: int) -> int:
    """Movements are mirrored, and posted if they were not known; how many were not. One whose row
    was lost, or changed by somebody else, is mirrored again; in the ledger it stands already."""
    changed = {row.id for row in rows} & await outside_changes.movements(session)
    if changed:
        await mirror.forget(session, changed)
    new = await mirror.insert(session, rows, now)
    posted = await books.in_the_ledger(session, new) if new else set()
    fresh = {row.id: row for row in rows if row.id in new - posted and row.counts}
    await books.post(session, [(posting(row), row.id) for row in fresh.values()], now)
    return len(new)


async def _held(context: Context, account: str) -> dict[str, int]:
    """What the mirrored movements sum to, per currency."""
    async with context.database.read() as session:
        return {
            row["currency"]: row["facts"]
            for row in await books.totals(session, account)
            if row["kind"] == STRIPE_BALANCE
        }


def _adds_up(held: Mapping[str, int], reading: BalanceReading) -> bool:
    currencies = held.keys() | reading.available.keys() | reading.pending.keys()
    return all(held.get(c, 0) == reading.total(c) for c in currencies)


async def _walk_whole(
    context: Context, stripe: Gateway, account: str, pages: int | None
) -> list[Coverage]:
    """Walk the list from its beginning, unless that was done within the hour."""
    async with context.write() as session:
        state = await mirror.walk(session, WHOLE_STREAM, account)
        if not state.window_to and state.finished_at > context.now() - WHOLE_WALK_SECONDS:
            return []
        if not state.window_to:
            await mirror.save_walk(session, mirror.Walk(WHOLE_STREAM, account))
    return [await _walk(context, stripe, account, WHOLE_STREAM, pages)]
