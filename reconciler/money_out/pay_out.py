"""Pay a merchant out: decide in one transaction, then have one Stripe transfer made for it.

Every check is made in the transaction that reserves the money, so that no two payouts are promised
the same. What is sent, and what becomes of it, is `sending`'s business; here is what follows for
the payout. Must not call Stripe inside a transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import structlog

from reconciler.context import Context
from reconciler.domain.audit import SERVICE
from reconciler.domain.ledger import merchant as merchant_account
from reconciler.domain.payouts import (
    Funds,
    account_refusal,
    amount_refusal,
    funds_refusal,
)
from reconciler.domain.refusals import Refusal
from reconciler.domain.snapshot import PLATFORM
from reconciler.gateway.client import Gateway
from reconciler.gateway.outcomes import Missing
from reconciler.intake.absorb import Arrival, absorb
from reconciler.money_out import approvals, claims, policy
from reconciler.money_out.bind import PAYOUT
from reconciler.money_out.claims import Claim
from reconciler.money_out.payout_steps import (
    HANDLING,
    audit,
    current,
    decline,
    order,
    post,
    release_approved,
)
from reconciler.money_out.payout_steps import send as send
from reconciler.money_out.sending import Sending, prepare
from reconciler.money_out.sending import send as send_attempt
from reconciler.oversight.audit import Action, Actor, record
from reconciler.store import books, merchants, mirror, objects, payouts
from reconciler.store.database import Row, Session

__all__ = ["decline", "pay_out", "release_approved", "send"]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Asked:
    """A payout as it was asked for, and Stripe's available balance, read after the ledger
    transaction `before`."""

    merchant: str
    amount: int
    currency: str
    available: int
    before: int
    actor: Actor = SERVICE
    claim: Claim | None = None


async def pay_out(
    context: Context,
    stripe: Gateway,
    merchant: str,
    amount: int,
    currency: str,
    *,
    actor: Actor = SERVICE,
    claim: Claim | None = None,
) -> Row | Refusal:
    """The payout as it stands after one attempt, or why it was not begun. `amount` in minor units.

    Raises StripeUnavailable if what it rests on cannot be read at Stripe: nothing was begun.
    """
    if claim is not None and claim.instruction:
        return await _as_it_stands(context, stripe, claim.instruction)
    refusal = amount_refusal("payout", amount, currency) or stripe.not_now()
    if refusal:
        return refusal
    await _know_the_account(context, stripe, merchant)
    there = await context.available.read(context.database, stripe)
    available = there.amounts.get(currency, 0)
    asked = _Asked(merchant, amount, currency, available, there.before, actor, claim)
    decided = await _decide(context, asked)
    if isinstance(decided, Refusal):
        return decided
    id, attempt = decided
    if attempt is not None:
        await send_attempt(context, stripe, attempt, HANDLING)
    return await current(context, id)


async def _know_the_account(context: Context, stripe: Gateway, merchant: str) -> None:
    """What Stripe says of the merchant's account is in the records; read again if what is known
    would not do, because a webhook may have been lost."""
    async with context.database.read() as session:
        known = await merchants.get(session, merchant)
        account = known["stripe_account"] if known else ""
        record = (await objects.get(session, [account])).get(account) if account else None
    if not account or account_refusal(merchant, record.snapshot if record else None) is None:
        return
    now = context.now()
    found = await stripe.retrieve(account, account, now)
    if isinstance(found, Missing):
        return
    async with context.write_books() as session:
        await absorb(session, context.policy, [Arrival(s, "payout") for s in found], now)


async def _decide(context: Context, asked: _Asked) -> tuple[str, Sending | None] | Refusal:
    """A payout whose money is reserved, with the attempt that is to be sent at once unless it waits
    for a second person; or the first check that fails."""
    now = context.now()
    async with context.write_books() as session:
        known = await merchants.get(session, asked.merchant)
        refusal = await _unpayable(session, known, asked, now)
        if refusal or known is None:
            return refusal or _unknown(asked.merchant)
        judged = await policy.judge(
            session,
            kind=PAYOUT,
            merchant=asked.merchant,
            amount=asked.amount,
            currency=asked.currency,
            now=now,
        )
        if isinstance(judged, Refusal):
            return judged
        row = _instruction(context.new_id("pyt"), known["stripe_account"], asked, now)
        row["status"] = "awaiting_approval" if judged else "sending"
        await payouts.insert(session, row)
        await post(session, row, counts=True, now=now)
        attempt = None
        if judged:
            await approvals.ask(
                session,
                context,
                instruction=row["id"],
                kind=PAYOUT,
                merchant=asked.merchant,
                amount=asked.amount,
                currency=asked.currency,
                destination=row["destination"],
                asked_by=asked.actor.key_id,
                reasons=judged,
            )
        else:
            attempt = await prepare(session, context, order(row), first=True)
        await claims.decided(session, asked.claim, row["id"])
        record(session, audit(asked.actor, Action.PAYOUT_REQUESTED, row), now)
    log.info("payout.decided", payout=row["id"], merchant=asked.merchant, status=row["status"])
    return row["id"], attempt


def _unknown(merchant: str) -> Refusal:
    return Refusal("unknown_merchant", f"There is no merchant {merchant}; create it first.")


async def _unpayable(
    session: Session, known: Row | None, asked: _Asked, now: int
) -> Refusal | None:
    """The first reason why this merchant cannot be paid this amount now; None if there is none."""
    if known is None:
        return _unknown(asked.merchant)
    account = known["stripe_account"]
    if not account:
        return Refusal(
            "not_connected",
            f"Merchant {asked.merchant} has no connected account; onboard it first.",
        )
    record = (await objects.get(session, [account])).get(account)
    refusal = account_refusal(asked.merchant, record.snapshot if record else None)
    return refusal or funds_refusal(
        asked.merchant, asked.amount, asked.currency, await _funds(session, asked, now)
    )


async def _funds(session: Session, asked: _Asked, now: int) -> Funds:
    """Both balances that a payout needs: the merchant's own, and the platform's available at Stripe
    less what other commands have reserved."""
    currency = asked.currency
    held = await books.balance(session, merchant_account(asked.merchant))
    owed = -sum(row["amount"] for row in held if row["currency"] == currency)
    totals = await books.totals(session, PLATFORM)
    reserved = [r for r in totals if (r["kind"], r["currency"]) == ("reserved", currency)]
    taken = await books.released_since(session, asked.before, currency)
    free = asked.available - taken + sum(row["books"] for row in reserved)
    later = [] if free >= asked.amount else await mirror.becoming_available(session, currency, now)
    return Funds(owed, free, later)


def _instruction(id: str, destination: str, asked: _Asked, now: int) -> dict[str, Any]:
    return {
        "id": id,
        "merchant": asked.merchant,
        "destination": destination,
        "amount": asked.amount,
        "currency": asked.currency,
        "transfer_id": "",
        "amount_reversed": 0,
        "failure_code": "",
        "failure_message": "",
        "request_key": asked.claim.id if asked.claim else "",
        "created_at": now,
        "updated_at": now,
    }


async def _as_it_stands(context: Context, stripe: Gateway, id: str) -> Row:
    """What an earlier attempt of the same request decided; sent, if it was left before that."""
    await send(context, stripe, id)
    return await current(context, id)
