"""Add a merchant: somebody whose payments we keep apart, and whom we can pay out."""

from __future__ import annotations

from reconciler.context import Context
from reconciler.domain.audit import SERVICE
from reconciler.domain.refusals import Refusal
from reconciler.oversight.audit import Action, Actor, Audit, record
from reconciler.store import merchants
from reconciler.store.database import Row


async def add_merchant(
    context: Context,
    id: str,
    name: str,
    country: str,
    *,
    actor: Actor = SERVICE,
    reason: str = "",
) -> Row | Refusal:
    """The merchant, new or already the same; or why not."""
    now = context.now()
    async with context.write() as session:
        new = await merchants.insert(session, id, name, country, now)
        row = await merchants.get(session, id)
        assert row is not None
        if new:
            after = {"name": name, "country": country}
            record(session, Audit(actor, Action.MERCHANT_CREATED, id, None, after, reason), now)
    if (row["name"], row["country"]) != (name, country):
        return Refusal(
            "merchant_exists",
            f"There is a merchant {id} already, with another name or country; choose another id.",
        )
    return row
