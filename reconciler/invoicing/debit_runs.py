"""The daily run: every invoice that is due is tried once, some at a time, and each outcome is
written down as it comes.

A run that is cut short goes on where it stopped: an invoice whose outcome is not written down is
looked at again, and what was sent for it is never sent a second time. Must not decide what a try
may do: that is `debit`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import structlog

from reconciler.context import Context
from reconciler.domain.invoices import OUTCOMES, InvoiceStatus, today
from reconciler.domain.refusals import Refusal
from reconciler.gateway.client import Gateway
from reconciler.gateway.fields import Unreadable
from reconciler.gateway.outcomes import StripeUnavailable
from reconciler.invoicing.debit import Asked, debit
from reconciler.oversight.audit import Action, Actor, Audit, record
from reconciler.store import debits, invoices
from reconciler.store.database import DatabaseUnavailable, Row
from reconciler.store.leases import LostLease

log = structlog.get_logger()

AT_ONCE = 8
"""Invoices tried at the same time; what Stripe is asked is bounded by its own budget besides."""


async def debit_today(context: Context, stripe: Gateway, actor: Actor) -> str:
    """The day's run, begun once and gone on with until it is finished; what was done, in words. On
    a day on which nothing is due there is none."""
    day = today(context.now()).isoformat()
    async with context.database.read() as session:
        last = await debits.run(session, "latest")
        due = await invoices.due(session, day)
    if last is None or last["status"] == "finished":
        if last is not None and last["day"] >= day:
            return "today's run is finished"
        if not due:
            return "nothing is due"
    id = await begin(context, actor)
    done = await go_on(context, stripe, id, actor)
    return f"invoices tried in {id}: {done}"


async def begin(context: Context, actor: Actor, reason: str = "") -> str:
    """The id of the run that now goes on: the one that was cut short, or a new one. What is due is
    in it."""
    now = context.now()
    day = today(now).isoformat()
    async with context.write() as session:
        id = context.new_id("dbr")
        row = await debits.begin_run(session, id, day, actor.name, now)
        due = await invoices.due(session, day)
        await debits.add_items(session, row["id"], due)
        if row["id"] == id:
            after = {"day": day, "invoices": len(due)}
            audited = Audit(actor, Action.DEBIT_RUN_STARTED, id, None, after, reason)
            record(session, audited, now)
    return str(row["id"])


async def go_on(context: Context, stripe: Gateway, id: str, actor: Actor) -> int:
    """Try what is left of a run: how many invoices were. While Stripe does not answer, the rest
    is left for the next call."""
    done = 0
    while True:
        async with context.database.read() as session:
            waiting = await debits.waiting(session, id, AT_ONCE)
        if not waiting:
            break
        tried = await asyncio.gather(*(_one(context, stripe, item, actor) for item in waiting))
        done += sum(tried)
        if not all(tried):
            return done
    await _finish(context, id, actor)
    return done


async def _one(context: Context, stripe: Gateway, item: Row, actor: Actor) -> bool:
    """Whether the invoice has had its outcome. A defect of ours must not hold up the others."""
    run, invoice = item["run"], item["invoice"]
    try:
        outcome, detail = await _tried(context, stripe, run, invoice, actor)
    except StripeUnavailable as error:
        log.warning("debit_run.waits", run=run, invoice=invoice, error=str(error))
        return False
    except (DatabaseUnavailable, LostLease):
        raise
    except Exception as error:
        log.exception("debit_run.invoice_failed", run=run, invoice=invoice)
        outcome, detail = "failed", f"{type(error).__name__}: look at the service's log"
    if outcome == "stripe_busy":
        return False
    async with context.write() as session:
        await debits.item_done(session, run, invoice, outcome, detail)
    return True


async def _tried(
    context: Context, stripe: Gateway, run: str, invoice: str, actor: Actor
) -> tuple[str, str]:
    """What to say of an invoice in its run. One that this run tried before it was cut short is
    told by where it stands now."""
    async with context.database.read() as session:
        before = [row for row in await debits.tries(session, invoice) if row["run"] == run]
        row = await invoices.get(session, invoice)
    assert row is not None
    if any(each["step"] != "cancel" for each in before):
        return _told(row)
    try:
        found = await debit(context, stripe, invoice, Asked(actor, run))
    except Unreadable as error:
        return "failed", f"Stripe's answer cannot be read: {error}"
    if not isinstance(found, Refusal):
        return _told(found)
    if found.code in ("stripe_unavailable", "stripe_busy"):
        return "stripe_busy", found.message
    async with context.database.read() as session:
        after = await invoices.get(session, invoice)
    assert after is not None
    if found.code == "debit_in_progress" or after["status"] == InvoiceStatus.PAID:
        return _told(after)
    return "skipped", found.message


def _told(row: Row) -> tuple[str, str]:
    status = InvoiceStatus(row["status"])
    detail = row["failure_message"] or row["attention"].replace("_", " ")
    return OUTCOMES[status], detail if status is not InvoiceStatus.PAID else ""


async def _finish(context: Context, id: str, actor: Actor) -> None:
    now = context.now()
    async with context.write() as session:
        if not await debits.finish_run(session, id, now):
            return
        counts = {
            f"{row['outcome']} {row['currency']}": row["invoices"]
            for row in await debits.sums(session, [id])
        }
        record(session, Audit(actor, Action.DEBIT_RUN_FINISHED, id, None, counts), now)
    log.info(
        "debit_run.finished", run=id, **{key.replace(" ", "_"): n for key, n in counts.items()}
    )


# What is shown of runs.


async def summaries(context: Context, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Runs with their progress and the sums of each outcome."""
    async with context.database.read() as session:
        sums = await debits.sums(session, [row["id"] for row in rows])
    return [_summary(row, [each for each in sums if each["run"] == row["id"]]) for row in rows]


def _summary(row: Row, sums: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    listed = list(sums)
    total = sum(each["invoices"] for each in listed)
    waiting = sum(each["invoices"] for each in listed if not each["outcome"])
    outcomes = [
        {name: each[name] for name in ("outcome", "currency", "invoices", "amount")}
        for each in listed
        if each["outcome"]
    ]
    return {
        "id": row["id"],
        "day": row["day"],
        "status": row["status"],
        "started_by": row["started_by"],
        "started_at": row["started_at"],
        "finished_at": row["finished_at"],
        "progress": {"done": total - waiting, "total": total},
        "outcomes": outcomes,
    }
