"""Check: mirror Stripe's balance, compare transfers, reconcile, and write one immutable run.

It repairs nothing and changes no record and no book. What it posts are facts: Stripe's own
movements. Must not swallow what could not be read: the run says so and is `incomplete`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
from reconciler.reconciling.detecting.registry import gather
from reconciler.reconciling.look import Look
from reconciler.reconciling.report import Report, report
from reconciler.reconciling.tracking import track
from reconciler.store import books, runs
from reconciler.store.database import Session

log = structlog.get_logger()

ATTEMPTS = 3

Ids = dict[tuple[str, str, str, str], str]
"""The id of a finding, by Stripe account, kind, currency and reference."""


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
        mirrored = [await mirror_balance(context, stripe, PLATFORM, pages)]
        last = attempt == ATTEMPTS
        looks = await look(context, mirrored, compared, recovered, last=last)
        if looks is not None:
            return await reconcile(context, looks, started, actor=actor)
    raise AssertionError("the last attempt always looks")


async def look(
    context: Context,
    mirrored: Sequence[Mirrored],
    compared: Compared | None,
    recovered: Coverage | None,
    *,
    last: bool = True,
) -> list[Look] | None:
    """Read what is open in each account that was mirrored, all of it at one moment.

    Somebody else may have mirrored more since Stripe's balance was read; then the two cannot be
    compared. None asks for another attempt; the last one says that the balance moved instead.
    """
    looks = []
    async with context.database.read(snapshot=True) as session:
        for one in mirrored:
            balances = await _balances(session, one.stripe_account)
            raced = one.complete and _moved_on(one, balances)
            if raced and not last:
                return None
            seen = await gather(session, one.stripe_account, context.now())
            read = replace(one, raced=one.raced or raced)
            others = (compared, recovered) if one.stripe_account == PLATFORM else (None, None)
            looks.append(Look(read, *others, balances, seen, context.now()))
    return looks


async def reconcile(
    context: Context, looks: Sequence[Look], started: int, *, actor: Actor | None = None
) -> dict[str, Any]:
    """Judge what was seen, write the run, and let findings that no longer stand be cleared."""
    now = context.now()
    unseen = {look.stripe_account: _not_looked_at(look) for look in looks}

    def looked_at(key: runs.Key) -> bool:
        return key[0] in unseen and key[3] not in unseen[key[0]]

    async with context.write_books() as session:
        standing = await runs.living_of_kind(session, FindingKind.INVARIANT_BROKEN.value)
        outcome = report(looks, standing)
        stored = await track(session, context, outcome.findings, looked_at, now)
        everything = [*stored, *standing]
        run = _run(context.new_id("run"), started, now, outcome, everything)
        await runs.save_run(session, run, everything)
        if actor is not None:
            after = {"status": run["status"], **run["counts"]}
            record(session, Audit(actor, Action.RUN_STARTED, run["id"], after=after), now)
    log.info("run.written", run_id=run["id"], status=run["status"], **run["counts"])
    return run


async def _balances(session: Session, stripe_account: str) -> dict[str, dict[str, int]]:
    balances: dict[str, dict[str, int]] = {}
    for row in await books.totals(session, stripe_account):
        balances.setdefault(row["currency"], {})[row["kind"]] = row["books"] + row["facts"]
    return balances


def _moved_on(mirrored: Mirrored, balances: Mapping[str, Mapping[str, int]]) -> bool:
    """Whether the ledger holds other movements than when Stripe's balance was read."""
    held = {
        currency: kinds[STRIPE_BALANCE]
        for currency, kinds in balances.items()
        if kinds.get(STRIPE_BALANCE)
    }
    return held != {currency: amount for currency, amount in mirrored.held.items() if amount}


def _not_looked_at(look: Look) -> set[str]:
    """Kinds of findings that this look could not have seen, and so must not clear."""
    unseen = {FindingKind.INVARIANT_BROKEN.value}  # the self-check's
    if not look.mirrored.complete:
        unseen.add(FindingKind.UNMIRRORED_BALANCE.value)
    if look.compared is None or not look.compared.coverage.complete:
        unseen.add(FindingKind.MISSING_AT_STRIPE.value)
    return unseen


def _run(
    id: str, started: int, now: int, outcome: Report, found: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    ids = {(f["stripe_account"], f["kind"], f["currency"], f["reference"]): f["id"] for f in found}
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
            "drift": _sums((b.currency, b.drift) for b in outcome.bridges),
            "timing": _sums((b.currency, b.timing) for b in outcome.bridges),
        },
        "counts": counts,
    }


def _sums(amounts: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Per currency, those that are not zero."""
    sums: dict[str, int] = {}
    for currency, amount in amounts:
        sums[currency] = sums.get(currency, 0) + amount
    return {currency: amount for currency, amount in sums.items() if amount}


def _bridge(bridge: Bridge, ids: Ids) -> dict[str, Any]:
    return {
        "stripe_account": bridge.stripe_account,
        "currency": bridge.currency,
        "as_of": bridge.as_of,
        "books": bridge.books,
        "holdings": [_line(line, bridge, ids) for line in bridge.holdings],
        "differences": [_line(line, bridge, ids) for line in bridge.differences],
        "unexplained": bridge.unexplained,
        "stripe": bridge.stripe,
        "available": bridge.available,
        "pending": bridge.pending,
        "drift": bridge.drift,
        "timing": bridge.timing,
    }


def _line(line: BridgeLine, bridge: Bridge, ids: Ids) -> dict[str, Any]:
    account, currency = bridge.stripe_account, bridge.currency
    return {
        "key": line.key,
        "label": line.label,
        "amount": line.amount,
        "timing": line.timing,
        "findings": [ids[account, line.kind, currency, reference] for reference in line.references],
    }
