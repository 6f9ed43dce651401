"""Check: mirror Stripe's balance, compare transfers, reconcile, and write one immutable run.

It repairs nothing and changes no record and no book. What it posts are facts: Stripe's own
movements. Must not swallow what could not be read: the run says so and is `incomplete`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog

from reconciler.compare_transfers import Compared, compare_transfers
from reconciler.context import Context
from reconciler.detectors import Inputs
from reconciler.domain.bridge import Bridge, BridgeLine
from reconciler.domain.findings import Finding, FindingKind
from reconciler.domain.snapshot import PLATFORM
from reconciler.gateway.client import Gateway
from reconciler.gather import gather
from reconciler.mirror_balance import Mirrored, mirror_balance
from reconciler.report import Report, report
from reconciler.store import runs
from reconciler.store.database import Session
from reconciler.walk import Coverage

log = structlog.get_logger()


async def check(
    context: Context,
    stripe: Gateway,
    *,
    recovered: Coverage | None = None,
    pages: int | None = None,
) -> dict[str, Any]:
    """The run that was written. `recovered` is the coverage of an event sweep just before it."""
    started = context.now()
    mirrored = await mirror_balance(context, stripe, PLATFORM, pages)
    compared = await compare_transfers(context, stripe)
    return await reconcile(context, mirrored, compared, recovered, started)


async def reconcile(
    context: Context,
    mirrored: Mirrored,
    compared: Compared | None,
    recovered: Coverage | None,
    started: int,
) -> dict[str, Any]:
    """Compare what is open, write the run, and let findings that no longer stand be cleared."""
    async with context.database.read(snapshot=True) as session:
        gathered = await gather(session, mirrored.stripe_account)
    now = context.now()
    outcome = report(Inputs(mirrored, compared, recovered, gathered, now))
    async with context.write() as session:
        stored = await _store_findings(session, context, outcome.findings, now)
        everything = [*stored, *gathered.invariants]
        run = _run(context.new_id("run"), started, now, outcome, everything)
        await runs.save_run(session, run, everything)
    log.info("run.written", run_id=run["id"], status=run["status"], **run["counts"])
    return run


async def _store_findings(
    session: Session, context: Context, found: Sequence[Finding], now: int
) -> list[dict[str, Any]]:
    living = await runs.living(session)
    kept = []
    for finding in found:
        held = living.pop(runs.key_of(finding), None)
        id = held["id"] if held else context.new_id("fnd")
        kept.append((id, held["first_seen"] if held else now, finding))
    # What the self-check found stands until the self-check no longer finds it.
    gone = [
        row["id"] for key, row in living.items() if key[3] != FindingKind.INVARIANT_BROKEN.value
    ]
    await runs.clear(session, gone, now)
    return await runs.save_findings(session, kept, now)


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
