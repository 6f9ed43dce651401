"""Mark a merchant: its accounts' balances are mirrored and reconciled like the platform's.

The mark is all that changes at once; the next check brings the books of its accounts up to date
and looks at them. Without it nobody looks any more; what stands in the books stays.
"""

from __future__ import annotations

from reconciler.context import Context
from reconciler.domain.refusals import Refusal
from reconciler.oversight.audit import Action, Actor, Audit, record
from reconciler.store import account_mirrors, accounts, runs


async def mirror_merchant(
    context: Context, merchant: str, mirror: bool, actor: Actor, reason: str = ""
) -> Refusal | None:
    """The merchant is marked, or no longer; why not, otherwise."""
    now = context.now()
    async with context.write_books() as session:
        if await accounts.lock_merchant(session, merchant) is None:
            return Refusal("unknown_merchant", f"There is no merchant {merchant}; create it first.")
        if await account_mirrors.mark(session, merchant, mirror) is None:
            return None
        if not mirror:
            held = await account_mirrors.of_merchant(session, merchant)
            await runs.clear_of_accounts(session, [row["stripe_account"] for row in held], now)
        before, after = {"mirror": not mirror}, {"mirror": mirror}
        entry = Audit(actor, Action.MERCHANT_MIRRORED, merchant, before, after, reason)
        record(session, entry, now)
    return None
