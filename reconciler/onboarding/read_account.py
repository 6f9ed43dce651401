"""Read a connected account from Stripe: the only proof of where a merchant stands.

What Stripe says goes through `absorb` like everything else. An account that Stripe no longer shows
to us was disconnected by its merchant. Must not trust anything that a browser says.
"""

from __future__ import annotations

from reconciler.context import Context
from reconciler.domain.onboarding import Detail
from reconciler.gateway.client import Gateway
from reconciler.gateway.outcomes import Missing
from reconciler.intake.reread import absorb_read
from reconciler.onboarding.account_access import lost
from reconciler.oversight.audit import SERVICE, Actor

DELETED = "deleted"


async def read_account(
    context: Context, stripe: Gateway, account: str, actor: Actor = SERVICE
) -> Detail | None:
    """The account as it is now, in the records; None if Stripe does not show it to us.

    Raises StripeUnavailable, or Unreadable.
    """
    read_at = context.now()
    found = await stripe.retrieve(account, account, read_at)
    if isinstance(found, Missing) or not found or found[0].status == DELETED:
        await lost(context, account, actor)
        return None
    await absorb_read(context, found, read_at)
    return found[0].detail
