"""What Stripe has available for the platform, read once for all who ask at the same time.

Stripe takes 25 readings a second; many payouts asked for at once share one. Each reading names the
newest ledger transaction before it, so that whoever uses it can tell what was taken since. Must not
keep a reading for later: what others took from the balance would not be in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.gateway.client import Gateway
from reconciler.store import books
from reconciler.store.database import Database


@dataclass(frozen=True, slots=True)
class Available:
    """Per currency, in minor units, what is available of money that came by card, and what of it is
    pending; read after the ledger transaction `before`. In `mixed` currencies some of what is
    pending came by another way, and transfers cannot draw on it."""

    amounts: Mapping[str, int]
    pending: Mapping[str, int]
    before: int
    mixed: frozenset[str] = frozenset()


class AvailableReader:
    """For one event loop."""

    def __init__(self) -> None:
        self._under_way: asyncio.Task[Available] | None = None

    async def read(self, database: Database, stripe: Gateway) -> Available:
        """A reading that ends after this was asked. Raises StripeUnavailable."""
        task = self._under_way
        if task is None or task.done():
            task = self._under_way = asyncio.create_task(_read(database, stripe))
            task.add_done_callback(_noticed)
        # Whoever gives up leaves the reading to the others.
        return await asyncio.shield(task)


def _noticed(task: asyncio.Task[Available]) -> None:
    """An error is told to whoever waits; if nobody does any more, to nobody."""
    if not task.cancelled():
        task.exception()


async def _read(database: Database, stripe: Gateway) -> Available:
    async with database.read(brief=True) as session:
        before = await books.newest(session)
    balance = await stripe.balance()
    cards, pending = balance.card_pending, balance.pending
    mixed = frozenset(unit for unit in pending if pending[unit] != cards.get(unit, 0))
    return Available(balance.card, cards, before, mixed)
