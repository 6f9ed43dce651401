"""Open a connected account at Stripe, once: decided here, sent by `sending`, settled here.

The decision, what is sent and its key are one transaction. Two decisions for one merchant at once
are impossible by the schema. Must not judge whether a merchant should have another account.
"""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.context import Context
from reconciler.domain.cross_border import Agreement
from reconciler.domain.onboarding import Tenure
from reconciler.domain.refusals import Refusal
from reconciler.domain.sending import Status
from reconciler.gateway.account_fields import OPENING_METADATA
from reconciler.gateway.accounts import ACCOUNTS, Opening, opening
from reconciler.money_out.sending import Handling, Heard, Order, Search, Sending, prepare
from reconciler.onboarding.bind_account import ACCOUNT, opened
from reconciler.oversight.audit import Action, Actor, Audit, record
from reconciler.store import accounts, sendings
from reconciler.store.database import Session

WITHOUT_CARDS = "without the `card_payments` capability"
"""What Stripe's sentence says where a platform may not ask for transfers alone; it has no code.
https://docs.stripe.com/connect/account-capabilities#transfers"""

LOOK_BACK_SECONDS = 3600
"""How far Stripe's clock may be behind ours when an account is looked for by when it was opened."""

BEING_OPENED = Refusal(
    "account_opening",
    "Stripe has not yet confirmed the merchant's account. It is opened once, however often this is"
    " asked: ask again in a minute.",
)


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for: a country in two capitals (empty: the merchant's own), an e-mail address
    to begin Stripe's form with, what the owner is to agree to, and why, for the audit log."""

    country: str = ""
    email: str = ""
    agreement: Agreement = Agreement.FULL
    reason: str = ""


async def decide(
    session: Session, context: Context, merchant: str, wish: Wish, actor: Actor
) -> Sending:
    """A new account for the merchant is decided, in the caller's transaction, which has locked the
    merchant; to be sent when it is committed."""
    now = context.now()
    new = Opening(
        merchant,
        context.new_id("mac"),
        wish.country,
        wish.email,
        context.policy.capabilities,
        wish.agreement,
    )
    rows = await accounts.of_merchant(session, merchant)
    before = next((row for row in rows if row["state"] == Tenure.CURRENT), None)
    await accounts.add(session, new.id, merchant, new.country, now)
    order = Order(ACCOUNT, new.id, ACCOUNTS, opening(new))
    sending = await prepare(session, context, order)
    after = {"country": new.country, "opening": new.id}
    if new.agreement is not Agreement.FULL:
        after["service_agreement"] = new.agreement.value
    action, was = Action.ONBOARDING_STARTED, None
    if before is not None:
        action = Action.ONBOARDING_COUNTRY_CHANGED
        was = {"country": before["country"], "stripe_account": before["stripe_account"]}
    record(session, Audit(actor, action, merchant, was, after, wish.reason), now)
    return sending


async def last_attempt(context: Context, opening_id: str) -> Sending | None:
    """The newest attempt to open this account."""
    async with context.database.read() as session:
        found = await sendings.attempts(session, ACCOUNT, opening_id)
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
    if WITHOUT_CARDS in sending.message:
        return Refusal(
            "transfers_alone_refused",
            "Stripe lets this platform open no account that is paid by transfers alone: set"
            " RECONCILER_CONNECT_CAPABILITIES=transfers,card_payments, or have Stripe's support"
            " approve transfers alone.",
        )
    return Refusal("account_refused", f"Stripe did not open the account: {sending.message}")


async def follow(context: Context, session: Session, sending: Sending, _: Heard) -> None:
    """The merchant has the account, even if Stripe's answer did not name the opening; or Stripe's
    no is kept."""
    now = context.now()
    if sending.status is Status.REFUSED:
        await accounts.failed(session, sending.instruction, sending.code, sending.message, now)
        return
    row = await accounts.get(session, sending.instruction)
    if sending.status is not Status.ACCEPTED or row is None or row["stripe_account"]:
        return
    await opened(session, row, sending.stripe_object, now)


def search(sending: Sending) -> Search:
    """Where the account would be listed."""
    created = {"gte": max(0, sending.first_sent_at - LOOK_BACK_SECONDS)}
    return Search(ACCOUNTS, {"created": created}, OPENING_METADATA)


HANDLING = Handling(ACCOUNT, follow, search)
