"""Disconnect a merchant from its account: on our side only, Stripe is not told.

Guarded while money is on its way or owed: afterwards nothing can be paid to the merchant until it
is connected again. An admin may insist, with a reason. Must not delete anything: the account stays
watched.
"""

from __future__ import annotations

from reconciler.context import Context
from reconciler.domain.ledger import merchant as merchant_account
from reconciler.domain.money import major
from reconciler.domain.onboarding import Tenure
from reconciler.domain.refusals import Refusal
from reconciler.oversight.audit import Action, Actor, Audit, record
from reconciler.store import accounts, books
from reconciler.store.database import Row, Session


async def disconnect(
    context: Context, merchant: str, actor: Actor, *, force: bool = False, reason: str = ""
) -> Row | Refusal:
    """The tenure that ended, or why it did not."""
    now = context.now()
    # Alone among all that decide payouts: none begins between the look and the end.
    async with context.write_books() as session:
        if await accounts.lock_merchant(session, merchant) is None:
            return Refusal("unknown_merchant", f"There is no merchant {merchant}; create it first.")
        rows = await accounts.of_merchant(session, merchant)
        if any(row["state"] == Tenure.OPENING for row in rows):
            return Refusal(
                "account_opening",
                "An account is being opened for this merchant; disconnect it when Stripe has"
                " confirmed it.",
            )
        if not any(row["state"] == Tenure.CURRENT for row in rows):
            sentence = f"Merchant {merchant} has no connected account; there is nothing to end."
            return Refusal("not_connected", sentence)
        held_back = await _held_back(session, merchant)
        if held_back is not None and not force:
            return held_back
        ended = await accounts.ended(session, merchant, Tenure.DISCONNECTED, now)
        assert ended is not None
        before = {"stripe_account": ended["stripe_account"], "country": ended["country"]}
        after = {"state": ended["state"], "against": held_back.code if held_back else ""}
        entry = Audit(actor, Action.ONBOARDING_DISCONNECTED, merchant, before, after, reason)
        record(session, entry, now)
    return ended


async def _held_back(session: Session, merchant: str) -> Refusal | None:
    moving = await accounts.in_flight(session, merchant)
    if moving:
        first, more = moving[0], len(moving) - 1
        others = f" and {more} more" if more else ""
        status = first["status"].replace("_", " ")
        return Refusal(
            "money_in_flight",
            f"{first['id']} is {status}{others}: wait until it is settled or cancel it, then"
            " disconnect.",
        )
    held = await books.balance(session, merchant_account(merchant))
    owed = [(row["currency"], -row["amount"]) for row in held if row["amount"]]
    if not owed:
        return None
    named = ", ".join(f"{major(amount, currency)} {currency}" for currency, amount in owed)
    return Refusal(
        "balance_not_zero",
        f"The balance of merchant {merchant} is {named}: pay it out, or collect it, first.",
    )
