"""Bind Stripe's objects to the instructions of ours that they execute, by the id in their metadata.

An answer that never came is made up for here: whatever path an object comes by (a webhook, a sweep,
a reading), it settles the payout, refund or reversal that it names, and its sending. The first
object that names an instruction executes it. Must not post: that follows from what is bound.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from reconciler.domain.audit import SERVICE
from reconciler.domain.books import Instruction, RefundRequest
from reconciler.domain.family import Family, came_back, executed_by
from reconciler.domain.lifecycle import Kind
from reconciler.domain.snapshot import Snapshot
from reconciler.oversight.audit import Action, Audit, record
from reconciler.store import instructions, payouts, refund_requests, reversals, sendings
from reconciler.store.database import Row, Session

PAYOUT, REFUND, REVERSAL = "payout", "refund", "reversal"
"""The kinds of instruction that an object can execute, as `sendings` names them."""

REFUND_STATUS = {"canceled": "cancelled"}
"""Stripe's words for a refund's status are ours, but for this one."""

KNOWN_REFUND_STATUS = frozenset({"pending", "requires_action", "succeeded", "failed", "cancelled"})


@dataclass(slots=True)
class Bound:
    """The instructions that a batch of objects names, as they stand after binding."""

    payouts: dict[str, Instruction] = field(default_factory=dict)
    requests: dict[str, RefundRequest] = field(default_factory=dict)


async def named(session: Session, snapshots: Iterable[Snapshot]) -> Bound:
    """The instructions that these objects name, as they stand."""
    seen = list(snapshots)
    transfers = {s.id: name_of(s, Kind.TRANSFER) for s in seen if s.kind is Kind.TRANSFER}
    requests = {id for s in seen if (id := name_of(s, Kind.REFUND))}
    executed = await payouts.of_transfers(session, transfers)
    adopted = {id: p for id, p in executed.items() if p.transfer_id == id and transfers[id] != p.id}
    return Bound(
        {payout.id: payout for payout in executed.values()} | adopted,
        await refund_requests.instructions(session, requests) if requests else {},
    )


def name_of(snapshot: Snapshot, kind: Kind) -> str:
    """The instruction that an object of this kind names; empty if it is another or names none."""
    if snapshot.kind is not kind:
        return ""
    key = "payout" if kind is Kind.TRANSFER else "request"
    return str(snapshot.detail.get(key, ""))


async def bind(session: Session, families: Mapping[str, list[Snapshot]], now: int) -> Bound:
    """Settle what these objects execute, and what has become of it since."""
    everything = [s for members in families.values() for s in members]
    bound = await named(session, everything)
    for snapshot in sorted(everything, key=lambda s: (s.created, s.id)):
        if snapshot.kind is Kind.TRANSFER:
            await _bind_transfer(session, bound, snapshot, now)
            family = Family(snapshot.family, tuple(families[snapshot.family]), bound.payouts)
            payout = executed_by(family, snapshot)
            if payout and (back := came_back(family, snapshot, payout)):  # it never goes again
                await payouts.came_back(session, snapshot.id, back, now)
        elif snapshot.kind is Kind.REFUND and name_of(snapshot, Kind.REFUND):
            await _bind_refund(session, bound, snapshot, now)
        elif snapshot.kind is Kind.REVERSAL:
            await _bind_reversal(session, snapshot, now)
    return bound


async def _bind_transfer(session: Session, bound: Bound, transfer: Snapshot, now: int) -> None:
    payout = bound.payouts.get(name_of(transfer, Kind.TRANSFER))
    if payout is None or payout.transfer_id:
        return
    before = await instructions.get(session, payouts.TABLE, payout.id)
    if await payouts.complete(session, payout.id, transfer.id, now):
        bound.payouts[payout.id] = replace(payout, transfer_id=transfer.id)
        await sendings.accepted_as(session, PAYOUT, payout.id, transfer.id, now)
        after = {"status": "completed", "transfer": transfer.id}
        _settled(session, Action.PAYOUT_SETTLED, before, after, now)


async def _bind_refund(session: Session, bound: Bound, refund: Snapshot, now: int) -> None:
    request = bound.requests.get(name_of(refund, Kind.REFUND))
    if request is None or request.refund_id not in ("", refund.id):
        return
    if not request.refund_id:
        before = await instructions.get(session, refund_requests.TABLE, request.id)
        if not await refund_requests.bind(session, request.id, refund.id, now):
            return
        bound.requests[request.id] = replace(request, refund_id=refund.id)
        await sendings.accepted_as(session, REFUND, request.id, refund.id, now)
        after = {"status": refund.status, "refund": refund.id}
        _settled(session, Action.REFUND_SETTLED, before, after, now)
    status = REFUND_STATUS.get(refund.status, refund.status)
    if status in KNOWN_REFUND_STATUS:
        failure = str(refund.detail["failure"])
        await refund_requests.follow(session, refund.id, status, failure, now)


async def _bind_reversal(session: Session, reversal: Snapshot, now: int) -> None:
    instruction = name_of(reversal, Kind.REVERSAL)
    if not instruction:
        return
    before = await instructions.get(session, reversals.TABLE, instruction)
    if await reversals.complete(session, instruction, reversal.id, now):
        await sendings.accepted_as(session, REVERSAL, instruction, reversal.id, now)
        after = {"status": "completed", "reversal": reversal.id}
        _settled(session, Action.REVERSAL_SETTLED, before, after, now)


def _settled(
    session: Session, action: Action, before: Row | None, after: Mapping[str, str], now: int
) -> None:
    """The instruction's outcome is in the audit log, beside how it stood."""
    assert before is not None, "it has just been settled"
    was = {"status": before["status"]}
    record(session, Audit(SERVICE, action, before["id"], was, after), now)
