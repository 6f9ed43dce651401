"""Compose bank payouts: say of each which movements it carried to the bank, and prove it.

An automatic payout's movements are listed by Stripe; those of manual and instant payouts are
inferred, one payout after the other, from what the mirror holds. Of an account whose movements are
not mirrored, the lists of automatic payouts that may carry a transfer of ours are kept, and nothing
is posted for them. A composition is a function of the movements alone: when one comes in late, what
it changes is composed again. Must not judge what does not add up: a detector does.
"""

from __future__ import annotations

from typing import Any

import msgspec
import structlog

from reconciler.context import Context
from reconciler.domain.compositions import Part, given, inferred
from reconciler.domain.facts import BalanceTransaction
from reconciler.gateway.client import Gateway
from reconciler.gateway.fields import Unreadable
from reconciler.gateway.outcomes import StripeUnavailable
from reconciler.gateway.payout_lists import movements_of
from reconciler.intake.mirror_balance import keep_movements
from reconciler.store import compositions
from reconciler.store.database import Row, Session

log = structlog.get_logger()

AT_ONCE = 50

LISTED_FOR_SECONDS = 60 * 86400
"""So long after it was made a payout of an account that is not mirrored is still asked about."""


async def compose_payouts(context: Context, stripe: Gateway) -> dict[str, int]:
    """Compose what can be; how many payouts were, and how many wait for Stripe."""
    async with context.database.read() as session:
        rows = await compositions.uncomposed(session, AT_ONCE)
        latest = await compositions.latest_inferred(session)
        since = context.now() - LISTED_FOR_SECONDS
        elsewhere = await compositions.unmirrored(session, since, AT_ONCE)
    counts = {"composed": 0, "waiting": 0, "again": 0}
    for row in rows:
        done = await _one(context, stripe, row)
        counts["composed" if done else "waiting"] += 1
    for row in elsewhere:
        done = await _listed(context, stripe, row)
        counts["composed" if done else "waiting"] += 1
    for payout in latest:
        counts["again"] += await _again(context, payout)
    return counts


async def _one(context: Context, stripe: Gateway, row: Row) -> bool:
    detail: dict[str, Any] = msgspec.json.decode(row["detail"])
    if not detail["automatic"]:
        async with context.write_books() as session:
            await _infer(session, row, row["moved_at"], context.now())
        return True
    if detail["reconciliation_status"] != "completed":
        return False
    rows = await _movements(stripe, row)
    if rows is None:
        return False
    own = [Part(m.id, m.net) for m in rows if m.id != row["own"] and m.net]
    async with context.write_books() as session:
        await keep_movements(session, rows, context.now())
        await compositions.save(session, row, given(row["taken"], own), context.now())
    return True


async def _listed(context: Context, stripe: Gateway, row: Row) -> bool:
    """Keep of which movements Stripe says that a payout is made, and nothing of the movements."""
    rows = await _movements(stripe, row) or []
    own = [m for m in rows if m.clears == row["id"]]
    if not own:
        return False
    parts = [Part(m.id, m.net) for m in rows if m.id != own[0].id and m.net]
    async with context.write() as session:
        await compositions.save(session, row, given(-own[0].net, parts), context.now())
    return True


async def _movements(stripe: Gateway, row: Row) -> list[BalanceTransaction] | None:
    """What Stripe lists for a payout; None if it cannot be read now."""
    try:
        return await movements_of(stripe, row["id"], row["stripe_account"])
    except (StripeUnavailable, Unreadable) as error:
        log.warning("bank_payout.not_composed", payout=row["id"], error=str(error)[:200])
        return None


async def _again(context: Context, payout: str) -> int:
    """Compose again what movements change that were listed after their time; how many payouts."""
    now = context.now()
    async with context.write_books() as session:
        row, held = await compositions.place(session, payout), None
        if row is not None:
            held = await compositions.get(session, payout)
        if row is None or held is None:
            return 0
        moment = await compositions.late(session, row, held["composed_at"])
        return 0 if moment is None else await _infer(session, row, moment, now)


async def _infer(session: Session, row: Row, moment: int, now: int) -> int:
    """Infer this payout, and all from `moment` on in their order: what one took, the next cannot.
    How many were inferred."""
    later = await compositions.inferred_from(session, row, moment)
    places = [row] if row["id"] not in later else []
    for payout in later:
        await compositions.forget(session, payout)
        place = await compositions.place(session, payout)
        places += [place] if place is not None else []
    for each in sorted(places, key=lambda p: (p["moved_at"], p["id"])):
        before = await compositions.inferred_before(session, each)
        since = min(before["pool_from"], moment) if before else 0
        lots = await compositions.pool(session, each, since)
        found = inferred(each["taken"], each["moved_at"], lots)
        await compositions.save(session, each, found, now)
    return len(places)
