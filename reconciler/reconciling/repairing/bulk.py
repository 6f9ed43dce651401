"""Bulk repair: one repair of many findings, planned, counted, confirmed as shown, worked through.

Each finding is repaired as it would be by itself, if it is still what the plan saw. One that a
crash cut short goes on where it stopped and repairs nothing twice. Must not choose for a person:
what differs from finding to finding is not repaired in bulk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from reconciler.context import Context
from reconciler.domain.audit import Action, Actor, Audit
from reconciler.domain.casework import finding_digest
from reconciler.domain.refusals import Refusal
from reconciler.domain.repairs import Choice, Repair, offers, plan_digest
from reconciler.money_out import claims
from reconciler.money_out.claims import Claim
from reconciler.oversight.audit import record
from reconciler.reconciling.repairing.looking import Subject, look_again, subject_of
from reconciler.reconciling.repairing.repair import Asked, Shown, apply
from reconciler.reconciling.repairing.ways import WAYS
from reconciler.store import findings, repair_jobs, repairs
from reconciler.store.database import Session
from reconciler.store.findings import Chosen

log = structlog.get_logger()

LARGEST = 1000
CHUNK = 50
LEASE_SECONDS = 120
NOT_NOW = frozenset({"stripe_unavailable", "stripe_busy"})


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be repaired, and how. `told` are the filters, as they were given."""

    chosen: Chosen
    choice: Choice
    told: Mapping[str, Any]


async def plan(context: Context, wanted: Plan, actor: Actor) -> dict[str, Any] | Refusal:
    """The plan: which findings it would repair, counted; it does nothing until it is confirmed."""
    if wanted.choice.amount is not None:
        text = "In bulk each finding is repaired whole: leave out the amount."
        return Refusal("bulk_amount", text)
    async with context.write() as session:
        rows = await findings.page(session, wanted.chosen, LARGEST + 1, None)
        if len(rows) > LARGEST:
            return Refusal("too_many_findings", f"More than {LARGEST} findings: choose fewer.")
        fitting = [row for row in reversed(rows) if _fits(row, wanted.choice.repair)]
        if not fitting:
            return Refusal(
                "nothing_to_repair",
                f"None of the {len(rows)} findings chosen can be repaired by"
                f" {wanted.choice.repair.value}.",
            )
        id = await _stored(session, context, wanted, fitting, actor)
        return await shown(session, id)


def _fits(row: Mapping[str, Any], repair: Repair) -> bool:
    return repair in [offer.repair for offer in offers(row)]


async def _stored(
    session: Session,
    context: Context,
    wanted: Plan,
    rows: Sequence[Mapping[str, Any]],
    actor: Actor,
) -> str:
    id, now, choice = context.new_id("rpj"), context.now(), wanted.choice
    digests = [(row["id"], finding_digest(row)) for row in rows]
    job = {
        "id": id,
        "repair": choice.repair.value,
        "choices": choice.chosen(),
        "chosen_by": dict(wanted.told),
        "digest": plan_digest(choice, digests),
        "findings": len(rows),
        "reason": choice.note,
        "status": "planned",
        "planned_by": actor.key_id,
        "planned_by_name": actor.name,
        "planned_at": now,
        "confirmed_by": "",
        "confirmed_by_name": "",
        "confirmed_by_role": "",
        "confirmed_at": 0,
        "ended_at": 0,
        "token": "",
        "leased_until": 0,
    }
    items = [
        (id, number, row["id"], digest, row["currency"], row["difference"], "", "", "")
        for number, (row, (_, digest)) in enumerate(zip(rows, digests, strict=True), 1)
    ]
    await repair_jobs.insert(session, job, items)
    after = {"repair": choice.repair.value, "findings": len(rows), "chosen_by": dict(wanted.told)}
    record(session, Audit(actor, Action.REPAIR_JOB_PLANNED, id, None, after, choice.note), now)
    return id


async def confirm(
    context: Context, id: str, digest: str, actor: Actor, claim: Claim | None = None
) -> dict[str, Any] | Refusal:
    """The bulk repair, running from now on, if it is the plan that was seen."""
    async with context.write_books() as session:
        job = await repair_jobs.get(session, id)
        if job is None:
            return unknown(id)
        if claim is not None and claim.instruction == id:
            return await shown(session, id)
        if digest != job["digest"]:
            return Refusal(
                "digest_mismatch", f"That digest is not of bulk repair {id}: look again."
            )
        by = {"key": actor.key_id, "name": actor.name, "role": actor.role}
        if not await repair_jobs.confirm(session, id, by, context.now()):
            return Refusal("already_decided", f"Bulk repair {id} is {job['status']} already.")
        await claims.decided(session, claim, id)
        after = {"repair": job["repair"], "findings": job["findings"], "digest": digest}
        before = {"status": "planned"}
        told = Audit(actor, Action.REPAIR_JOB_CONFIRMED, id, before, after, job["reason"])
        record(session, told, context.now())
        return await shown(session, id)


async def cancel(context: Context, id: str, actor: Actor) -> dict[str, Any] | Refusal:
    """The bulk repair, called off: what it has repaired stays repaired."""
    async with context.write_books() as session:
        job = await repair_jobs.get(session, id)
        if job is None:
            return unknown(id)
        expected = ("planned", "running")
        if not await repair_jobs.end(session, id, expected, "cancelled", context.now()):
            return Refusal("already_over", f"Bulk repair {id} is {job['status']}: nothing is left.")
        before = {"status": job["status"]}
        told = Audit(actor, Action.REPAIR_JOB_CANCELLED, id, before, {"status": "cancelled"})
        record(session, told, context.now())
        return await shown(session, id)


def unknown(id: str) -> Refusal:
    return Refusal("unknown_repair_job", f"There is no bulk repair {id[:80]!r}.")


async def go_on(context: Context) -> int:
    """Work through every confirmed bulk repair that nobody works on: how many findings were done.
    While Stripe does not answer, the rest is left for the next call."""
    async with context.database.read() as session:
        ids = await repair_jobs.running(session, context.now())
    return sum([await _worked(context, id) for id in ids])


async def _worked(context: Context, id: str) -> int:
    token, done = context.new_id("rpt"), 0
    try:
        while await _mine(context, id, token):
            async with context.database.read() as session:
                job = await repair_jobs.get(session, id)
                items = await repair_jobs.waiting(session, id, CHUNK)
            assert job is not None
            if not items:
                await _finish(context, id)
                break
            worked = await _chunk(context, job, items, token)
            done += worked
            if worked < len(items):
                break
    finally:
        async with context.write() as session:
            await repair_jobs.let_go(session, id, token)
    return done


async def _mine(context: Context, id: str, token: str) -> bool:
    now = context.now()
    async with context.write() as session:
        return await repair_jobs.claim(session, id, token, now, now + LEASE_SECONDS)


async def _chunk(
    context: Context, job: Mapping[str, Any], items: Sequence[Mapping[str, Any]], token: str
) -> int:
    """How many of these items had their outcome. Then their findings are looked at again."""
    choice = Choice(Repair(job["repair"]), **job["choices"])
    actor = Actor(job["confirmed_by"], job["confirmed_by_name"], job["confirmed_by_role"])
    subjects: set[Subject] = set()
    done = 0
    for item in items:
        if not await _mine(context, job["id"], token):
            break
        outcome = await _one(context, job["id"], item, choice, actor)
        if outcome is None:
            break
        subjects |= outcome
        done += 1
    if subjects:
        await look_again(context, subjects, fresh=WAYS[choice.repair].fresh)
    return done


async def _one(
    context: Context, id: str, item: Mapping[str, Any], choice: Choice, actor: Actor
) -> set[Subject] | None:
    """What to look at again after one finding had its outcome; None if Stripe does not answer."""
    async with context.database.read() as session:
        before = await repairs.of_job(session, id, item["finding"])
    outcome, detail, made, subject = "applied", "", "", None
    if before is not None:  # a crash came between the repair and its being written down
        made = before["id"]
    else:
        asked = Asked(actor, job=id)
        done = await apply(context, item["finding"], choice, item["finding_digest"], asked)
        if isinstance(done, Shown):
            if done.refusal.code in NOT_NOW:
                log.warning("repair_job.waits", job=id, error=done.refusal.message)
                return None
            outcome, detail = "skipped", f"{done.refusal.code}: {done.refusal.message}"
        else:
            made, subject = done["repair"]["id"], subject_of(done["finding"])
            if done["repair"]["effect"]["waits"]:
                outcome, detail = "waits", "it waits for a second person"
    async with context.write() as session:
        await repair_jobs.item_done(session, id, item["number"], outcome, detail, made)
    return {subject} if subject else set()


async def _finish(context: Context, id: str) -> None:
    now = context.now()
    async with context.write_books() as session:
        if not await repair_jobs.end(session, id, ("running",), "finished", now):
            return
        counts = {
            f"{row['outcome']} {row['currency']}".strip(): row["findings"]
            for row in await repair_jobs.sums(session, [id])
        }
        told = Audit(Actor.job("repair_findings"), Action.REPAIR_JOB_FINISHED, id, None, counts)
        record(session, told, now)
    log.info("repair_job.finished", job=id)


async def shown(session: Session, id: str) -> dict[str, Any]:
    """A bulk repair with its progress."""
    job = await repair_jobs.get(session, id)
    assert job is not None
    return (await summaries(session, [job]))[0]


async def summaries(session: Session, jobs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Bulk repairs with their progress, and what each outcome adds up to per currency."""
    rows = await repair_jobs.sums(session, [job["id"] for job in jobs])
    return [_summary(job, [row for row in rows if row["job"] == job["id"]]) for job in jobs]


def _summary(job: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    left = sum(row["findings"] for row in rows if not row["outcome"])
    names = ("currency", "findings", "amount")
    return {
        **{k: v for k, v in job.items() if k not in ("token", "leased_until", "confirmed_by_role")},
        "progress": {"done": job["findings"] - left, "total": job["findings"]},
        "outcomes": [
            {"outcome": row["outcome"] or "to_do", **{name: row[name] for name in names}}
            for row in rows
        ],
    }
