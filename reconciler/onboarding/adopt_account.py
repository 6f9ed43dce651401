"""Adopt a connected account that was opened without this service: it becomes a merchant's.

For platforms that come with merchants. The account is read from Stripe first: one that Stripe does
not show to our key belongs to another platform, or to nobody.
"""

from __future__ import annotations

import re

from reconciler.context import Context
from reconciler.domain.onboarding import Detail, Tenure
from reconciler.domain.refusals import Refusal
from reconciler.gateway.accounts import platform
from reconciler.gateway.client import Gateway
from reconciler.onboarding.read_account import read_account
from reconciler.oversight.audit import Action, Actor, Audit, record
from reconciler.store import accounts
from reconciler.store.database import Session

ACCOUNT_ID = re.compile(r"acct_[A-Za-z0-9]{1,250}")


async def adopt_account(
    context: Context,
    stripe: Gateway,
    merchant: str,
    account: str,
    actor: Actor,
    *,
    reason: str = "",
) -> Refusal | None:
    """Why the account did not become the merchant's; None if it is. Raises StripeUnavailable."""
    if not ACCOUNT_ID.fullmatch(account):
        return Refusal("bad_account", "stripe_account must be Stripe's id of it, acct_….")
    async with context.database.read() as session:
        refusal = await _not_free(session, merchant, account)
    if refusal is not None:
        return refusal
    ours = await platform(stripe)
    detail = None if account == ours.id else await read_account(context, stripe, account, actor)
    if detail is None:
        return Refusal(
            "account_not_ours",
            f"Stripe does not show {account} as connected to this platform: it belongs to another"
            " one, or there is none. Onboard the merchant instead.",
        )
    return await _adopted(context, merchant, account, detail, actor, reason)


async def _adopted(
    context: Context, merchant: str, account: str, detail: Detail, actor: Actor, reason: str
) -> Refusal | None:
    now = context.now()
    async with context.write() as session:
        held = await accounts.of_merchant(session, merchant)
        if any(r["state"] == Tenure.CURRENT and r["stripe_account"] == account for r in held):
            return None  # opened by us and given up: reading it has just settled that
        refusal = await _not_free(session, merchant, account)
        if refusal is not None:
            return refusal
        await accounts.take(session, merchant, account, str(detail["country"]), now)
        after = {"stripe_account": account, "adopted": True}
        adopted = Audit(actor, Action.ONBOARDING_STARTED, merchant, None, after, reason)
        record(session, adopted, now)
    return None


async def _not_free(session: Session, merchant: str, account: str) -> Refusal | None:
    """Why this account cannot become this merchant's."""
    if await accounts.lock_merchant(session, merchant) is None:
        return Refusal("unknown_merchant", f"There is no merchant {merchant}; create it first.")
    for row in await accounts.of_merchant(session, merchant):
        if row["state"] in (Tenure.CURRENT, Tenure.OPENING):
            return Refusal(
                "already_connected",
                f"Merchant {merchant} has a connected account; disconnect it first.",
            )
    others = {row["merchant"] for row in await accounts.of_account(session, account)} - {merchant}
    if others:
        return Refusal(
            "account_taken",
            f"{account} is or was the account of merchant {min(others)}; money for one merchant"
            " never goes to another's account.",
        )
    return None
