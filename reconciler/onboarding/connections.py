"""Look at merchants' connections to Stripe: where each stands, and what each of its accounts is.

Read from the records only; `read_account` and the daily sweep keep those fresh. Must not call
Stripe.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.domain.onboarding import Detail, Standing, State, Tenure, standing
from reconciler.store import accounts, merchants, objects
from reconciler.store.database import Row, Session


@dataclass(frozen=True, slots=True)
class Holding:
    """One account of a merchant's, its tenure and its standing. `as_of` is the moment of what is
    known, 0 if nothing is."""

    tenure: Row
    detail: Detail | None
    as_of: int
    standing: Standing


@dataclass(frozen=True, slots=True)
class Connection:
    """A merchant, the account that counts (the newest that was not refused), and earlier ones."""

    merchant: Row
    holding: Holding | None
    earlier: tuple[Holding, ...]
    last_failure: Row | None

    @property
    def state(self) -> State:
        return self.standing.state

    @property
    def standing(self) -> Standing:
        return self.holding.standing if self.holding else standing(None, None)


async def connection(session: Session, merchant: str) -> Connection | None:
    """One merchant's connection; None for a merchant that there is not."""
    found = await merchants.get(session, merchant)
    return (await _of(session, [found]))[0] if found else None


async def connections(session: Session, limit: int, after: str) -> list[Connection]:
    """Merchants' connections in the order of their ids, after the given one."""
    return await _of(session, await accounts.merchants_page(session, limit, after))


async def _of(session: Session, found: Sequence[Row]) -> list[Connection]:
    tenures = await accounts.of_merchants(session, [row["id"] for row in found])
    wanted = {t["stripe_account"] for rows in tenures.values() for t in rows} - {""}
    records = await objects.get(session, wanted)
    made = []
    for merchant in found:
        held = []
        for tenure in tenures[merchant["id"]]:
            known = records.get(tenure["stripe_account"])
            detail = known.snapshot.detail if known else None
            as_of = max(known.snapshot.as_of, known.fetched_at) if known else 0
            state = standing(Tenure(tenure["state"]), detail)
            held.append(Holding(tenure, detail, as_of, state))
        made.append(_connection(merchant, held))
    return made


_WEIGHT = {
    Tenure.CURRENT: 3,
    Tenure.OPENING: 2,
    Tenure.DISCONNECTED: 1,
    Tenure.DISCONNECTED_BY_MERCHANT: 1,
}


def _connection(merchant: Row, held: Sequence[Holding]) -> Connection:
    """The current account counts; without one the one being opened, then the one left last."""
    real = [h for h in held if h.tenure["state"] != Tenure.FAILED]
    first = max(
        real,
        key=lambda h: (_WEIGHT.get(Tenure(h.tenure["state"]), 0), h.tenure["valid_to"]),
        default=None,
    )
    failure = held[0].tenure if held and held[0].tenure["state"] == Tenure.FAILED else None
    return Connection(merchant, first, tuple(h for h in real if h is not first), failure)
