"""Figures: what an operator's alarms are made of, read at one moment.

Numbers by kind, never by object, and no text that came from outside. Must not call Stripe.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.context import Context
from reconciler.oversight.delivery_counts import day_in_figures
from reconciler.store import figures, runs
from reconciler.store.database import Row


@dataclass(frozen=True, slots=True)
class Figures:
    """Times are epoch seconds, 0 where there is nothing. `drift` holds minor units per currency of
    the newest run, whose verdict is `verdict`; `traffic` what is asked of Stripe, None without a
    key; `delivery` says how the events of the last day reached us."""

    now: int
    inbox: Row
    rereads: Row
    findings: Sequence[Row]
    sendings: Sequence[Row]
    jobs: Sequence[Row]
    verdict: str
    run_finished_at: int
    drift: dict[str, int]
    traffic: dict[str, Any] | None
    delivery: dict[str, Any]


async def read_figures(context: Context) -> Figures:
    """Everything at once; raises DatabaseUnavailable."""
    async with context.database.read(snapshot=True) as session:
        run = await runs.run(session, "latest")
        inbox, rereads = await figures.inbox(session), await figures.rereads(session)
        found = await figures.findings(session)
        sendings, jobs = await figures.sendings(session), await figures.jobs(session)
        day = await day_in_figures(session, context.now())
    bridges = run["bridge"] if run else []
    return Figures(
        now=context.now(),
        inbox=inbox,
        rereads=rereads,
        findings=found,
        sendings=sendings,
        jobs=jobs,
        verdict=run["status"] if run else "",
        run_finished_at=run["finished_at"] if run else 0,
        drift={bridge["currency"]: bridge["drift"] for bridge in bridges},
        traffic=context.stripe.wire.shown() if context.stripe else None,
        delivery=day,
    )
