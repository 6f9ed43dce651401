"""Pay a merchant out: decide in one transaction, then have one Stripe transfer made for it.

Every check is made in the transaction that reserves the money, so that no two payouts are promised
the same. What is sent, and what becomes of it, is `sending`'s business; here is what follows for
the payout. Must not call Stripe inside a transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from reconciler.context import Context
from reconciler.domain.approvals import Waiting
from reconciler.domain.audit import SERVICE
from reconciler.domain.books import Instruction, decided_payout
from reconciler.domain.ledger import merchant as merchant_account
from reconciler.domain.payouts import (
    Funds,
    account_refusal,
    amount_refusal,
    cancel_refusal,
    funds_refusal,
    unknown,
)
from reconciler.domain.positions import Position
from reconciler.domain.refusals import Refusal
from reconciler.domain.snapshot import PLATFORM
from reconciler.gateway.client import Gateway
from reconciler.gateway.snapshots import PAYOUT_METADATA
from reconciler.money_out import policy
from reconciler.money_out.available import Available
from reconciler.money_out.bind import PAYOUT
from reconciler.money_out.claims import Claim
from reconciler.money_out.course import By, Reserving, begin, current, send, wait
from reconciler.money_out.sending import Order, Search, Sending
from reconciler.money_out.sending import send as send_attempt
from reconciler.onboarding.read_account import read_account
from reconciler.oversight.audit import Action, Actor
from reconciler.store import books, merchants, mirror, objects, payouts, reservations
from reconciler.store.database import Row, Session

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Asked:
    """A payout as it was asked for, and what Stripe had."""

    merchant: str
    amount: int
    currency: str
    there: Available
    actor: Actor = SERVICE
    claim: Claim | None = None
    reason: str = ""


async def pay_out(
    context: Context,
    stripe: Gateway,
    merchant: str,
    amount: int,
    currency: str,
    *,
    actor: Actor = SERVICE,
    claim: Claim | None = None,
    reason: str = "",
) -> Row | Refusal:
    """The payout as it stands after one attempt, or why it was not begun. `amount` in minor units.

    Raises StripeUnavailable if what it rests on cannot be read at Stripe: nothing was begun.
    """
    if claim is not None and claim.instruction:
        return await send(context, stripe, PAYOUTS, claim.instruction)
    refusal = amount_refusal("payout", amount, currency) or stripe.not_now()
    if refusal:
        return refusal
    refusal = await _know_the_account(context, stripe, merchant)
    if refusal:
        return refusal
    there = await context.available.read(context.database, stripe)
    asked = _Asked(merchant, amount, currency, there, actor, claim, reason)
    decided = await _decide(context, asked)
    if isinstance(decided, Refusal):
        return decided
    id, attempt = decided
    if attempt is not None:
        await send_attempt(context, stripe, attempt, PAYOUTS.handling)
    return await current(context, PAYOUTS, id)


async def _know_the_account(context: Context, stripe: Gateway, merchant: str) -> Refusal | None:
    """What Stripe says of the merchant's account is in the records; read again if what is known
    would not do, because a webhook may have been lost. An account that Stripe does not show us is
    lost from now on, and refused."""
    async with context.database.read(brief=True) as session:
        known = await merchants.get(session, merchant)
        account = known["stripe_account"] if known else ""
        record = (await objects.get(session, [account])).get(account) if account else None
    if not account or account_refusal(merchant, record.snapshot if record else None) is None:
        return None
    found = await read_account(context, stripe, account)
    return account_refusal(merchant, None) if found is None else None


async def _decide(context: Context, asked: _Asked) -> tuple[str, Sending | None] | Refusal:
    """A payout whose money is reserved, with the attempt that is to be sent at once unless it waits
    for a second person; or the first check that fails."""
    now = context.now()
    async with context.write_books(brief=True) as session:
        known = await merchants.get(session, asked.merchant)
        refusal = await _unpayable(session, known, asked, now)
        if refusal or known is None:
            return refusal or _no_merchant(asked.merchant)
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
        what = _instruction(context.new_id("pyt"), known["stripe_account"], asked)
        by = By(Action.PAYOUT_REQUESTED, asked.actor, asked.claim, asked.reason)
        attempt = None
        if judged:
            await wait(session, context, PAYOUTS, what, by, reasons=judged)
        else:
            attempt = await begin(session, context, PAYOUTS, what, by)
    log.info("payout.decided", payout=what["id"], merchant=asked.merchant, waits=bool(judged))
    return what["id"], attempt


def _no_merchant(merchant: str) -> Refusal:
    return Refusal("unknown_merchant", f"There is no merchant {merchant}; create it first.")


async def _unpayable(
    session: Session, known: Row | None, asked: _Asked, now: int
) -> Refusal | None:
    """The first reason why this merchant cannot be paid this amount now; None if there is none."""
    if known is None:
        return _no_merchant(asked.merchant)
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
    currency, there = asked.currency, asked.there
    held = await books.balance(session, merchant_account(asked.merchant))
    owed = -sum(row["amount"] for row in held if row["currency"] == currency)
    reserved = await reservations.standing(session, PLATFORM, currency)
    taken = await reservations.released_since(session, there.before, currency)
    free = there.amounts.get(currency, 0) - taken - reserved
    pending = there.pending.get(currency, 0)
    if free >= asked.amount:
        return Funds(owed, free, pending=pending)
    later = await mirror.becoming_available(
        session, currency, now, cards_only=currency in there.mixed
    )
    return Funds(owed, free, later, pending)


def _instruction(id: str, destination: str, asked: _Asked) -> dict[str, Any]:
    return {
        "id": id,
        "merchant": asked.merchant,
        "destination": destination,
        "amount": asked.amount,
        "currency": asked.currency,
        "amount_reversed": 0,
    }


def _order(row: Mapping[str, Any]) -> Order:
    parameters = {
        "amount": row["amount"],
        "currency": row["currency"],
        "destination": row["destination"],
        "transfer_group": row["id"],
        "metadata": {PAYOUT_METADATA: row["id"], "merchant_id": row["merchant"]},
    }
    return Order(PAYOUT, row["id"], "/v1/transfers", parameters, row["amount"], row["currency"])


def _search(sending: Sending) -> Search:
    return Search("/v1/transfers", {"transfer_group": sending.instruction}, PAYOUT_METADATA)


def _position(row: Mapping[str, Any], counts: bool) -> Position:
    """The payout's money leaves the merchant while it counts."""
    payout = Instruction(row["id"], row["merchant"], row["amount"], row["currency"], "")
    return decided_payout(payout, counts=counts, at=row["created_at"])


def _waiting(row: Mapping[str, Any]) -> Waiting:
    return Waiting(
        row["id"], PAYOUT, row["merchant"], row["destination"], row["amount"], row["currency"]
    )


async def _account_left(session: Session, row: Row) -> Refusal | None:
    """Money goes to the account that the merchant has, not to one that it had."""
    known = await merchants.get(session, row["merchant"])
    if known is not None and known["stripe_account"] == row["destination"]:
        return None
    return Refusal(
        "destination_changed",
        f"Merchant {row['merchant']} is no longer connected as {row['destination']}; decline this"
        " payout and ask for a new one.",
    )


PAYOUTS = Reserving(
    PAYOUT,
    payouts.TABLE,
    _order,
    _search,
    lambda row: (row["destination"], row["destination"]),
    ("merchant", "amount", "currency", "destination", "status"),
    _position,
    _waiting,
    _account_left,
    lambda row: cancel_refusal(row["id"], row["status"]),
    unknown,
)
