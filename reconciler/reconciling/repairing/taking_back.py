"""Take back what a transfer sent that nobody here decided: one transfer reversal, exactly once.

For a transfer that no payout stands behind, a second one for the same payout, or what one sent
beyond its payout. It goes the way of every reversal. Must not call Stripe inside a transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from reconciler.context import Context
from reconciler.domain.facts import BalanceTransaction
from reconciler.domain.lifecycle import Kind
from reconciler.domain.money import major
from reconciler.domain.payouts import amount_refusal
from reconciler.domain.refusals import Refusal
from reconciler.domain.repairs import Choice
from reconciler.domain.snapshot import Origin, Snapshot
from reconciler.intake.mirror_balance import keep_movements
from reconciler.money_out.reverse import REVERSALS, begin
from reconciler.reconciling.compare_transfers import keep_compared
from reconciler.reconciling.repairing.adopting import executed, look_at_transfer, transfer_of
from reconciler.reconciling.repairing.asking import no_key, take_in
from reconciler.reconciling.repairing.work import Way, Work
from reconciler.store import instructions, reversals

FORESEEN = "foreseen"


async def _look(
    context: Context, finding: Mapping[str, Any], choice: Choice
) -> list[Snapshot] | Refusal:
    if context.stripe is None:
        return no_key()
    return context.stripe.not_now() or await look_at_transfer(context, finding, choice)


async def _reverse(work: Work, found: Sequence[Snapshot]) -> Refusal | None:
    transfer = transfer_of(work, found)
    await take_in(work.session, work.context, found, work.id)
    amount = await amount_back(work, transfer)
    if isinstance(amount, Refusal):
        return amount
    held = await executed(work, transfer)
    nobodys = {"id": None, "merchant": "", "transfer_id": transfer.id}
    payout = held or {**nobodys, "currency": transfer.currency}
    work.attempt = await begin(
        work.session,
        work.context,
        payout,
        amount,
        actor=work.actor,
        reason=f"repair of finding {work.finding['id']}",
    )
    work.made = work.attempt.instruction
    work.says.append(
        f"Stripe is asked to take {major(amount, transfer.currency)} {transfer.currency} back from"
        f" {transfer.detail['destination']}; it can refuse, where that account no longer has it."
    )
    return None


async def amount_back(work: Work, transfer: Snapshot) -> int | Refusal:
    """What is to be taken back: all that nobody decided, unless less was chosen."""
    under_way = await reversals.under_way_of(work.session, transfer.id)
    payout = await executed(work, transfer)
    left = transfer.amount - int(transfer.detail["amount_reversed"]) - under_way
    undecided = left - (payout["amount"] - payout["amount_reversed"] if payout else 0)
    if undecided <= 0:
        return Refusal(
            "already_reversed",
            f"All that {transfer.id} sent and nobody decided has come back, or is about to.",
        )
    amount = undecided if work.choice.amount is None else work.choice.amount
    if amount > undecided:
        most = f"{major(undecided, transfer.currency)} {transfer.currency}"
        return Refusal("reversal_too_large", f"Only {most} is to be taken back: that, or less.")
    return amount_refusal("reversal", amount, transfer.currency) or amount


async def _foresee(work: Work, found: Sequence[Snapshot]) -> None:
    """What Stripe will say once it has made the reversal: its object, and its movement."""
    transfer = transfer_of(work, found)
    row = await _asked(work)
    detail = {
        "transfer": transfer.id,
        "source_refund": "",
        "balance_transaction": f"txn_{FORESEEN}",
        "request": row["id"],
    }
    reversal = replace(
        transfer,
        kind=Kind.REVERSAL,
        id=f"trr_{FORESEEN}",
        amount=row["amount"],
        created=work.now,
        as_of=work.now,
        origin=Origin.FETCHED,
        detail=detail,
    )
    back = int(transfer.detail["amount_reversed"]) + row["amount"]
    after = replace(transfer, detail={**transfer.detail, "amount_reversed": back})
    await take_in(work.session, work.context, [after, reversal], work.id)
    await keep_compared(work.session, [after], work.now)
    await keep_movements(work.session, [_movement(transfer, row["amount"], work.now)], work.now)


async def _asked(work: Work) -> Mapping[str, Any]:
    row = await instructions.get(work.session, reversals.TABLE, work.made)
    assert row is not None
    return row


def _movement(transfer: Snapshot, amount: int, now: int) -> BalanceTransaction:
    return BalanceTransaction(
        id=f"txn_{FORESEEN}",
        stripe_account=transfer.stripe_account,
        type="transfer_refund",
        reporting_category="transfer_reversal",
        balance_type="payments",
        currency=transfer.currency,
        amount=amount,
        fee=0,
        net=amount,
        created=now,
        available_on=now,
        status="available",
        source=transfer.id,
        source_amount=amount,
        source_currency=transfer.currency,
        source_charge="",
        exchange_rate="",
        description="",
    )


REVERSE = Way(_reverse, _look, _foresee, REVERSALS.handling, fresh=True)
