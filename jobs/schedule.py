"""The schedule: every job and how often it runs, and the scheduler that ticks for them.

All of APScheduler's options are spelled out: by default it skips a job that is a second late.
"""

from __future__ import annotations

import asyncio
from typing import Any

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from jobs import (
    apply_pending,
    check_balance,
    compare_transfers,
    compose_payouts,
    debit_due,
    expire_approvals,
    full_audit,
    join_chains,
    prune_requests,
    read_legs,
    recover_events,
    refresh_accounts,
    repair_findings,
    reread,
    resolve_outcomes,
    resync,
    self_check,
    watch_delivery,
)
from jobs.runner import Job, run_slot
from reconciler.context import Context
from reconciler.gateway.budget import Priority

JOBS = (
    Job("apply_pending", 1, apply_pending.run),
    Job("reread", 5, reread.run, Priority.REREAD),
    Job("join_chains", 5, join_chains.run),
    Job("resync", 5, resync.run, Priority.SWEEP),
    Job("resolve_outcomes", 15, resolve_outcomes.run, Priority.COMMAND_READ),
    Job("recover_events", 60, recover_events.run),
    Job("check_balance", 300, check_balance.run, Priority.CHECK),
    Job("compose_payouts", 300, compose_payouts.run),
    Job("compare_transfers", 900, compare_transfers.run),
    Job("read_legs", 60, read_legs.run),
    Job("watch_delivery", 900, watch_delivery.run),
    Job("refresh_accounts", 600, refresh_accounts.run),
    Job("debit_due", 60, debit_due.run, Priority.COMMAND_READ),
    Job("expire_approvals", 60, expire_approvals.run),
    Job("repair_findings", 5, repair_findings.run, Priority.COMMAND_READ),
    Job("self_check", 3600, self_check.run),
    Job("full_audit", 86400, full_audit.run, Priority.CHECK),
    Job("prune_requests", 3600, prune_requests.run),
)


class Schedule:
    """Runs every job each `every_seconds * scale`, between `start` and `stop`."""

    def __init__(self, context: Context, holder: str, scale: float) -> None:
        self._context = context
        self._holder = holder
        self._running: set[asyncio.Task[Any]] = set()
        self._stopping = False
        self.ticking = AsyncIOScheduler(timezone="UTC")
        for job in JOBS:
            seconds = max(job.every_seconds * scale, 0.05)
            self.ticking.add_job(
                self._tick,
                "interval",
                seconds=seconds,
                args=(job, seconds),
                id=job.name,
                max_instances=1,
                coalesce=True,
                misfire_grace_time=None,
                replace_existing=True,
            )

    def start(self) -> None:
        self.ticking.start()

    async def stop(self) -> None:
        """No job runs any more, and those that did have let go of their leases."""
        self._stopping = True
        if self.ticking.running:
            self.ticking.shutdown(wait=False)
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _tick(self, job: Job, seconds: float) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        try:
            # A slot is a moment, so that the order of slots outlives a change of the interval.
            # The clock counts seconds: ticks closer together share a slot, and one of them runs.
            step = max(1, round(seconds))
            slot = self._context.now() // step * step
            await run_slot(self._context, job, slot, self._holder)
        except asyncio.CancelledError:
            if not self._stopping:  # what we stop ourselves is no failure for the log
                raise
        finally:
            self._running.discard(task)
