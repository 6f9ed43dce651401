"""Check: mirror Stripe's balance, compare transfers, reconcile, and write one immutable run.

It repairs nothing and changes no record and no book. What it posts are facts: Stripe's own
movements. Must not swallow what could not be read: the run says so and is `incomplete`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import structlog

from reconciler.context import Context
from reconciler.domain.findings import FindingKind
from reconciler.domain.ledger import STRIPE_BALANCE
from reconciler.domain.snapshot import PLATFORM
from reconciler.gateway.budget import Priority
from reconciler.gateway.client import Gateway
from reconciler.intake.list_events import list_events
from reconciler.intake.mirror_balance import Mirrored, mirror_balance
from reconciler.intake.walk import Coverage
from reconciler.oversight.audit import Action, Actor, Audit, record
from reconciler.reconciling import pinning, watched
from reconciler.reconciling.canaries import look_at_planted
from reconciler.reconciling.compare_transfers import Compared, compare_transfers
from reconciler.reconciling.detecting.full_audit import REFERENCE
from reconciler.reconciling.detecting.registry import gather
from reconciler.reconciling.document import run_digest
from reconciler.reconciling.full_audit import full_audit
from reconciler.reconciling.look import Look
from reconciler.reconciling.outcome import in_order, judge, judged_at, not_yet_told, written
from reconciler.reconciling.pinning import Pinned
from reconciler.reconciling.resting import rests
from reconciler.reconciling.tracking import track
from reconciler.store import books, kept_runs, runs
from reconciler.store.database import Session

log = structlog.get_logger()

ATTEMPTS = 3

OF_EVENTS = frozenset({FindingKind.DELIVERY_GAP.value, FindingKind.BROKEN_CHAIN.value})
"""Kinds that a look at the platform sees for every account: all events come to the platform."""


async def check(
    context: Context,
    stripe: Gateway,
    *,
    recovered: Coverage | None = None,
    pages: int | None = None,
    actor: Actor | None = None,
    full: bool = False,
) -> dict[str, Any]:
    """The run that was written. `recovered` is the coverage of an event sweep just before it;
    without one, Stripe's events are listed, and not taken in. `actor` is who asked, if it was not
    the schedule. A `full` one also recomputes everything without the ledger."""
    started = context.now()
    stripe = stripe.at(Priority.CHECK)
    compared = await compare_transfers(context, stripe)
    recovered = recovered or await list_events(context, stripe)
    accounts = await watched.turn(context)
    for attempt in range(1, ATTEMPTS + 1):
        others = await watched.mirrored(context, stripe, accounts.accounts)
        mirrored = [await mirror_balance(context, stripe, PLATFORM, pages), *others]
        last = attempt == ATTEMPTS
        looks = await look(context, mirrored, compared, recovered, last=last, full=full)
        if looks is not None:
            looks[0] = replace(looks[0], rests=(*looks[0].rests, *accounts.rests))
            return await reconcile(context, looks, started, actor=actor)
    raise AssertionError("the last attempt always looks")


async def look(
    context: Context,
    mirrored: Sequence[Mirrored],
    compared: Compared | None,
    recovered: Coverage | None,
    *,
    last: bool = True,
    full: bool = False,
) -> list[Look] | None:
    """Read what is open in each account that was mirrored, all of it at one moment.

    Somebody else may have mirrored more since Stripe's balance was read; then the two cannot be
    compared. None asks for another attempt; the last one says that the balance moved instead.
    """
    looks = []
    async with context.database.read(snapshot=True) as session:
        for one in mirrored:
            balances = await books.by_kind(session, one.stripe_account)
            raced = one.complete and _moved_on(one, balances)
            if raced and not last:
                return None
            account, now = one.stripe_account, context.now()
            seen = await gather(session, account, now)
            read = replace(one, raced=one.raced or raced)
            others = (compared, recovered) if account == PLATFORM else (None, None)
            audited = await full_audit(session, account) if full else None
            resting = await rests(session, account)
            looks.append(Look(read, *others, balances, seen, now, resting, audited))
    return looks


async def reconcile(
    context: Context, looks: Sequence[Look], started: int, *, actor: Actor | None = None
) -> dict[str, Any]:
    """Judge what was seen, write the run, and let findings that no longer stand be cleared."""
    canary = await look_at_planted(context)
    unseen = {look.stripe_account: _not_looked_at(look) for look in looks}
    audited = {look.stripe_account for look in looks if look.audited is not None}

    def looked_at(key: runs.Key) -> bool:
        if key[3] == FindingKind.INVARIANT_BROKEN.value:
            return key[1].startswith(REFERENCE) and key[0] in audited
        account = PLATFORM if key[3] in OF_EVENTS else key[0]
        return account in unseen and key[3] not in unseen[account]

    async with context.write_books() as session:
        living = await runs.living_of_kind(session, FindingKind.INVARIANT_BROKEN.value)
        living += await runs.living_elsewhere(session, unseen)
        standing = [row for row in living if not looked_at(runs.key_of_row(row))]
        body = pinning.pin(Pinned(tuple(looks), tuple(standing), canary))
        # What is judged is what was pinned, not what was read: so it can be judged again.
        pinned = pinning.unpin(body)
        outcome, now = judge(pinned), judged_at(pinned)
        stored = await track(session, context, outcome.findings, looked_at, now)
        told = not_yet_told(standing, outcome.findings)
        found = in_order([*stored, *(dict(row) for row in told)])
        run = {
            "id": context.new_id("run"),
            "started_at": started,
            "finished_at": context.now(),
            "rules": pinning.rules(),
            **written(outcome, found),
        }
        await _save(session, run, found, body)
        if actor is not None:
            after = {"status": run["status"], **run["counts"]}
            record(session, Audit(actor, Action.RUN_STARTED, run["id"], after=after), now)
    log.info("run.written", run_id=run["id"], status=run["status"], **run["counts"])
    return run


async def _save(
    session: Session, run: dict[str, Any], found: Sequence[dict[str, Any]], body: bytes
) -> None:
    """The run is kept with what it read, and with the digests that say so."""
    seen = pinning.digest(body)
    run["seen_sha256"], run["sha256"] = seen, run_digest(run, found, seen)
    await runs.save_run(session, run, found)
    await kept_runs.save_pin(session, run, pinning.compressed(body))


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
    unseen = set()
    if not look.mirrored.complete:
        unseen.add(FindingKind.UNMIRRORED_BALANCE.value)
    listed = look.compared is not None and look.compared.coverage.complete
    if look.stripe_account == PLATFORM and not listed:
        unseen.add(FindingKind.MISSING_AT_STRIPE.value)
    return unseen
