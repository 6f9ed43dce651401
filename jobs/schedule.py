"""The schedule: every job and how often it runs, and the scheduler that ticks for them.

All of APScheduler's options are spelled out: by default it skips a job that is a second late.
"""

from __future__ import annotations

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from jobs import (
    apply_pending,
    check_balance,
    compare_transfers,
    recover_events,
    reread,
    self_check,
)
from jobs.runner import Job, run_slot
from reconciler.context import Context

JOBS = (
    Job("apply_pending", 1, apply_pending.run),
    Job("reread", 5, reread.run),
    Job("recover_events", 60, recover_events.run),
    Job("check_balance", 300, check_balance.run),
    Job("compare_transfers", 900, compare_transfers.run),
    Job("self_check", 3600, self_check.run),
)


def scheduler(context: Context, holder: str, scale: float) -> AsyncIOScheduler:
    """A scheduler, not yet started, that runs every job each `every_seconds * scale`."""
    ticking = AsyncIOScheduler(timezone="UTC")
    for job in JOBS:
        seconds = max(job.every_seconds * scale, 0.05)
        ticking.add_job(
            _tick,
            "interval",
            seconds=seconds,
            args=(context, job, seconds, holder),
            id=job.name,
            max_instances=1,
            coalesce=True,
            misfire_grace_time=None,
            replace_existing=True,
        )
    return ticking


async def _tick(context: Context, job: Job, seconds: float, holder: str) -> None:
    # The clock counts seconds: ticks closer together than that share a slot, and one of them runs.
    await run_slot(context, job, int(context.now() / max(seconds, 1.0)), holder)
