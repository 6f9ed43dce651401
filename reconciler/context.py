"""The one value that carries everything a use case may not take from the world by itself.

Built once in `app`; time, ids, the database and the door to Stripe come from here, so a whole run
can be simulated from one seed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from reconciler.domain.books import Bearer
from reconciler.gateway.client import Gateway
from reconciler.gateway.inspection import Inspector
from reconciler.gateway.snapshots import Reading
from reconciler.money_out.available import AvailableReader
from reconciler.oversight.payment_system import PaymentSystem
from reconciler.store import leases
from reconciler.store.database import Database, Session

STRIPE_API_VERSION = "2026-10-28.endive"
"""The version we send, and want events rendered in: the one that stripe-python 16.1 pins."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What the platform has decided about its own books."""

    reading: Reading = field(default_factory=Reading)
    disputes_borne_by: Bearer = Bearer.MERCHANT
    api_version: str = STRIPE_API_VERSION
    approval_seconds: int = 72 * 3600  # how long a payout or refund waits for a second person
    livemode: bool | None = None  # of the configured key; None without one: nothing is refused
    capabilities: tuple[str, ...] = ("transfers",)  # what is asked for with each new account


@dataclass(frozen=True, slots=True)
class Context:
    """What a use case may ask of the world. `now` gives epoch seconds, `new_id` an unused id with
    the given prefix. `stripe` is None where no key is configured: what needs it then waits."""

    database: Database
    now: Callable[[], int]
    new_id: Callable[[str], str]
    policy: Policy
    stripe: Gateway | None = None
    lease: tuple[str, int] | None = None  # the job and fencing token that this work runs under
    system: PaymentSystem = field(default_factory=PaymentSystem)
    inspector: Inspector | None = None  # what the key of `stripe` may see
    available: AvailableReader = field(default_factory=AvailableReader)
    base_url: str = ""  # under which people reach the service, without a slash at its end

    @asynccontextmanager
    async def write(self, *, brief: bool = False) -> AsyncIterator[Session]:
        """One transaction, refused with LostLease if another instance has taken over this work."""
        async with self.database.write(brief=brief) as session:
            await self._guard(session)
            yield session

    @asynccontextmanager
    async def write_books(self, *, brief: bool = False) -> AsyncIterator[Session]:
        """`write`, alone among all that post to the ledger."""
        async with self.database.write_books(brief=brief) as session:
            await self._guard(session)
            yield session

    async def _guard(self, session: Session) -> None:
        if self.lease is not None:
            await leases.guard(session, *self.lease)
