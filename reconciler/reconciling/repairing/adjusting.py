"""Post an adjustment, so that books and facts of one object meet; above a limit, by two people.

An adjustment is a record: the books hold those that are posted, and the self-check knows them. One
that waits has moved nothing. Must not choose the account: a person does, from a closed list.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.context import Context
from reconciler.domain.adjustments import ACCOUNTS, REASONS, borne_by, decided_adjustment, terms
from reconciler.domain.approvals import Waiting
from reconciler.domain.ledger import SUSPENSE, clearing
from reconciler.domain.money import major
from reconciler.domain.policies import Scope, needs_approval
from reconciler.domain.refusals import Refusal
from reconciler.domain.repairs import is_movement
from reconciler.gateway.client import Gateway
from reconciler.money_out import approvals
from reconciler.money_out.standing import stand
from reconciler.reconciling.repairing.looking import look_again, subject_of
from reconciler.reconciling.repairing.work import Way, Work
from reconciler.store import adjustments, books, merchants, policies
from reconciler.store.database import Row, Session

KIND = "adjustment"


async def _adjust(work: Work, _: None) -> Refusal | None:
    refusal = await _unpostable(work)
    if refusal is not None:
        return refusal
    amount = _amount(work)
    if isinstance(amount, Refusal):
        return amount
    row = _row(work, amount)
    refusal = await not_open(work.session, row)
    if refusal is not None:
        return refusal
    limits = await policies.in_force(work.session, Scope(work.currency, row["merchant"]))
    work.waits = needs_approval(limits, work.currency, abs(amount), ())
    status = "awaiting_approval" if work.waits else "posted"
    await adjustments.insert(work.session, {**row, "status": status})
    work.made = row["id"]
    if work.waits:
        asked = waiting_of(row)
        await approvals.ask(work.session, work.context, asked, work.actor.key_id, work.waits)
        work.says.append("It waits for a second person; until then nothing is posted.")
    else:
        await stand(work.session, decided_adjustment(row, counts=True), work.now)
    return None


async def _unpostable(work: Work) -> Refusal | None:
    """Why what was chosen cannot be posted by anybody; None if it can."""
    choice = work.choice
    owner = borne_by(choice.account)
    if owner is None:
        known = ", ".join([*ACCOUNTS, "merchant:<id>"])
        return Refusal("unknown_account", f"An adjustment is borne by one of: {known}.")
    if choice.reason not in REASONS:
        return Refusal("unknown_reason", f"The reason is one of: {', '.join(REASONS)}.")
    if owner and await merchants.get(work.session, owner) is None:
        return Refusal("unknown_merchant", f"There is no merchant {owner[:80]!r}; create it first.")
    held = await adjustments.waiting(work.session, work.finding["id"])
    if held is not None:
        return Refusal(
            "adjustment_waiting",
            f"Adjustment {held['id']} of this finding waits for a second person already; let it be"
            " decided first.",
        )
    return None


def _amount(work: Work) -> int | Refusal:
    """What is posted, with the sign of the difference: all of it unless less was chosen."""
    difference, chosen = work.finding["difference"], work.choice.amount
    if chosen is None or chosen == abs(difference):
        return int(difference)
    if is_movement(work.reference):
        return Refusal("adjustment_not_whole", "A movement in suspense is posted whole, or not.")
    if chosen > abs(difference):
        most = f"{major(abs(difference), work.currency)} {work.currency}"
        return Refusal("adjustment_too_large", f"Only {most} differs: post that, or less.")
    return chosen if difference > 0 else -chosen


def _row(work: Work, amount: int) -> dict[str, Any]:
    choice = work.choice
    return {
        "id": work.context.new_id("adj"),
        "finding": work.finding["id"],
        "stripe_account": work.finding["stripe_account"],
        "reference": work.reference,
        "in_suspense": int(is_movement(work.reference)),
        "account": choice.account,
        "merchant": borne_by(choice.account) or "",
        "amount": amount,
        "currency": work.currency,
        "reason": choice.reason,
        "note": choice.note,
        "created_at": work.now,
        "updated_at": work.now,
    }


async def not_open(session: Session, row: Mapping[str, Any]) -> Refusal | None:
    """Why there is not as much open as would be posted; None if there is."""
    account = SUSPENSE if row["in_suspense"] else clearing(row["reference"])
    held = await books.balance(session, account)
    open_ = -sum(each["amount"] for each in held if each["currency"] == row["currency"])
    if open_ * row["amount"] > 0 and abs(open_) >= abs(row["amount"]):
        return None
    left = f"{major(open_, row['currency'])} {row['currency']}"
    return Refusal(
        "finding_changed", f"Only {left} is open about {row['reference']} by now: look at it again."
    )


async def _undo(work: Work, repair: Mapping[str, Any]) -> Refusal | None:
    """The reversing entries are posted; one that still waits is withdrawn."""
    row = await adjustments.get(work.session, repair["made"])
    if row is None or row["status"] not in ("posted", "awaiting_approval"):
        how = row["status"] if row else "gone"
        return Refusal("undo_refused", f"Adjustment {repair['made']} is {how}: nothing stands.")
    if row["status"] == "awaiting_approval":
        await approvals.withdrawn(work.session, row["id"], work.actor.key_id, work.now)
        await adjustments.move(
            work.session, row["id"], ["awaiting_approval"], "cancelled", work.now
        )
        return None
    await adjustments.move(work.session, row["id"], ["posted"], "undone", work.now)
    await stand(work.session, decided_adjustment(row, counts=False), work.now)
    return None


ADJUST = Way(_adjust, undo=_undo)


# What a second person decides on.


def waiting_of(row: Mapping[str, Any]) -> Waiting:
    """An adjustment as somebody else sees it before saying yes."""
    said = terms(row["amount"], row["currency"], row["reference"], row["reason"])
    return Waiting(
        row["id"],
        KIND,
        row["merchant"],
        row["account"],
        abs(row["amount"]),
        row["currency"],
        said,
    )


class Adjustments:
    """What `approve` needs to know of adjustments that wait."""

    kind = KIND

    def unknown(self, id: str) -> Refusal:
        return Refusal("unknown_adjustment", f"There is no adjustment {id[:80]!r}.")

    async def read(self, session: Session, id: str) -> Row | None:
        return await adjustments.get(session, id)

    def waiting(self, row: Mapping[str, Any]) -> Waiting:
        return waiting_of(row)

    async def hindrance(self, session: Session, row: Row) -> Refusal | None:
        """What it was asked for must still be open, or it would open a difference of its own."""
        return await not_open(session, row)

    async def released(self, session: Session, context: Context, id: str) -> bool:
        """Whether it waited, and is posted now."""
        now = context.now()
        row = await adjustments.move(session, id, ["awaiting_approval"], "posted", now)
        if row is None:
            return False
        await stand(session, decided_adjustment(row, counts=True), now)
        return True

    async def called_off(
        self, session: Session, id: str, now: int, *, code: str, message: str
    ) -> Row | None:
        """It waits no more and moved nothing; `code` and `message` are the approval's to keep."""
        return await adjustments.move(session, id, ["awaiting_approval"], "cancelled", now)

    async def follow(self, context: Context, stripe: Gateway, id: str) -> None:
        """Nothing is sent: it is posted. Its finding is looked at again."""
        async with context.database.read() as session:
            row = await adjustments.get(session, id)
        assert row is not None
        await look_again(context, {subject_of(row)}, fresh=False)


ADJUSTMENTS = Adjustments()
