"""Take a repair back, where that can be done; or say why it cannot.

What was posted stays and is reversed by entries of its own. Must not take back what Stripe has
done: that is a new repair.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.context import Context
from reconciler.domain.audit import Action
from reconciler.domain.refusals import Refusal
from reconciler.domain.repairs import Choice, Repair
from reconciler.money_out import claims
from reconciler.reconciling.repairing.effects import open_now
from reconciler.reconciling.repairing.looking import look_again, subject_of
from reconciler.reconciling.repairing.repair import Asked, Shown, made
from reconciler.reconciling.repairing.time_line import Happening, happened
from reconciler.reconciling.repairing.ways import WAYS
from reconciler.reconciling.repairing.work import RolledBack, Work
from reconciler.store import findings, repairs

WHY_NOT = {
    Repair.RESYNC: "what Stripe says stays what it says",
    Repair.REPLAY: "what Stripe says stays what it says",
    Repair.FETCH_EVENTS: "what Stripe says stays what it says",
    Repair.REVERSE: "the money is at Stripe; pay it out again if it should not have come back",
    Repair.REFUND: "the money is the customer's",
}


async def undo(
    context: Context, finding_id: str, repair_id: str, note: str, asked: Asked
) -> dict[str, Any] | Shown:
    """The repair, taken back, with its finding as it then stands."""
    if asked.claim is not None and asked.claim.instruction:
        return await made(context, asked.claim.instruction)
    now = context.now()
    async with context.database.read() as session:
        row = await repairs.get(session, repair_id)
    if row is None or row["finding"] != finding_id:
        return Shown(Refusal("unknown_repair", f"The finding has no repair {repair_id[:80]!r}."))
    if WAYS[Repair(row["repair"])].undo is None:
        why = WHY_NOT[Repair(row["repair"])]
        return Shown(Refusal("undo_refused", f"{row['repair']} cannot be taken back: {why}."))
    try:
        async with context.write_books() as session:
            finding = await findings.locked(session, finding_id)
            assert finding is not None, "findings are never deleted"
            choice = Choice(Repair(row["repair"]), note=note)
            work = Work(session, context, finding, choice, asked.actor, repair_id, now)
            await _undone(work, row)
            await claims.decided(session, asked.claim, repair_id)
    except RolledBack as end:
        return Shown(end.outcome, finding)
    await look_again(context, {subject_of(finding)}, fresh=False)
    return await made(context, repair_id)


async def _undone(work: Work, row: Mapping[str, Any]) -> None:
    """The repair is taken back, and its time line says so. Raises RolledBack with why not."""
    taken = WAYS[work.choice.repair].undo
    assert taken is not None
    if not await repairs.undone(work.session, row["id"], work.actor.name, work.now):
        raise RolledBack(Refusal("already_undone", f"Repair {row['id']} is taken back already."))
    before = await open_now(work)
    refusal = await taken(work, row)
    if refusal is not None:
        raise RolledBack(refusal)
    told = {"repair": row["repair"], "made": row["made"]}
    after = {**told, "open": await open_now(work)}
    event = Happening(
        Action.REPAIR_UNDONE, work.actor, work.choice.note, {**told, "open": before}, after
    )
    await happened(work.session, work.finding["id"], event, work.now)
