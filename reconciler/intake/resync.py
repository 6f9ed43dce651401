"""Resync: read objects from Stripe again because somebody asked, and absorb what they are.

By their ids, or by type and window, page by page with a checkpoint that is written with what the
page changed: a resync that was cut short goes on there, and two who work on one never do a page
twice. Must not compare or report: that is `reconciling`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import structlog

from reconciler.context import Context
from reconciler.domain.refusals import Refusal
from reconciler.domain.resyncs import Wanted, checked, share_done
from reconciler.domain.snapshot import Snapshot
from reconciler.gateway import listing
from reconciler.gateway.client import Gateway, Window
from reconciler.gateway.fields import Unreadable
from reconciler.gateway.listing import Found
from reconciler.gateway.outcomes import StripeUnavailable
from reconciler.intake.absorb import Arrival, absorb
from reconciler.intake.mirror_balance import keep_movements
from reconciler.onboarding.account_access import lost
from reconciler.oversight.audit import Action, Actor, Audit, record
from reconciler.store import objects, resyncs
from reconciler.store.database import DatabaseUnavailable, Row, Session
from reconciler.store.leases import LostLease

log = structlog.get_logger()

IDS_AT_ONCE = 20
PROBLEMS_KEPT = 50


class _Overtaken(Exception):
    """Somebody else did this page, or stopped the resync: what this one read is not kept."""


async def ask(
    context: Context, wanted: Wanted, actor: Actor, reason: str = ""
) -> dict[str, Any] | Refusal:
    """A resync that will be worked on, or why it cannot be."""
    now = context.now()
    want = checked(wanted, now)
    if isinstance(want, Refusal):
        return want
    row: dict[str, Any] = {
        "id": context.new_id("rsy"),
        "stripe_account": want.stripe_account,
        "type": want.type,
        "since": want.since,
        "until": want.until,
        "ids": msgspec.json.encode(want.ids).decode(),
        "status": "running",
        "cursor": "",
        "asked_by": actor.name,
        "reason": reason,
        "problem_list": "[]",
        "error": "",
        "created_at": now,
        "updated_at": now,
    }
    counts = ("reached", "objects_read", "objects_changed", "pages", "problems", "finished_at")
    row |= dict.fromkeys(counts, 0)
    shown = view(row)
    async with context.write() as session:
        await resyncs.insert(session, row)
        asked = {name: shown[name] for name in ("type", "since", "until", "ids", "stripe_account")}
        record(session, Audit(actor, Action.RESYNC_STARTED, row["id"], None, asked, reason), now)
    return shown


async def cancel(context: Context, id: str, actor: Actor) -> dict[str, Any] | Refusal:
    """The resync, stopped after what it has read; nothing of that is undone."""
    now = context.now()
    async with context.write() as session:
        held = await resyncs.get(session, id)
        if held is None:
            return Refusal("unknown_resync", f"There is no resync {id[:80]!r}.")
        stopped = await resyncs.cancel(session, id, now)
        if stopped is None:
            return Refusal("resync_ended", f"{id} is {held['status']}: there is nothing to stop.")
        before, after = {"status": "running"}, {"status": "cancelled"}
        record(session, Audit(actor, Action.RESYNC_CANCELLED, id, before, after), now)
    return view(stopped)


async def go_on(
    context: Context, stripe: Gateway, id: str, pages: int | None = None
) -> dict[str, Any]:
    """Work on a resync until its end, or for so many pages; as it then stands. While Stripe does
    not answer it stays where it is, and `error` says why."""
    done = 0
    while True:
        async with context.database.read() as session:
            row = await resyncs.get(session, id)
        assert row is not None, id
        if row["status"] != "running" or done == pages:
            return view(row)
        try:
            await _step(context, stripe, row)
        except (StripeUnavailable, Unreadable) as error:
            log.warning("resync.stumbled", resync=id, error=str(error)[:200])
            async with context.write() as session:
                await resyncs.stumbled(session, id, str(error), context.now())
                stood = await resyncs.get(session, id)
            assert stood is not None
            return view(stood)
        done += 1


async def _step(context: Context, stripe: Gateway, row: Row) -> None:
    """One page, or some of the ids: read, then kept together with where the next one begins."""
    read_at = context.now()
    ids = _ids(row)
    if ids:
        at = int(row["cursor"] or 0)
        found = await _some(stripe, ids[at : at + IDS_AT_ONCE], row["stripe_account"], read_at)
        end = at + IDS_AT_ONCE
        found.next = str(end) if end < len(ids) else ""
    else:
        window = Window(row["since"], row["until"])
        found = await listing.page(
            stripe, row["type"], window, row["cursor"], row["stripe_account"], read_at
        )
    for id in found.missing:
        if id.startswith("acct_"):
            await lost(context, id)  # Stripe's answer is the proof: there is no more to read
    try:
        await _keep(context, row, found, read_at)
    except _Overtaken:
        return
    except (DatabaseUnavailable, LostLease):
        raise
    except Exception:  # one object that we cannot take must not hold up the others of its page
        log.exception("resync.page_failed", resync=row["id"])
        await _keep(context, row, await _without_bad(context, found, read_at), read_at)


async def _some(stripe: Gateway, ids: Sequence[str], account: str, read_at: int) -> Found:
    found = Found()
    for id in ids:
        one = await listing.one(stripe, id, account, read_at)
        found.snapshots += one.snapshots
        found.movements += one.movements
        found.unreadable += one.unreadable
        found.missing += one.missing
        found.objects += one.objects
    return found


async def _keep(context: Context, row: Row, found: Found, read_at: int) -> None:
    """Absorb what was read and move on, in one transaction; nothing if somebody else has."""
    now = context.now()
    async with context.write_books() as session:
        changed = await _absorb(session, context, found.snapshots, read_at)
        changed += await keep_movements(session, found.movements, now)
        moved = await resyncs.advance(
            session, row["id"], row["cursor"], now, _after(row, found, changed, now)
        )
        if not moved:
            raise _Overtaken(row["id"])


async def _absorb(
    session: Session, context: Context, snapshots: Sequence[Snapshot], read_at: int
) -> int:
    """How many records say something else than before."""
    ids = sorted({s.id for s in snapshots})
    if not ids:
        return 0
    before = await objects.get(session, ids)
    arrivals = [Arrival(snapshot, f"resync at {read_at}") for snapshot in snapshots]
    await absorb(session, context.policy, arrivals, context.now())
    await objects.settled(session, {s.id: s.as_of for s in snapshots})
    after = await objects.get(session, ids)
    return sum(
        id not in before or before[id].snapshot.content() != after[id].snapshot.content()
        for id in ids
    )


async def _without_bad(context: Context, found: Found, read_at: int) -> Found:
    """What is left when each object that cannot be absorbed has been named."""
    kept: list[Snapshot] = []
    for snapshot in found.snapshots:
        try:
            async with context.write_books() as session:
                await _absorb(session, context, [snapshot], read_at)
            kept.append(snapshot)
        except (DatabaseUnavailable, LostLease):
            raise
        except Exception as error:
            found.unreadable.append(f"{snapshot.id}: {type(error).__name__}: {error}"[:300])
    found.snapshots = kept
    return found


def _after(row: Row, found: Found, changed: int, now: int) -> dict[str, Any]:
    listed = [*msgspec.json.decode(row["problem_list"]), *found.unreadable]
    return {
        "status": "running" if found.next else "completed",
        "cursor": found.next or row["cursor"],
        "reached": found.reached or row["reached"],
        "objects_read": row["objects_read"] + found.objects,
        "objects_changed": row["objects_changed"] + changed,
        "pages": row["pages"] + 1,
        "problems": row["problems"] + len(found.unreadable),
        "problem_list": msgspec.json.encode(listed[:PROBLEMS_KEPT]).decode(),
        "finished_at": 0 if found.next else now,
    }


def _ids(row: Mapping[str, Any]) -> list[str]:
    found: list[str] = msgspec.json.decode(row["ids"])
    return found


def view(row: Mapping[str, Any]) -> dict[str, Any]:
    """A resync as it is shown; `progress` is from 0 to 1, in hundredths."""
    ids = _ids(row)
    shown = {name: row[name] for name in resyncs.COLUMNS.split(", ")}
    shown["ids"] = ids
    shown["problem_list"] = msgspec.json.decode(row["problem_list"])
    shown["progress"] = round(share_done(row, len(ids)), 2)
    for internal in ("cursor", "reached"):
        del shown[internal]
    return shown
