"""Read one object from Stripe for a repair, and take in what was read.

Must not be asked to read inside a transaction.
"""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.context import Context
from reconciler.domain.refusals import Refusal
from reconciler.domain.snapshot import Snapshot
from reconciler.gateway.budget import Priority
from reconciler.gateway.fields import Unreadable
from reconciler.gateway.outcomes import Missing, StripeUnavailable
from reconciler.intake.absorb import Arrival, absorb
from reconciler.store import objects
from reconciler.store.database import Session


def no_key() -> Refusal:
    return Refusal("stripe_unavailable", "No Stripe key is set: nothing can be asked of Stripe.")


async def read_object(context: Context, id: str, account: str) -> list[Snapshot] | Refusal:
    """The object as Stripe has it now. Must not be called inside a transaction."""
    if context.stripe is None:
        return no_key()
    try:
        stripe = context.stripe.at(Priority.COMMAND_READ)
        found = await stripe.retrieve(id, account, context.now())
    except (StripeUnavailable, Unreadable) as error:
        text = f"{id} could not be read from Stripe, so nothing was done: {error}"
        return Refusal("stripe_unavailable", text[:400])
    if isinstance(found, Missing):
        return Refusal(
            "not_at_stripe",
            f"Stripe has no {id} for this account: it belongs to another, or never was.",
        )
    return found


async def take_in(
    session: Session, context: Context, found: Sequence[Snapshot], cause: str
) -> None:
    """What was read is in the records and the books, in the caller's transaction."""
    arrivals = [Arrival(snapshot, cause) for snapshot in found]
    await absorb(session, context.policy, arrivals, context.now())
    await objects.settled(session, {s.id: s.as_of for s in found})
