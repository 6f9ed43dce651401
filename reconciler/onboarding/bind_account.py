"""Bind connected accounts to the decisions of ours that opened them, by the id in their metadata.

An answer that never came is made up for here: whatever path an account comes by (a webhook, the
daily sweep, a reading), it settles the opening that it names, and its sending. Must not call
Stripe.
"""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from reconciler.domain.audit import SERVICE
from reconciler.domain.lifecycle import Kind
from reconciler.domain.onboarding import Tenure
from reconciler.domain.snapshot import Snapshot
from reconciler.oversight.audit import Action, Audit, record
from reconciler.store import accounts, sendings
from reconciler.store.database import Row, Session

log = structlog.get_logger()

ACCOUNT = "account"
"""The kind of our requests for accounts, as `sendings` names them."""


async def bind_accounts(session: Session, families: Mapping[str, list[Snapshot]], now: int) -> None:
    """Every opening that one of these accounts names is settled by it."""
    for members in families.values():
        for snapshot in members:
            if snapshot.kind is Kind.ACCOUNT and snapshot.detail.get("opening"):
                await _bind(session, snapshot, now)


async def _bind(session: Session, account: Snapshot, now: int) -> None:
    row = await accounts.get(session, str(account.detail["opening"]))
    if row is None or row["stripe_account"] == account.id:
        return
    if row["stripe_account"]:
        log.warning("account.opened_twice", stripe_account=account.id, opening=row["id"])
        return
    if account.detail.get("merchant") != row["merchant"]:
        log.warning("account.names_another_merchant", stripe_account=account.id, opening=row["id"])
        return
    await sendings.accepted_as(session, ACCOUNT, row["id"], account.id, now)
    await opened(session, row, account.id, now)


async def opened(session: Session, row: Row, account: str, now: int) -> None:
    """The merchant has the account, in place of the one before. If the opening had been given up
    and the merchant has gone on with another, it is only kept as one of the merchant's earlier
    accounts, and watched."""
    merchant = row["merchant"]
    await accounts.lock_merchant(session, merchant)
    held = await accounts.of_merchant(session, merchant)
    living = [each for each in held if each["state"] in (Tenure.OPENING, Tenure.CURRENT)]
    if row["state"] == Tenure.FAILED and living:
        await accounts.set_aside(session, row["id"], account, now)
        log.warning("account.opened_late", stripe_account=account, merchant=merchant)
        return
    before = await accounts.ended(session, merchant, Tenure.REPLACED, now)
    await accounts.begun(session, row["id"], account, now)
    was = {"stripe_account": before["stripe_account"]} if before else None
    after = {"stripe_account": account, "country": row["country"]}
    record(session, Audit(SERVICE, Action.ACCOUNT_CHANGED, merchant, was, after), now)
