"""Check: mirror Stripe's balance, compare transfers, reconcile, and write one immutable run.

It repairs nothing and changes no record and no book. What it posts are facts: Stripe's own
movements. Must not swallow what could not be read: the run says so and is `incomplete`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import structlog

from reconciler.context import Context
from reconciler.domain.bridge import Bridge, BridgeLine
from reconciler.domain.findings import FindingKind
from reconciler.domain.ledger import STRIPE_BALANCE
from reconciler.domain.snapshot import PLATFORM
from reconciler.gateway.budget import Priority
from reconciler.gateway.client import Gateway
from reconciler.intake.mirror_balance import Mirrored, mirror_balance
from reconciler.intake.walk import Coverage
from reconciler.oversight.audit import Action, Actor, Audit, record
from reconciler.reconciling.compare_transfers import Compared, compare_transfers
from reconciler.reconciling.detectors import Inputs
from reconciler.reconciling.gather import Gathered, gather
from reconciler.reconciling.report import Report, report
from reconciler.reconciling.tracking import track
from reconciler.store import runs

log = structlog.get_logger()

ATTEMPTS = 3


async def check(
    context: Context,
    stripe: Gateway,
    *,
    recovered: Coverage | None = None,
    pages: int | None = None,
    actor: Actor | None = None,
) -> dict[str, Any]:
    """The run that was written. `recovered` is the coverage of an event sweep just before it;
    `actor` is who asked, if it was not the schedule."""
    started = context.now()
    stripe = stripe.at(Priority.CHECK)
    compared = await compare_transfers(context, stripe)
    for attempt in range(1, ATTEMPTS + 1):
        mirrored = await mirror_balance(context, stripe, PLATFORM, pages)
        run = await reconcile(
            context,
            mirrored,
            compared,
            recovered,
            started,
            last=attempt == ATTEMPTS,
            actor=actor,
        )
        if run is not None:
            return run
    raise AssertionError("the last attempt always writes a run")


async def reconcile(
    context: Context,
    mirrored: Mirrored,
    compared: Compared | None,
    recovered: Coverage | None,
    started: int,
    *,
    last: bool = True,
    actor: Actor | None = None,
) -> dict[str, Any] | None:
    """Compare what is open, write the run, and let findings that no longer stand be cleared.

    Somebody else may have mirrored more since Stripe's balance was read; then the two cannot be
    compared. None asks for another attempt; the last one writes an incomplete run instead.
    """
    async with context.database.read(snapshot=True) as session:
        gathered = await gather(session, mirrored.stripe_account, context.now())
    if mirrored.complete and _moved_on(mirrored, gathered):
        if not last:
            return None
        mirrored = replace(mirrored, raced=True)
    now = context.now()
    outcome = report(Inputs(mirrored, compared, recovered, gathered, now))
    unseen = _not_looked_at(mirrored, compared)
    async with context.write_books() as session:
        stored = await track(session, context, outcome.findings, lambda k: k[3] not in unseen, now)
        everything = [*stored, *gathered.invariants]
        run = _run(context.new_id("run"), started, now, outcome, everything)
        await runs.save_run(session, run, everything)
        if actor is not None:
            after = {"status": run["status"], **run["counts"]}
            record(session, Audit(actor, Action.RUN_STARTED, run["id"], after=after), now)
    log.info("run.written", run_id=run["id"], status=run["status"], **run["counts"])
    return run


def _moved_on(mirrored: Mirrored, gathered: Gathered) -> bool:
    """Whether the ledger holds other movements than when Stripe's balance was read."""
    held = {
        currency: balances[STRIPE_BALANCE]
        for currency, balances in gathered.balances.items()
        if balances.get(STRIPE_BALANCE)
    }
    return held != {currency: amount for currency, amount in mirrored.held.items() if amount}


def _not_looked_at(mirrored: Mirrored, compared: Compared | None) -> set[str]:
    """Kinds of findings that this look could not have seen, and so must not clear."""
    unseen = {FindingKind.INVARIANT_BROKEN.value}  # the self-check's
    if not mirrored.complete:
        unseen.add(FindingKind.UNMIRRORED_BALANCE.value)
    if compared is None or not compared.coverage.complete:
        unseen.add(FindingKind.MISSING_AT_STRIPE.value)
    return unseen


def _run(
    id: str, started: int, now: int, outcome: Report, found: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    ids = {(f["kind"], f["currency"], f["reference"]): f["id"] for f in found}
    counts: dict[str, int] = {"open": 0, "timing": 0}
    for finding in found:
        counts[finding["status"]] += 1
    return {
        "id": id,
        "started_at": started,
        "finished_at": now,
        "status": outcome.status,
        "coverage": outcome.coverage,
        "bridge": [_bridge(b, ids) for b in outcome.bridges],
        "drift": {
            "drift": {b.currency: b.drift for b in outcome.bridges if b.drift},
            "timing": {b.currency: b.timing for b in outcome.bridges if b.timing},
        },
        "counts": counts,
    }


def _bridge(bridge: Bridge, ids: dict[tuple[str, str, str], str]) -> dict[str, Any]:
    return {
        "stripe_account": bridge.stripe_account,
        "currency": bridge.currency,
        "as_of": bridge.as_of,
        "books": bridge.books,
        "holdings": [_line(line, bridge.currency, ids) for line in bridge.holdings],
        "differences": [_line(line, bridge.currency, ids) for line in bridge.differences],
        "unexplained": bridge.unexplained,
        "stripe": bridge.stripe,
        "available": bridge.available,
        "pending": bridge.pending,
        "drift": bridge.drift,
        "timing": bridge.timing,
    }


def _line(line: BridgeLine, currency: str, ids: dict[tuple[str, str, str], str]) -> dict[str, Any]:
    return {
        "key": line.key,
        "label": line.label,
        "amount": line.amount,
        "timing": line.timing,
        "findings": [ids[line.kind, currency, reference] for reference in line.references],
    }
