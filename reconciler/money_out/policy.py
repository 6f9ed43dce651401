"""Policies: what is in force for a payout or refund, and how an admin changes it.

Read in the transaction that decides a payout, and changed under the same lock: once a change is
answered, nothing is decided by what was in force before. Must not move money.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from reconciler.context import Context
from reconciler.domain.policies import (
    Limits,
    Scope,
    Spent,
    beyond,
    contradictory,
    day_began,
    needs_approval,
    unusable,
)
from reconciler.domain.refusals import Refusal
from reconciler.oversight.audit import Action, Actor, Audit, record
from reconciler.store import merchants, policies
from reconciler.store.database import Row, Session


async def judge(
    session: Session, *, kind: str, merchant: str, amount: int, currency: str, now: int
) -> Refusal | tuple[str, ...]:
    """Why a payout or refund of this amount is refused, or the reasons why a second person must
    look at it: none, if it may go at once. To be asked in the transaction that decides it."""
    where = Scope(currency, merchant)
    limits = await policies.in_force(session, where)
    if kind == "payout":
        # Summed from the day's payouts, so only where a limit asks for it.
        known = limits.by_day
        spent = await policies.spent(session, where, day_began(now)) if known else Spent()
        refusal = beyond(limits, where, amount, spent)
        if refusal is not None:
            return refusal
    found = await policies.open_findings(session, merchant) if merchant else []
    return needs_approval(limits, currency, amount, found)


@dataclass(frozen=True, slots=True)
class Change:
    """A scope's new limits, and the version that its author has seen: 0 for none."""

    where: Scope
    limits: Limits
    seen: int
    reason: str = ""


async def change(context: Context, change: Change, actor: Actor) -> dict[str, Any] | Refusal:
    """The policy as it now stands, or why it was not changed."""
    where = change.where
    refusal = unusable(where, change.limits)
    if refusal is not None:
        return refusal
    now = context.now()
    async with context.write_books() as session:
        if where.merchant and await merchants.get(session, where.merchant) is None:
            return Refusal(
                "unknown_merchant", f"There is no merchant {where.merchant}; create it first."
            )
        before = await policies.newest(session, where)
        version = before["version"] if before else 0
        if version != change.seen:
            return Refusal(
                "policy_changed",
                f"The policy of {where} is at version {version} by now; look at it again and send"
                " your change with that version.",
            )
        refusal = await _contradiction(session, where, change.limits)
        if refusal is not None:
            return refusal
        await policies.add(session, where, version + 1, change.limits, actor.key_id, now)
        record(session, _audited(actor, change, before), now)
        return await of(session, where)


async def _contradiction(session: Session, where: Scope, limits: Limits) -> Refusal | None:
    """The first scope of the currency that would let nothing through, were these its limits."""
    rows = await policies.all_newest(session, where.currency)
    table = {Scope(r["currency"], r["merchant"]): policies.limits_of(r) for r in rows}
    table[where] = limits
    wide = table.get(Scope(where.currency), Limits())
    found = (contradictory(at, own.over(wide)) for at, own in table.items())
    return next((refusal for refusal in found if refusal is not None), None)


def _audited(actor: Actor, change: Change, before: Row | None) -> Audit:
    old = asdict(policies.limits_of(before)) if before else None
    return Audit(
        actor,
        Action.POLICY_CHANGED,
        f"policy:{change.where}",
        before=old,
        after=asdict(change.limits),
        reason=change.reason,
    )


async def listed(session: Session) -> list[dict[str, Any]]:
    """Every policy as it stands, with what is in force in its scope."""
    rows = await policies.all_newest(session)
    return [await of(session, Scope(row["currency"], row["merchant"])) for row in rows]


async def of(session: Session, where: Scope) -> dict[str, Any]:
    """A scope's own policy, and the limits that it and its currency's make together."""
    row = await policies.newest(session, where)
    own = policies.limits_of(row) if row else Limits()
    return {
        "scope": str(where),
        "currency": where.currency,
        "merchant": where.merchant or None,
        "version": row["version"] if row else 0,
        **asdict(own),
        "in_force": asdict(await policies.in_force(session, where)),
        "changed_by": row["changed_by"] if row else None,
        "changed_at": row["changed_at"] if row else None,
    }
