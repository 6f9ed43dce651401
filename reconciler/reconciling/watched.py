"""The connected accounts that a check looks at beside the platform: those of marked merchants.

So many in one run, whoever was not looked at for longest first; what the others' last look is old
goes into the run's coverage, and is a hole when it is too old. Must not judge what is found there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from reconciler.context import Context
from reconciler.gateway.client import Gateway
from reconciler.intake.absorb import resettle_families
from reconciler.intake.mirror_balance import Mirrored, mirror_balance
from reconciler.reconciling.look import Rest
from reconciler.store import account_mirrors
from reconciler.store.account_mirrors import LEFT
from reconciler.store.database import Row

ACCOUNTS = 20
"""In one run; with a run every five minutes, nearly six thousand a day."""

PAGES = 20
"""Of one account's movements in one run; the rest is left to its next turn."""

OLDEST_SECONDS = 86400
"""A marked account that was not looked at for longer is a hole in every run."""

FAMILIES = 200
ROUNDS = 50
"""So many times so many families of a newly marked account are booked in one run."""

BOOKED = "marked"
"""The cause of entries that stand because an account was marked."""


@dataclass(frozen=True, slots=True)
class Turn:
    """Whose turn it is in this run; `rests` tells of the marked accounts that wait."""

    accounts: tuple[str, ...] = ()
    rests: tuple[Rest, ...] = ()


async def turn(context: Context) -> Turn:
    """The accounts to look at now, with their books up to date; and how old the others are."""
    async with context.database.read() as session:
        rows = await account_mirrors.marked(session)
    there = [row for row in rows if row["tenure"] != LEFT]
    ready: list[str] = []
    waiting = [_gone(row) for row in rows if row["tenure"] == LEFT]
    for row in there[:ACCOUNTS]:
        if row["settled_at"] or await _booked(context, row):
            ready.append(row["stripe_account"])
        else:
            waiting.append(_waits(row))
    waiting += [_waits(row) for row in there[ACCOUNTS:]]
    return Turn(tuple(ready), tuple(waiting))


def _waits(row: Row) -> Rest:
    account, looked_at = row["stripe_account"], row["looked_at"]
    if not looked_at:
        return Rest("account_never_looked_at", account, 0, never=True)
    return Rest("account_looked_at", account, looked_at, limit=OLDEST_SECONDS)


def _gone(row: Row) -> Rest:
    """The merchant has left: Stripe lets nobody look there, and nothing of it is claimed."""
    return Rest("account_left", row["stripe_account"], row["looked_at"])


async def _booked(context: Context, row: Row) -> bool:
    """Book what there is of an account that was marked, some families at a time; whether all is."""
    account = row["stripe_account"]
    async with context.write_books() as session:
        await account_mirrors.begin(session, account, row["merchant"], context.now())
    for _ in range(ROUNDS):
        async with context.database.read() as session:
            after = await account_mirrors.settled_to(session, account)
            if after is None:
                return True
            families = await account_mirrors.families(session, account, after, FAMILIES)
        last = families[-1] if families else after
        done = context.now() if len(families) < FAMILIES else 0
        async with context.write_books() as session:
            await resettle_families(session, context.policy, families, BOOKED, context.now())
            await account_mirrors.settled(session, account, last, done)
    return False


async def mirrored(context: Context, stripe: Gateway, accounts: Sequence[str]) -> list[Mirrored]:
    """The movements of these accounts are kept as far as Stripe lists them; one that cannot be read
    does not hold up the others."""
    found = []
    for account in accounts:
        one = await mirror_balance(context, stripe, account, PAGES)
        error = one.error or next((c.error for c in one.coverage if c.error), "")
        looked_at = one.as_of if one.complete else 0
        async with context.write() as session:
            await account_mirrors.attempted(session, account, context.now(), looked_at, error)
        found.append(replace(one, error=one.error and f"{account}: {one.error}"))
    return found
