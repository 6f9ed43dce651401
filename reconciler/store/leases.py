"""Who runs which job: one row for each job, moved forward by whoever claims its next slot."""

from __future__ import annotations

from reconciler.store.database import Row, Session

KEPT_SECONDS = 7 * 86400
"""How long the history of runs is kept."""


class LostLease(Exception):
    """Another instance has claimed this job since: what it was about to write must not be."""


async def claim(
    session: Session, job: str, slot: int, holder: str, now: int, seconds: int
) -> int | None:
    """The fencing token, if this instance may run this slot; None if another does or did."""
    row = await session.one(
        "INSERT INTO leases (job, slot, fence, holder, leased_until)"
        " VALUES (:job, :slot, 1, :holder, :until)"
        " ON CONFLICT (job) DO UPDATE SET slot = excluded.slot, fence = leases.fence + 1,"
        " holder = excluded.holder, leased_until = excluded.leased_until"
        " WHERE leases.slot < excluded.slot AND leases.leased_until <= :now"
        " RETURNING fence",
        job=job,
        slot=slot,
        holder=holder,
        until=now + seconds,
        now=now,
    )
    return row["fence"] if row else None


async def renew(session: Session, job: str, fence: int, now: int, seconds: int) -> bool:
    """Whether the lease still was ours, and now lasts longer."""
    row = await session.one(
        "UPDATE leases SET leased_until = :until WHERE job = :job AND fence = :fence"
        " RETURNING fence",
        job=job,
        fence=fence,
        until=now + seconds,
    )
    return row is not None


async def finish(
    session: Session,
    job: str,
    slot: int,
    fence: int,
    holder: str,
    started_at: int,
    now: int,
    outcome: str,
) -> None:
    """The slot is done and the lease free. Raises LostLease if it was no longer ours."""
    row = await session.one(
        "UPDATE leases SET leased_until = 0 WHERE job = :job AND fence = :fence RETURNING fence",
        job=job,
        fence=fence,
    )
    if row is None:
        raise LostLease(f"{job} was claimed by another instance while this one ran it")
    await session.run(
        "INSERT INTO job_runs (job, slot, fence, holder, started_at, finished_at, outcome)"
        " VALUES (:job, :slot, :fence, :holder, :started, :now, :outcome)",
        job=job,
        slot=slot,
        fence=fence,
        holder=holder,
        started=started_at,
        now=now,
        outcome=outcome,
    )
    await session.run(
        "DELETE FROM job_runs WHERE job = :job AND finished_at < :oldest",
        job=job,
        oldest=now - KEPT_SECONDS,
    )


async def guard(session: Session, job: str, fence: int) -> None:
    """Raises LostLease, inside a transaction about to write, unless the lease is still ours."""
    row = await session.one(
        "SELECT fence FROM leases WHERE job = :job AND fence = :fence {for_update}",
        job=job,
        fence=fence,
    )
    if row is None:
        raise LostLease(f"{job} was claimed by another instance; this one stops")


async def history(session: Session, limit: int) -> list[Row]:
    """What ran lately, newest first."""
    return await session.all(
        "SELECT job, slot, fence, holder, started_at, finished_at, outcome FROM job_runs"
        " ORDER BY finished_at DESC, job LIMIT :limit",
        limit=limit,
    )
