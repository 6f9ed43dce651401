"""Run a job's slot once, on one instance: claim it, keep the lease alive, write down how it ended.

APScheduler only ticks. A slot is the epoch second at which an interval begins, the same one on
every instance; whoever moves the row in `leases` forward to it runs it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import structlog

from reconciler.context import Context
from reconciler.gateway.budget import Priority
from reconciler.store import leases
from reconciler.store.database import DatabaseUnavailable
from reconciler.store.leases import LostLease

log = structlog.get_logger()

LEASE_SECONDS = 60
RENEW_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Job:
    """One entry of the schedule. `run` does the work and says in a few words what it did."""

    name: str
    every_seconds: float
    run: Callable[[Context], Awaitable[str]]
    reads: Priority = Priority.SWEEP
    """The class of what the job reads from Stripe; commands go first whoever begins them."""


async def run_slot(context: Context, job: Job, slot: int, holder: str) -> bool:
    """Whether this instance ran the slot. What the job raised is logged and kept, not passed on."""
    try:
        async with context.database.write() as session:
            fence = await leases.claim(
                session, job.name, slot, holder, context.now(), LEASE_SECONDS
            )
        if fence is None:
            return False
        await _run(context, job, slot, fence, holder)
    except DatabaseUnavailable as error:
        log.error("job.database_unavailable", job=job.name, error=str(error))
        return False
    except LostLease as error:
        log.error("job.lease_lost", job=job.name, error=str(error))
    return True


async def _run(context: Context, job: Job, slot: int, fence: int, holder: str) -> None:
    """The work under its lease: every transaction it writes checks the fence."""
    started = context.now()
    stripe = context.stripe.at(job.reads) if context.stripe else None
    within = replace(context, lease=(job.name, fence), stripe=stripe)
    work = asyncio.create_task(_outcome(within, job))
    renewal = asyncio.create_task(_renew(context, job.name, fence))
    outcome = "stopped"
    try:
        await asyncio.wait({work, renewal}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            renewal.result()  # raises what ended the renewal: LostLease, or the database
        outcome = work.result()
    finally:
        await _ended(work, renewal)
        await asyncio.shield(_finish(context, job, slot, fence, holder, started, outcome))


async def _outcome(context: Context, job: Job) -> str:
    try:
        return await job.run(context)
    except (DatabaseUnavailable, LostLease):
        raise
    except Exception as error:
        log.exception("job.failed", job=job.name)
        return f"failed: {type(error).__name__}: {error}"[:500]


async def _ended(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _finish(
    context: Context, job: Job, slot: int, fence: int, holder: str, started: int, outcome: str
) -> None:
    async with context.database.write() as session:
        await leases.finish(session, job.name, slot, fence, holder, started, context.now(), outcome)


async def _renew(context: Context, job: str, fence: int) -> None:
    """Keep the lease for as long as this runs. Raises LostLease when it is gone."""
    while True:
        await asyncio.sleep(RENEW_SECONDS)
        async with context.database.write() as session:
            if not await leases.renew(session, job, fence, context.now(), LEASE_SECONDS):
                raise LostLease(f"{job} was claimed by another instance while this one ran it")
