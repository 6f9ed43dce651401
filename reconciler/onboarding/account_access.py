"""Lose an account, or get it back: what follows when Stripe stops showing one to us, or shows it
again. Decided by what Stripe answered, never by what an event or a browser says.
"""

from __future__ import annotations

import structlog

from reconciler.context import Context
from reconciler.domain.onboarding import Tenure
from reconciler.oversight.audit import SERVICE, Action, Actor, Audit, record
from reconciler.store import accounts, objects
from reconciler.store.database import Row

log = structlog.get_logger()

EVER = 2**62


async def lost(context: Context, account: str, actor: Actor = SERVICE) -> None:
    """Stripe does not show the account to us any more: nothing can be paid into it."""
    now = context.now()
    async with context.write() as session:
        for row in await accounts.of_account(session, account):
            await accounts.lock_merchant(session, row["merchant"])
            if row["state"] != Tenure.CURRENT:
                continue
            tenure = Tenure.DISCONNECTED_BY_MERCHANT
            if await accounts.ended(session, row["merchant"], tenure, now):
                after = {"stripe_account": account, "state": tenure.value}
                entry = Audit(actor, Action.ACCOUNT_CHANGED, row["merchant"], None, after)
                record(session, entry, now)
                log.warning("account.lost", merchant=row["merchant"], stripe_account=account)
        await objects.settled(session, {account: EVER})


async def regained(context: Context, account: str, actor: Actor = SERVICE) -> bool:
    """Whether an account that its merchant had disconnected is shown to us again, and connected
    again: unless the merchant has another one by now."""
    now = context.now()
    async with context.write() as session:
        row = _last(await accounts.of_account(session, account))
        if row is None:
            return False
        await accounts.lock_merchant(session, row["merchant"])
        held = await accounts.of_merchant(session, row["merchant"])
        if any(r["state"] in (Tenure.CURRENT, Tenure.OPENING) for r in held):
            return False
        if await accounts.begun(session, row["id"], account, now) is None:
            return False
        after = {"stripe_account": account, "state": Tenure.CURRENT.value}
        record(session, Audit(actor, Action.ACCOUNT_CHANGED, row["merchant"], None, after), now)
    log.info("account.regained", merchant=row["merchant"], stripe_account=account)
    return True


def _last(rows: list[Row]) -> Row | None:
    gone = [row for row in rows if row["state"] == Tenure.DISCONNECTED_BY_MERCHANT]
    return max(gone, key=lambda row: (row["valid_to"], row["id"]), default=None)
