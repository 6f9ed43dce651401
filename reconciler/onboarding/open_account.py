"""Open a connected account at Stripe, once: decided here, sent by `sending`, settled here.

The decision, what is sent and its key are one transaction. Two decisions for one merchant at once
are impossible by the schema. Must not judge whether a merchant should have another account.
"""

from __future__ import annotations

from reconciler.context import Context
from reconciler.domain.onboarding import Tenure
from reconciler.domain.refusals import Refusal
from reconciler.domain.sending import Status
from reconciler.gateway.account_fields import OPENING_METADATA
from reconciler.gateway.accounts import ACCOUNTS, opening
from reconciler.money_out.sending import Handling, Heard, Order, Search, Sending, prepare
from reconciler.oversight.audit import SERVICE, Action, Actor, Audit, record
from reconciler.store import accounts, sendings
from reconciler.store.database import Session

KIND = "account"
LOOK_BACK_SECONDS = 3600
"""How far Stripe's clock may be behind ours when an account is looked for by when it was opened."""

BEING_OPENED = Refusal(
    "account_opening",
    "Stripe has not yet confirmed the merchant's account. It is opened once, however often this is"
    " asked: ask again in a minute.",
)


async def decide(
    session: Session, context: Context, merchant: str, country: str, email: str, actor: Actor
) -> Sending:
    """A new account for the merchant is decided, in the caller's transaction, which has locked the
    merchant; to be sent when it is committed."""
    id, now = context.new_id("mac"), context.now()
    rows = await accounts.of_merchant(session, merchant)
    before = next((row for row in rows if row["state"] == Tenure.CURRENT), None)
    await accounts.add(session, id, merchant, country, now)
    order = Order(KIND, id, ACCOUNTS, opening(merchant, id, country, email))
    sending = await prepare(session, context, order)
    after = {"country": country, "opening": id}
    action, was = Action.ONBOARDING_STARTED, None
    if before is not None:
        action = Action.ONBOARDING_COUNTRY_CHANGED
        was = {"country": before["country"], "stripe_account": before["stripe_account"]}
    record(session, Audit(actor, action, merchant, was, after), now)
    return sending


async def last_attempt(context: Context, opening_id: str) -> Sending | None:
    """The newest attempt to open this account."""
    async with context.database.read() as session:
        found = await sendings.attempts(session, KIND, opening_id)
    return found[0] if found else None


def outcome(sending: Sending) -> Refusal | None:
    """What the caller is told of an attempt; None if the account is there."""
    if sending.status is Status.ACCEPTED:
        return None
    if sending.status is not Status.REFUSED:
        return BEING_OPENED
    if sending.code in ("country_unsupported", "country_code_invalid"):
        sentence = f"Stripe opens no accounts there: {sending.message} Choose another country."
        return Refusal("country_unsupported", sentence)
    return Refusal("account_refused", f"Stripe did not open the account: {sending.message}")


async def follow(context: Context, session: Session, sending: Sending, _: Heard) -> None:
    """The merchant has the account, in place of the one before; or Stripe's no is kept."""
    now = context.now()
    if sending.status is Status.REFUSED:
        await accounts.failed(session, sending.instruction, sending.code, sending.message, now)
        return
    row = await accounts.get(session, sending.instruction)
    if sending.status is not Status.ACCEPTED or row is None or row["stripe_account"]:
        return
    merchant = row["merchant"]
    await accounts.lock_merchant(session, merchant)
    before = await accounts.ended(session, merchant, Tenure.REPLACED, now)
    await accounts.begun(session, row["id"], sending.stripe_object, now)
    was = {"stripe_account": before["stripe_account"]} if before else None
    after = {"stripe_account": sending.stripe_object, "country": row["country"]}
    record(session, Audit(SERVICE, Action.ACCOUNT_CHANGED, merchant, was, after), now)


def search(sending: Sending) -> Search:
    """Where the account would be listed."""
    created = {"gte": max(0, sending.first_sent_at - LOOK_BACK_SECONDS)}
    return Search(ACCOUNTS, {"created": created}, OPENING_METADATA)


HANDLING = Handling(KIND, follow, search)
