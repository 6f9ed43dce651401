"""Repair a finding: show what would be done, do just that, and look whether it has cleared.

The preview is the repair itself in a transaction that is rolled back. What was shown is what is
done: a finding or an effect that has changed since is refused and shown anew. Must not send
anything before the decision is committed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from reconciler.context import Context
from reconciler.domain.audit import Action
from reconciler.domain.refusals import Refusal
from reconciler.domain.repairs import Choice, same_finding, same_preview
from reconciler.money_out import claims
from reconciler.money_out.claims import Claim
from reconciler.money_out.sending import send
from reconciler.oversight.audit import Actor
from reconciler.reconciling.repairing.effects import do, fits, with_what_comes
from reconciler.reconciling.repairing.looking import look_again, subject_of
from reconciler.reconciling.repairing.time_line import Happening, happened
from reconciler.reconciling.repairing.ways import WAYS
from reconciler.reconciling.repairing.work import Looked, RolledBack, Work, noting_ids
from reconciler.store import findings, repairs, runs
from reconciler.store.database import Session

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Shown:
    """A refusal, with what should be looked at again: the finding as it is, and what the repair
    would do by now, if it still would do anything."""

    refusal: Refusal
    finding: Mapping[str, Any] | None = None
    preview: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """Who wants a repair, for which request, in which bulk repair, and why."""

    actor: Actor
    claim: Claim | None = None
    job: str = ""


async def preview(
    context: Context, finding_id: str, choice: Choice, actor: Actor
) -> dict[str, Any] | Shown:
    """What the repair would do to the finding as it stands now, and the digest to do it with."""
    finding = await _finding(context, finding_id)
    if finding is None:
        return Shown(unknown(finding_id))
    looked = await _looked(context, finding, choice)
    if isinstance(looked, Refusal):
        return Shown(looked, finding)
    return await _previewed(context, finding_id, choice, actor, looked)


async def _previewed(
    context: Context, finding_id: str, choice: Choice, actor: Actor, looked: Looked
) -> dict[str, Any] | Shown:
    try:
        async with context.write_books() as session:
            work, given = await _begun(session, context, finding_id, choice, actor)
            done = await do(work, looked, given)
            if isinstance(done, Refusal):
                raise RolledBack(Shown(done, work.finding))
            raise RolledBack(await with_what_comes(work, looked, done))
    except RolledBack as end:
        outcome: dict[str, Any] | Shown = end.outcome
        return outcome


async def apply(
    context: Context, finding_id: str, choice: Choice, digest: str, asked: Asked
) -> dict[str, Any] | Shown:
    """The repair as it was made, if what `digest` was shown with still holds; or why not, with what
    would be shown now. What an earlier attempt of the request made is shown again."""
    if asked.claim is not None and asked.claim.instruction:
        return await made(context, asked.claim.instruction)
    finding = await _finding(context, finding_id)
    if finding is None:
        return Shown(unknown(finding_id))
    if not same_finding(digest, finding):
        return Shown(_changed(finding), finding)
    looked = await _looked(context, finding, choice)
    if isinstance(looked, Refusal):
        return Shown(looked, finding)
    outcome = await _applied(context, finding_id, choice, digest, asked, looked)
    if isinstance(outcome, Refusal):
        if asked.job:  # nobody looks at a preview there
            return Shown(outcome)
        fresh = await _previewed(context, finding_id, choice, asked.actor, looked)
        now = await _finding(context, finding_id)
        return Shown(outcome, now, None if isinstance(fresh, Shown) else fresh)
    await _sent(context, outcome)
    unread = ""
    if not asked.job:
        way = WAYS[choice.repair]
        unread = await look_again(context, {subject_of(finding)}, fresh=way.fresh)
    return {**await made(context, outcome.id), "unread": unread}


async def _applied(
    context: Context, finding_id: str, choice: Choice, digest: str, asked: Asked, looked: Looked
) -> Work | Refusal:
    try:
        async with context.write_books() as session:
            work, given = await _begun(session, context, finding_id, choice, asked.actor)
            if not same_finding(digest, work.finding):
                raise RolledBack(_changed(work.finding))
            done = await do(work, looked, given)
            if isinstance(done, Refusal):
                raise RolledBack(done)
            if not asked.job and not same_preview(digest, done["digest"]):
                raise RolledBack(_stale(work))
            await _kept(work, done, asked)
    except RolledBack as end:
        refusal: Refusal = end.outcome
        return refusal
    log.info("finding.repaired", finding=finding_id, repair=choice.repair.value, made=work.made)
    return work


async def _begun(
    session: Session, context: Context, finding_id: str, choice: Choice, actor: Actor
) -> tuple[Work, list[str]]:
    finding = await findings.locked(session, finding_id)
    assert finding is not None, "findings are never deleted"
    noting, given = noting_ids(context)
    return Work(session, noting, finding, choice, actor, noting.new_id("rep"), context.now()), given


async def _kept(work: Work, done: Mapping[str, Any], asked: Asked) -> None:
    """The repair is a record, in the finding's time line and in the audit log."""
    effect = {name: done[name] for name in ("entries", "clearing", "says", "waits")}
    row = {
        "id": work.id,
        "finding": work.finding["id"],
        "repair": work.choice.repair.value,
        "job": asked.job,
        "choices": work.choice.chosen(),
        "digest": done["digest"],
        "made": work.made,
        "effect": effect,
        "status": "applied",
        "made_by": work.actor.key_id,
        "made_by_name": work.actor.name,
        "reason": work.choice.note,
        "made_at": work.now,
        "undone_by_name": "",
        "undone_at": 0,
    }
    await repairs.insert(work.session, row)
    await claims.decided(work.session, asked.claim, work.id)
    clearings = effect["clearing"]
    before = {"open": {each["currency"]: each["before"] for each in clearings}}
    after = {
        "repair": work.choice.repair.value,
        "made": work.made,
        **({"job": asked.job} if asked.job else {}),
        "choices": {k: v for k, v in work.choice.chosen().items() if k != "note"},
        "open": {each["currency"]: each["after"] for each in clearings},
        **({"waits": True} if work.waits else {}),
    }
    told = Happening(Action.FINDING_REPAIRED, work.actor, work.choice.note, before, after)
    await happened(work.session, work.finding["id"], told, work.now)


async def _sent(context: Context, work: Work) -> None:
    """What was decided is sent to Stripe; what a crash leaves unsent is settled with every other
    command."""
    handling = WAYS[work.choice.repair].handling
    if work.attempt is not None and handling is not None and context.stripe is not None:
        await send(context, context.stripe, work.attempt, handling)


async def made(context: Context, id: str) -> dict[str, Any]:
    """A repair as it was made, with its finding as it stands now, and what is `left`: everything
    that is still found about the same money."""
    async with context.database.read(snapshot=True) as session:
        row = await repairs.get(session, id)
        assert row is not None
        finding = await runs.finding(session, row["finding"])
        assert finding is not None
        about = await findings.about(session, {subject_of(finding)})
    left = [each for each in about if each["currency"] == finding["currency"]]
    return {"repair": row, "finding": finding, "left": left, "unread": ""}


async def _finding(context: Context, id: str) -> dict[str, Any] | None:
    async with context.database.read() as session:
        return await runs.finding(session, id)


async def _looked(context: Context, finding: Mapping[str, Any], choice: Choice) -> Looked | Refusal:
    return fits(finding, choice) or await WAYS[choice.repair].look(context, finding, choice)


def unknown(id: str) -> Refusal:
    return Refusal("unknown_finding", f"There is no finding {id[:80]!r}.")


def _changed(finding: Mapping[str, Any]) -> Refusal:
    return Refusal(
        "finding_changed",
        f"Finding {finding['id']} has changed since that preview (it is {finding['status']}), so"
        " nothing was done: look at it again.",
    )


def _stale(work: Work) -> Refusal:
    return Refusal(
        "preview_stale",
        f"{work.choice.repair.value} would do something else by now than that preview showed, so"
        " nothing was done: look at what it would do now.",
    )
