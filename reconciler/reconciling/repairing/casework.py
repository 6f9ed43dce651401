"""What people say of a finding: whose it is, what they know, that it is settled or set aside.

Nothing here posts or sends. A word settles nothing for good: what still stands opens again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.context import Context
from reconciler.domain.audit import Action
from reconciler.domain.casework import RESOLUTIONS, changed, not_settled_by_word
from reconciler.domain.refusals import Refusal
from reconciler.domain.repairs import Choice, Repair
from reconciler.oversight.audit import Actor
from reconciler.reconciling.repairing.repair import Shown, unknown
from reconciler.reconciling.repairing.setting_aside import IGNORE, lift
from reconciler.reconciling.repairing.time_line import Happening, happened
from reconciler.reconciling.repairing.work import RolledBack, Work
from reconciler.store import findings, repairs, runs, suppressions
from reconciler.store.database import Session

Finding = dict[str, Any]
Word = Callable[[Session, Finding, int], Awaitable[Refusal | None]]
"""Says something of a finding, in a transaction under the books' lock; or why it cannot be said."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """That a finding is settled: why, of a closed list, with a note and the digest it was seen
    with."""

    reason: str
    digest: str
    note: str = ""


async def assign(context: Context, id: str, assignee: str, actor: Actor) -> Finding | Shown:
    """The finding, now somebody's; an empty name makes it nobody's."""

    async def word(session: Session, finding: Finding, now: int) -> Refusal | None:
        await findings.assign(session, id, assignee)
        before, after = {"assignee": finding["assignee"]}, {"assignee": assignee}
        told = Happening(Action.FINDING_ASSIGNED, actor, "", before, after)
        await happened(session, id, told, now)
        return None

    return await _said(context, id, word)


async def note(context: Context, id: str, text: str, actor: Actor) -> Finding | Shown:
    """The finding, with a note in its time line."""

    async def word(session: Session, finding: Finding, now: int) -> Refusal | None:
        await happened(session, id, Happening(Action.FINDING_NOTED, actor, text), now)
        return None

    return await _said(context, id, word)


async def resolve(
    context: Context, id: str, resolution: Resolution, actor: Actor
) -> Finding | Shown:
    """The finding, settled as somebody says. If it is found again it opens again."""

    async def word(session: Session, finding: Finding, now: int) -> Refusal | None:
        refusal = not_settled_by_word(finding) or changed(finding, resolution.digest)
        if refusal is None and resolution.reason not in RESOLUTIONS:
            known = ", ".join(RESOLUTIONS)
            refusal = Refusal("unknown_resolution", f"The reason is one of: {known}.")
        if refusal is not None:
            return refusal
        await _end_suppression(session, finding, now)
        await findings.resolve(session, id, resolution.reason)
        before = {"status": finding["status"]}
        after = {"status": "resolved", "resolution": resolution.reason}
        told = Happening(Action.FINDING_RESOLVED, actor, resolution.note, before, after)
        await happened(session, id, told, now)
        return None

    return await _said(context, id, word)


async def _end_suppression(session: Session, finding: Finding, now: int) -> None:
    if finding["suppression"]:
        await suppressions.end(session, [finding["suppression"]], "lifted", now)


async def suppress(
    context: Context, id: str, choice: Choice, digest: str, actor: Actor
) -> Finding | Shown:
    """The finding, set aside as the choice says, if it is still what was seen."""

    async def word(session: Session, finding: Finding, now: int) -> Refusal | None:
        refusal = changed(finding, digest)
        if refusal is not None:
            return refusal
        return await IGNORE.act(Work(session, context, finding, choice, actor, "", now), None)

    return await _said(context, id, word)


async def lifted(context: Context, id: str, text: str, actor: Actor) -> Finding | Shown:
    """The finding, set aside no more."""

    async def word(session: Session, finding: Finding, now: int) -> Refusal | None:
        ended = await suppressions.end(session, [finding["suppression"]], "lifted", now)
        if not ended:
            return Refusal("not_suppressed", f"Finding {id} is not set aside.")
        repair = await repairs.of_made(session, finding["suppression"])
        if repair is not None:
            await repairs.undone(session, repair["id"], actor.name, now)
        choice = Choice(Repair.IGNORE, note=text)
        await lift(Work(session, context, finding, choice, actor, "", now), ended)
        return None

    return await _said(context, id, word)


async def _said(context: Context, id: str, word: Word) -> Finding | Shown:
    """The finding after something was said of it; or why it could not be, and the finding as it
    is."""
    seen: Mapping[str, Any] | None = None
    try:
        async with context.write_books() as session:
            finding = await findings.locked(session, id)
            if finding is None:
                return Shown(unknown(id))
            seen = finding
            refusal = await word(session, finding, context.now())
            if refusal is not None:
                raise RolledBack(refusal)
            after = await runs.finding(session, id)
    except RolledBack as end:
        return Shown(end.outcome, seen)
    assert after is not None
    return after
