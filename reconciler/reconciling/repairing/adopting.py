"""Adopt an outside transfer: it becomes a payout of the merchant that it went to.

From then on the books are what they would be had the payout been decided here, and everything
about it goes the way of payouts. Must not send anything: the money has gone already.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.context import Context
from reconciler.domain.books import Instruction, decided_payout
from reconciler.domain.ledger import merchant as merchant_account
from reconciler.domain.lifecycle import Kind
from reconciler.domain.money import major
from reconciler.domain.refusals import Refusal
from reconciler.domain.repairs import Choice
from reconciler.domain.snapshot import Snapshot
from reconciler.intake.absorb import resettle
from reconciler.money_out.standing import stand
from reconciler.reconciling.compare_transfers import keep_compared
from reconciler.reconciling.repairing.asking import read_object, take_in
from reconciler.reconciling.repairing.work import Way, Work
from reconciler.store import (
    accounts,
    books,
    instructions,
    merchants,
    objects,
    payouts,
    reversals,
)
from reconciler.store.database import Row


async def look_at_transfer(
    context: Context, finding: Mapping[str, Any], _: Choice
) -> list[Snapshot] | Refusal:
    """The transfer as Stripe has it now, its reversals with it."""
    return await read_object(context, finding["reference"], finding["stripe_account"])


def transfer_of(work: Work, found: Sequence[Snapshot]) -> Snapshot:
    """The transfer that the finding is about, among what was read."""
    return next(s for s in found if s.id == work.reference and s.kind is Kind.TRANSFER)


async def executed(work: Work, transfer: Snapshot) -> Row | None:
    """The payout that this transfer executes, if it does."""
    return next(iter(await payouts.executed_by(work.session, {transfer.id})), None)


async def _adopt(work: Work, found: Sequence[Snapshot]) -> Refusal | None:
    transfer = transfer_of(work, found)
    await take_in(work.session, work.context, found, work.id)
    held = await executed(work, transfer)
    if held is not None:
        return Refusal(
            "already_adopted",
            f"{transfer.id} is payout {held['id']} of {held['merchant']} already.",
        )
    merchant = await _whose(work, transfer)
    if isinstance(merchant, Refusal):
        return merchant
    payout = _payout(work, transfer, merchant)
    await instructions.insert(work.session, payouts.TABLE, payout)
    work.made = payout["id"]
    await _stand(work, payout, transfer, counts=True)
    await _warn(work, merchant, transfer.currency)
    return None


def _payout(work: Work, transfer: Snapshot, merchant: str) -> dict[str, Any]:
    return {
        "id": work.context.new_id("pyt"),
        "merchant": merchant,
        "destination": transfer.detail["destination"],
        "amount": transfer.amount,
        "currency": transfer.currency,
        "status": "completed",
        "transfer_id": transfer.id,
        "amount_reversed": 0,
        "failure_code": "",
        "failure_message": "",
        "request_key": "",
        "created_at": transfer.created,
        "updated_at": work.now,
    }


async def _stand(
    work: Work, payout: Mapping[str, Any], transfer: Snapshot, *, counts: bool
) -> None:
    """The books say of the payout, and of its transfer, what they now should."""
    decided = Instruction(
        payout["id"], payout["merchant"], payout["amount"], payout["currency"], transfer.id
    )
    position = decided_payout(decided, counts=counts, at=payout["created_at"])
    await stand(work.session, position, work.now)
    await resettle(work.session, work.context.policy, transfer.id, payout["id"], work.now)
    await keep_compared(work.session, [transfer], work.now)


async def _whose(work: Work, transfer: Snapshot) -> str | Refusal:
    """The merchant to whose account the transfer went; or the one that was chosen, where it went to
    an account that is, and was, no merchant's."""
    account = str(transfer.detail["destination"])
    owners = await _owners(work, transfer, account)
    chosen = work.choice.merchant
    if not chosen and len(owners) == 1:
        return owners[0]
    if not chosen:
        known = f"it was {' and '.join(owners)}'s" if owners else "it is no merchant's"
        return Refusal(
            "merchant_needed",
            f"{transfer.id} went to {account}, and {known}: send the merchant that it was for.",
        )
    if owners and chosen not in owners:
        return Refusal(
            "not_that_merchant", f"{account} was {owners[0]}'s when {transfer.id} was made."
        )
    if await merchants.get(work.session, chosen) is None:
        return Refusal(
            "unknown_merchant", f"There is no merchant {chosen[:80]!r}; create it first."
        )
    return chosen


async def _owners(work: Work, transfer: Snapshot, account: str) -> list[str]:
    """Whose the account was when the transfer was made; or else whoever had it at any time."""
    tenures = await accounts.of_account(work.session, account)
    then = [
        row
        for row in tenures
        if row["valid_from"] <= transfer.created
        and (not row["valid_to"] or transfer.created < row["valid_to"])
    ]
    return sorted({row["merchant"] for row in then or tenures})


async def _warn(work: Work, merchant: str, currency: str) -> None:
    held = await books.balance(work.session, merchant_account(merchant))
    owed = -sum(row["amount"] for row in held if row["currency"] == currency)
    word = "is owed" if owed >= 0 else "owes"
    work.says.append(f"Merchant {merchant} then {word} {major(abs(owed), currency)} {currency}.")


async def _unadopt(work: Work, repair: Mapping[str, Any]) -> Refusal | None:
    """The payout is cancelled, its transfer nobody's again. What went on from it stays, and then it
    cannot be undone."""
    asked = await reversals.of_payout(work.session, repair["made"])
    if any(row["status"] != "failed" for row in asked):
        return Refusal(
            "undo_refused",
            f"Payout {repair['made']} was taken back since, in whole or in part: that rests on its"
            " being a payout.",
        )
    before = await instructions.get(work.session, payouts.TABLE, repair["made"])
    transfer = before["transfer_id"] if before else ""
    gone = await payouts.unadopt(work.session, repair["made"], work.now)
    found = await _record(work, transfer)
    if gone is None or found is None:
        return Refusal("undo_refused", f"Payout {repair['made']} is not what was adopted any more.")
    await _stand(work, gone, found, counts=False)
    return None


async def _record(work: Work, transfer: str) -> Snapshot | None:
    record = (await objects.get(work.session, [transfer])).get(transfer) if transfer else None
    return record.snapshot if record else None


ADOPT = Way(_adopt, look_at_transfer, undo=_unadopt, fresh=True)
