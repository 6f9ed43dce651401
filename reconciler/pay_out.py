"""Pay a merchant out: decide in one transaction, send one Stripe transfer, record what came of it.

The instruction, its parameters and its key are stored before anything is sent. A definite no gives
the money back; no answer leaves the payout `unknown` and its money reserved until a transfer that
names it is seen. Must never send a second time what may have happened.
"""

from __future__ import annotations

from typing import Any

import msgspec
import structlog

from reconciler.absorb import Arrival, absorb
from reconciler.context import Context
from reconciler.domain.books import Instruction, decided_payout
from reconciler.domain.ledger import merchant as merchant_account
from reconciler.domain.money import major
from reconciler.domain.positions import settle
from reconciler.domain.refusals import Refusal
from reconciler.domain.snapshot import PLATFORM
from reconciler.gateway.client import Gateway
from reconciler.gateway.outcomes import Ending, Outcome
from reconciler.gateway.snapshots import PAYOUT_METADATA
from reconciler.store import books, payouts, positions
from reconciler.store.database import Row, Session

log = structlog.get_logger()

STUCK_SECONDS = 90
"""Longer than Stripe is waited for: what has not moved since was left behind by a crash."""


async def pay_out(
    context: Context, stripe: Gateway, merchant: str, amount: int, currency: str
) -> Row | Refusal:
    """The payout as it stands after one attempt, or why it was not begun. `amount` in minor units.

    Raises StripeUnavailable if the platform's available balance cannot be read: nothing was begun.
    """
    async with context.database.read() as session:
        before = await books.newest(session)
    available = (await stripe.balance()).available.get(currency, 0)
    decided = await _decide(context, merchant, amount, currency, available, before)
    if isinstance(decided, Refusal):
        return decided
    await _send(context, stripe, decided)
    async with context.database.read() as session:
        row = await payouts.get(session, decided)
    assert row is not None
    return row


async def _decide(
    context: Context, merchant: str, amount: int, currency: str, available: int, before: int
) -> str | Refusal:
    """The id of a payout whose money is reserved, or the first check that fails. `available` was
    read at Stripe after the ledger transaction `before`."""
    now = context.now()
    if amount <= 0:
        return Refusal("amount_not_positive", "A payout must be of a positive amount.")
    async with context.write_books() as session:
        known = await payouts.merchant(session, merchant)
        if known is None:
            return Refusal("unknown_merchant", f"There is no merchant {merchant}; create it first.")
        if not known["stripe_account"]:
            return Refusal(
                "not_connected", f"Merchant {merchant} has no connected account; onboard it first."
            )
        available -= await books.released_since(session, before, currency)
        refusal = await _affordable(session, merchant, amount, currency, available)
        if refusal:
            return refusal
        id = context.new_id("pyt")
        row = _instruction(id, merchant, known["stripe_account"], amount, currency, now)
        await payouts.insert(session, row)
        await _post(session, row, counts=True, now=now)
    log.info("payout.decided", payout=id, merchant=merchant, amount=amount, currency=currency)
    return id


async def _affordable(
    session: Session, merchant: str, amount: int, currency: str, available: int
) -> Refusal | None:
    """Both balances that a payout needs: the merchant's own, and the platform's available at Stripe
    less what other commands have reserved."""
    held = await books.balance(session, merchant_account(merchant))
    owed = -sum(row["amount"] for row in held if row["currency"] == currency)
    if owed < amount:
        return Refusal(
            "insufficient_merchant_balance",
            f"Merchant {merchant} has {major(owed, currency)} {currency}; ask for that or less.",
        )
    totals = await books.totals(session, PLATFORM)
    reserved = [r for r in totals if (r["kind"], r["currency"]) == ("reserved", currency)]
    free = available + sum(row["books"] for row in reserved)
    if free < amount:
        return Refusal(
            "insufficient_platform_available",
            f"Stripe has {major(free, currency)} {currency} available for the platform now; wait"
            " until pending funds become available, or ask for less.",
        )
    return None


def _instruction(
    id: str, merchant: str, destination: str, amount: int, currency: str, now: int
) -> dict[str, Any]:
    parameters = {
        "amount": amount,
        "currency": currency,
        "destination": destination,
        "transfer_group": id,
        "metadata": {PAYOUT_METADATA: id, "merchant_id": merchant},
    }
    return {
        "id": id,
        "merchant": merchant,
        "destination": destination,
        "amount": amount,
        "currency": currency,
        "status": "pending",
        "parameters": msgspec.json.encode(parameters).decode(),
        "first_sent_at": 0,
        "transfer_id": "",
        "failure_code": "",
        "failure_message": "",
        "created_at": now,
        "updated_at": now,
    }


async def _post(session: Session, row: Row | dict[str, Any], *, counts: bool, now: int) -> None:
    """Post the payout's own position: its money leaves the merchant, or comes back."""
    payout = Instruction(row["id"], row["merchant"], row["amount"], row["currency"], "")
    held = (await positions.of_families(session, {payout.id})).get(payout.id)
    target = decided_payout(payout, counts=counts, at=row["created_at"])
    position, posting = settle(held, target)
    await positions.save(session, [position])
    if posting:
        await books.post(session, [(posting, payout.id)], now)


async def resume(context: Context, stripe: Gateway) -> int:
    """Payouts that a crash left between steps go on: how many.

    A pending one was never sent, so it is sent. One that was being sent is unknown: it may have
    happened.
    """
    now = context.now()
    async with context.database.read() as session:
        left = [r for r in await payouts.unresolved(session) if r["status"] != "unknown"]
    stuck = [r for r in left if r["updated_at"] < now - STUCK_SECONDS]
    for row in stuck:
        if row["status"] == "pending":
            await _send(context, stripe, row["id"])
            continue
        async with context.write() as session:
            await payouts.move(
                session,
                row["id"],
                expected="sending",
                status="unknown",
                now=now,
                failure_code="no_answer",
                failure_message="the service stopped before Stripe answered",
            )
    return len(stuck)


async def _send(context: Context, stripe: Gateway, id: str) -> None:
    """Send the transfer once, and write down what is known of it."""
    async with context.write() as session:
        row = await payouts.get(session, id)
        moved = await payouts.move(
            session, id, expected="pending", status="sending", now=context.now()
        )
    if row is None or not moved:
        return
    sent_at = context.now()
    parameters = msgspec.json.decode(row["parameters"])
    outcome = await stripe.create_transfer(parameters, key=f"payout:{id}")
    async with context.write_books() as session:
        await _record(context, session, row, outcome, stripe, sent_at)
    log.info("payout.sent", payout=id, ending=outcome.ending.value, code=outcome.refusal.code)


async def _record(
    context: Context,
    session: Session,
    row: Row,
    outcome: Outcome,
    stripe: Gateway,
    sent_at: int,
) -> None:
    now = context.now()
    if outcome.ending is Ending.ACCEPTED:
        found = stripe.read_answer(outcome.body, sent_at)
        await absorb(session, context.policy, [Arrival(s, row["id"]) for s in found], now)
        return
    definite = outcome.ending is Ending.REFUSED
    moved = await payouts.move(
        session,
        row["id"],
        expected="sending",
        status="failed" if definite else "unknown",
        now=now,
        failure_code=outcome.refusal.code,
        failure_message=outcome.refusal.message,
    )
    if moved and definite:
        await _post(session, row, counts=False, now=now)
